from __future__ import annotations

import pytest

from models.artifact import MAX_FILES, check_file_names
from models.errors import ArtifactRefused


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../model.skops", "a/b", "/etc/passwd", ".hidden", "a\x00b", "manifest.json"]
)
def test_file_name_that_leads_elsewhere_is_refused(name: str) -> None:
    """A forged manifest must not make the service read other files."""
    with pytest.raises(ArtifactRefused, match="plain file name") as caught:
        check_file_names({name: ""})
    assert caught.value.reason == "format"


def test_too_many_files_are_refused() -> None:
    """A version is a handful of files."""
    with pytest.raises(ArtifactRefused, match=f"at most {MAX_FILES}"):
        check_file_names({f"file{number}": "" for number in range(MAX_FILES + 1)})


def test_plain_names_are_taken() -> None:
    """What our own artifacts hold, and what later ones may add."""
    check_file_names(dict.fromkeys(("model.skops", "sample.json", "report.html", "weights-1_a.bin"), ""))
