from __future__ import annotations

import importlib

import pytest

from consumer.errors import IdentityTaken, StuckBatch
from models.errors import ArtifactRefused, StoreError
from producer.errors import ProducerFenced
from service.errors import SettingsError, Unreachable
from service.exits import EXIT_CODES, exit_code, one_line


@pytest.mark.parametrize("name", EXIT_CODES)
def test_every_name_of_the_table_is_an_error(name: str) -> None:
    """A renamed class would fall out of the table in silence."""
    module, _, kind = name.rpartition(".")
    assert issubclass(getattr(importlib.import_module(module), kind), Exception)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SettingsError("x"), 2),
        (Unreachable("x"), 3),
        (StoreError("x"), 3),
        (IdentityTaken("x"), 4),
        (ProducerFenced("x"), 4),
        (StuckBatch("x"), 1),
        (ArtifactRefused("digest", "x"), 1),
        (FileNotFoundError(2, "No such file", "x.csv"), 2),
        (ZeroDivisionError("x"), 1),
    ],
)
def test_exit_code_follows_the_nearest_class(error: Exception, code: int) -> None:
    """Programs decide by these numbers what to do next."""
    assert exit_code(error) == code


def test_one_line_has_one_line() -> None:
    """A message of a library may have many."""
    assert one_line(SettingsError("first\n  second")) == "first second"


def test_one_line_names_the_file_of_an_operating_system_error() -> None:
    """``[Errno 2]`` helps nobody."""
    assert one_line(FileNotFoundError(2, "No such file or directory", "x.csv")) == "x.csv: no such file or directory"


def test_one_line_says_how_to_learn_more_of_a_surprise() -> None:
    """An error that nobody expected is a fault of ours; the traceback is one flag away."""
    assert one_line(KeyError("amount")) == "unexpected KeyError: 'amount' (run again with --debug to see where)"
