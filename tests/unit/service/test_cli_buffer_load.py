"""The command `buffer load`."""

from __future__ import annotations

import subprocess
import sys

_WITHOUT_LIBRARIES = """
import sys
sys.modules.update(pyarrow=None, deltalake=None, duckdb=None)
from service.cli import main
sys.argv = ["tidemill", "buffer", "load", "history.csv"]
main()
"""


def test_load_without_its_libraries_says_what_to_install() -> None:
    """Who has not installed the extra is told so, not that something unexpected happened."""
    ended = subprocess.run([sys.executable, "-c", _WITHOUT_LIBRARIES], capture_output=True, text=True, check=False)
    assert ended.stderr == (
        "error: the buffer needs pyarrow, deltalake, duckdb (not installed): pip install 'tidemill[buffer]'\n"
    )
    assert ended.returncode == 1
