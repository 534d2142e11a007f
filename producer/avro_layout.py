"""Avro records from columns: rows whose parts are equally wide are written as one block of memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Ints: TypeAlias = npt.NDArray[np.integer]
_Bytes: TypeAlias = npt.NDArray[np.uint8]
_RADIX_SORTED = 1 << 16  # NumPy sorts numbers of 16 bits in linear time


def varint(value: int) -> bytes:
    r"""Return an Avro ``int`` or ``long``: zigzag, seven bits a byte, the low ones first.

    >>> varint(-1), varint(64)
    (b'\x01', b'\x80\x01')
    """
    rest = (value << 1) ^ (value >> 63)
    out = bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def text(value: str) -> bytes:
    r"""Return an Avro ``string``.

    >>> text("ab")
    b'\x04ab'
    """
    encoded = value.encode()
    return varint(len(encoded)) + encoded


class Choice:
    """A part that is one of a few byte strings in each row."""

    def __init__(self, which: Ints, options: Sequence[bytes]) -> None:
        """Take the number of the option of each row."""
        self.kinds, self.count = which, len(options)
        self._options = options

    def width(self, kind: int) -> int:
        """Return the bytes this part takes in rows of a kind."""
        return len(self._options[kind])

    def fill(self, out: _Bytes, kind: int, rows: Ints) -> None:  # noqa: ARG002 - the same in all rows of a kind
        """Write the part of some rows of a kind."""
        out[:] = np.frombuffer(self._options[kind], dtype=np.uint8)


class Constant(Choice):
    """A part that is the same in all rows."""

    def __init__(self, content: bytes) -> None:
        """Take it."""
        super().__init__(np.zeros((), dtype=np.int64), [content])


class Varints:
    """A part that is an Avro ``int`` or ``long``; rows of a kind have a number of equally many bytes."""

    def __init__(self, values: Ints) -> None:
        """Take the numbers."""
        signed = values.astype(np.int64)
        self._zigzag = ((signed << 1) ^ (signed >> 63)).view(np.uint64)
        kinds = np.zeros(len(values), dtype=np.int64)
        largest = int(self._zigzag.max()) if len(values) else 0
        self.count = 1
        while largest >> 7 * self.count:
            kinds += self._zigzag >= np.uint64(1 << 7 * self.count)
            self.count += 1
        self.kinds: Ints = kinds

    def width(self, kind: int) -> int:
        """Return the bytes this part takes in rows of a kind."""
        return kind + 1

    def fill(self, out: _Bytes, kind: int, rows: Ints) -> None:
        """Write the part of some rows of a kind."""
        rest = self._zigzag[rows]
        for at in range(kind):
            out[:, at] = rest & np.uint64(0x7F) | np.uint64(0x80)
            rest = rest >> np.uint64(7)
        out[:, kind] = rest


class Doubles:
    """A part that is an Avro ``double``."""

    count = 1

    def __init__(self, values: npt.NDArray[np.float64]) -> None:
        """Take the numbers."""
        self.kinds: Ints = np.zeros((), dtype=np.int64)
        self._bytes = np.ascontiguousarray(values, dtype="<f8").view(np.uint8).reshape(-1, 8)

    def width(self, kind: int) -> int:  # noqa: ARG002 - always the same
        """Return 8."""
        return 8

    def fill(self, out: _Bytes, kind: int, rows: Ints) -> None:  # noqa: ARG002 - always the same
        """Write the part of some rows."""
        out[:] = self._bytes[rows]


Part: TypeAlias = Choice | Varints | Doubles


@dataclass(frozen=True, slots=True)
class _Kind:
    """Rows that are laid out alike, and the kind of each of their parts."""

    rows: Ints
    parts: tuple[int, ...]


def assemble(parts: Sequence[Part], rows: int) -> list[bytes]:
    """Return the parts of each row one after the other, as one byte string a row."""
    written: list[bytes] = []
    order = []
    for kind in _kinds(parts, rows):
        widths = [part.width(k) for part, k in zip(parts, kind.parts, strict=True)]
        block = np.empty((len(kind.rows), sum(widths)), dtype=np.uint8)
        end = 0
        for part, k, width in zip(parts, kind.parts, widths, strict=True):
            part.fill(block[:, end : end + width], k, kind.rows)
            end += width
        written += block.view(f"V{end}").reshape(-1).tolist()
        order.append(kind.rows)
    if len(order) < 2:
        return written
    result = np.empty(rows, dtype=object)
    result[np.concatenate(order)] = written
    ordered: list[bytes] = result.tolist()
    return ordered


def _kinds(parts: Sequence[Part], rows: int) -> Iterable[_Kind]:
    """Yield the groups of rows in which every part is of one kind."""
    if not rows:
        return
    counts = tuple(part.count for part in parts)
    keys = np.zeros(rows, dtype=np.int64)
    possible = 1
    for part in parts:
        if part.count > 1:
            keys = keys * part.count + part.kinds
        possible *= part.count
    if possible == 1:
        order, ends = np.arange(rows), [rows]
    else:
        order = np.argsort(keys.astype(np.uint16) if possible <= _RADIX_SORTED else keys, kind="stable")
        ends = [*(np.flatnonzero(np.diff(keys[order])) + 1).tolist(), rows]
    begin = 0
    for end in ends:
        yield _Kind(order[begin:end], np.unravel_index(int(keys[order[begin]]), counts))  # type: ignore[arg-type]
        begin = end
