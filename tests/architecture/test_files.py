from __future__ import annotations

import re

from tests.architecture.project import ROOT, code_files, text_files

MOST_LINES = 400
# A path on somebody's own machine: it means nothing on any other.
PRIVATE_PATH = re.compile(r"(?<![\w.])/(root|home|Users|work)/\w")


def test_no_file_is_longer_than_one_can_read() -> None:
    """A file that grows past the bound is two files."""
    too_long = {
        str(file.relative_to(ROOT)): lines
        for file in code_files()
        if (lines := len(file.read_text().splitlines())) > MOST_LINES
    }

    assert too_long == {}


def test_no_file_names_a_private_path() -> None:
    """Nothing depends on, or tells of, the machine it was written on."""
    private = [str(file.relative_to(ROOT)) for file in text_files() if PRIVATE_PATH.search(file.read_text())]

    assert private == []
