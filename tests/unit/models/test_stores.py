from __future__ import annotations

from pathlib import Path

import pytest

from models.errors import StoreError
from models.stores import open_store


@pytest.mark.parametrize("form", ["{}", "file://{}", "file://localhost{}"])
def test_path_and_file_address_are_one_store(tmp_path: Path, form: str) -> None:
    """A path may be written as people write paths or as an address."""
    folder = tmp_path / "my models"
    assert str(open_store(form.format(folder), "fraud")) == str(folder / "fraud")


def test_percent_signs_of_an_address_are_undone() -> None:
    """In an address a space is %20; in a path it is not."""
    assert str(open_store("file:///mnt/my%20models", "fraud")) == "/mnt/my models/fraud"
    assert str(open_store("/mnt/my%20models", "fraud")) == "/mnt/my%20models/fraud"


@pytest.mark.parametrize(
    ("uri", "message"),
    [("s3://models", "s3://"), ("", "empty"), ("file://host/x", "three slashes"), ("file://", "slash")],
)
def test_address_that_is_not_known_is_refused(uri: str, message: str) -> None:
    """s3://models must not become a folder called s3:."""
    with pytest.raises(StoreError, match=message):
        open_store(uri, "fraud")


@pytest.mark.parametrize("name", ["", "..", "a/b", "Fraud", ".hidden", "x" * 65])
def test_name_that_cannot_be_a_folder_is_refused(name: str) -> None:
    """The name of a model leads into one folder of the store, never out of it."""
    with pytest.raises(StoreError, match="model name"):
        open_store("/mnt/models", name)
