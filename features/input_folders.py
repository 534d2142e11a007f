"""Places of bulk data to files: a file is itself, a folder is the tables in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from features.compressed import bare_name
from features.errors import TableError
from features.input_files import is_remote, place_of, reason_of
from features.remote_files import children_of
from features.tables import PARQUET_SUFFIXES

_TABLE_SUFFIXES = (".csv", *PARQUET_SUFFIXES)
_HIDDEN = (".", "_")  # other tools put their marks and unfinished files under such names


@dataclass(frozen=True, slots=True)
class Found:
    """The files that some places mean.

    Attributes:
        files: In the order of the places, those of a folder by name; each once.
        left_out: Lines that say what in a folder is no table, and why.
    """

    files: Sequence[str]
    left_out: Sequence[str]


def find_files(places: Sequence[Path | str]) -> Found:
    """Return the files at some places: paths, ``file://`` or ``s3://``, each a file or a folder.

    Of a folder the files are taken that are named as CSV or Parquet, also compressed; folders in it are not
    looked into. A file that is named by itself is taken whatever its name is.

    Raises:
        TableError: A folder cannot be looked into, or has nothing to take.
    """
    files: list[str] = []
    left_out: list[str] = []
    for place in map(place_of, places):
        inside = children_of(place) if is_remote(place) else _local_children(place)
        if inside is None:
            files.append(place)
            continue
        taken = sorted(child for child, is_file in inside if is_file and _refusal(child) is None)
        for child, is_file in sorted(inside):
            why = _refusal(child) if is_file else "a folder in a folder; name it to read it"
            if why is not None:
                left_out.append(f"{child}: left out: {why}")
        if not taken:
            raise TableError(f"{place}: no file in it is named .csv or .parquet (or with .gz, .bz2, .zst behind it)")
        files += taken
    return Found(tuple(dict.fromkeys(files)), left_out)


def _refusal(place: str) -> str | None:
    name = place.partition("?")[0].rpartition("/")[2] if is_remote(place) else place.rpartition("/")[2]
    if name.startswith(_HIDDEN):
        return "hidden"
    return None if bare_name(name).endswith(_TABLE_SUFFIXES) else "neither .csv nor .parquet by its name"


def _local_children(place: str) -> list[tuple[str, bool]] | None:
    folder = Path(place)
    try:
        if not folder.is_dir():
            return None
        return [
            (str(child), not child.is_dir()) for child in folder.iterdir()
        ]  # links that lead nowhere are told later
    except OSError as error:
        raise TableError(f"{place}: cannot be looked into: {reason_of(error)}") from error
