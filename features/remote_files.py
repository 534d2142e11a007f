"""Files in object storage, by pyarrow, which is imported only when one is read."""

from __future__ import annotations

from typing import Any, BinaryIO, cast

from features.errors import TableError


class RemoteBytes:
    """Implements ``StoredBytes`` for ``s3://bucket/key``; access and region come from the environment, as AWS has them.

    The URI may name another endpoint: ``s3://bucket/key?endpoint_override=host:port&scheme=http``.

    Raises:
        TableError: On construction: pyarrow is not installed, or the place is no file.
    """

    def __init__(self, place: str) -> None:
        self._place = place
        self._files, self._path = file_system(place)
        found = self._info()
        if not found.is_file:
            what = "it is a folder" if found.type.name == "Directory" else "there is no such file"
            raise TableError(f"{place}: cannot be opened: {what}")

    def _info(self) -> Any:
        try:
            return self._files.get_file_info(self._path)
        except (OSError, ValueError) as error:
            raise TableError(f"{self._place}: cannot be looked up: {_first_line(error)}") from error

    def reader(self) -> BinaryIO:
        """Return a seekable reader that stands at the beginning."""
        return cast("BinaryIO", self._files.open_input_file(self._path))

    def stamp(self) -> tuple[int, int]:
        """Return size and time of modification (nanoseconds) as they are now."""
        info = self._info()
        return info.size or 0, info.mtime_ns or 0


def file_system(place: str) -> tuple[Any, str]:
    """Return the file system of a place in object storage, and the path in it.

    Raises:
        TableError: pyarrow is not installed, or the place cannot be understood.
    """
    try:
        from pyarrow import fs
    except ImportError:
        raise TableError(f"{place}: reading from object storage needs pyarrow; install tidemill[parquet]") from None
    try:
        found: tuple[Any, str] = fs.FileSystem.from_uri(place)
    except (OSError, ValueError) as error:
        raise TableError(f"{place}: cannot be looked up: {_first_line(error)}") from error
    return found


def children_of(place: str) -> list[tuple[str, bool]] | None:
    """Return the places in a remote folder and whether each is a file; None where the place is no folder.

    Raises:
        TableError: The storage does not answer or denies it.
    """
    files, path = file_system(place)
    from pyarrow import fs

    try:
        if files.get_file_info(path).type != fs.FileType.Directory:
            return None
        found = files.get_file_info(fs.FileSelector(path))
    except (OSError, ValueError) as error:
        raise TableError(f"{place}: cannot be looked up: {_first_line(error)}") from error
    query = place.partition("?")[1:]
    return [(f"s3://{info.path}{''.join(query)}", info.is_file) for info in found]


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
