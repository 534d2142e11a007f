"""Arrow arrays of a Parquet file to plain cells; importing this imports nothing of pyarrow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from features.rejection import Problem, Reason

PLAIN_EXTENSIONS = frozenset({"arrow.uuid"})
"""Extension types that mean what they say; of others the storage may be anything."""

_EXTENSION_NAME = b"ARROW:extension:name"


def extension_in(field: Any) -> str | None:
    """Return the name of the first extension type in a field or within it that is not let in, or None."""
    import pyarrow as pa

    kind = field.type
    name = getattr(kind, "extension_name", None) if isinstance(kind, pa.BaseExtensionType) else None
    if name is None and field.metadata:
        given = field.metadata.get(_EXTENSION_NAME)
        name = None if given is None else given.decode(errors="replace")
    if name is not None:
        return None if name in PLAIN_EXTENSIONS else str(name)
    inner = (kind.field(index) for index in range(kind.num_fields))
    return next((found for found in map(extension_in, inner) if found), None)


def text_sizes(array: Any) -> npt.NDArray[np.int64] | None:
    """Return how many bytes each text of an array has, without writing them out; None where it is none of texts."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts, indices = array, None
    if pa.types.is_dictionary(array.type):
        texts, indices = array.dictionary, array.indices
    kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    if not any(is_kind(texts.type) for is_kind in kinds):
        return None
    lengths = pc.binary_length(texts).cast(pa.int64())
    if indices is not None:
        lengths = lengths.take(indices)
    return np.asarray(lengths.fill_null(0).to_numpy(zero_copy_only=False), dtype=np.int64)


def heavy_rows(arrays: Mapping[str, Any], *, limit: int) -> Mapping[int, str]:
    """Return the rows with a text of more than ``limit`` bytes, ascending, and what to say of each."""
    found: dict[int, str] = {}
    for name, array in arrays.items():
        sizes = text_sizes(array)
        for row in [] if sizes is None else np.flatnonzero(sizes > limit).tolist():
            found.setdefault(row, f"column {name}: a text of {sizes[row]} bytes; at most {limit} are read")  # type: ignore[index]
    return dict(sorted(found.items()))


def row_bytes(arrays: Mapping[str, Any], count: int, *, without: Mapping[int, str]) -> npt.NDArray[np.int64]:
    """Return about how many bytes the cells of each row are; nothing for the rows ``without``."""
    total = np.zeros(count, dtype=np.int64)
    for array in arrays.values():
        sizes = text_sizes(array)
        total += array.nbytes // max(1, count) if sizes is None else sizes
    total[list(without)] = 0
    return total


def values_of(array: Any, name: str) -> list[Any]:
    """Return the cells of an array; one that is no value of Python's (bad text, the year 50,000) is a problem."""
    import pyarrow as pa

    if pa.types.is_dictionary(array.type):
        if len(array.dictionary) > len(array):
            return values_of(array.dictionary.take(array.indices), name)
        known = values_of(array.dictionary, name)  # one object for each different text, however often it stands
        return [None if index is None else known[index] for index in array.indices.to_pylist()]
    try:
        return list(array.to_pylist())
    except (ValueError, OverflowError):
        return [_value(scalar, name) for scalar in array]


def _value(scalar: Any, name: str) -> Any:
    try:
        return scalar.as_py()
    except UnicodeDecodeError:
        return Problem(Reason.UNDECODABLE, f"column {name}: it is not UTF-8")
    except (ValueError, OverflowError) as error:
        return Problem(Reason.OUT_OF_RANGE, f"column {name}: {scalar.type} that is no date or time: {error}")
