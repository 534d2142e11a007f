"""Runs of values whose widths are known beforehand: all that stand next to each other are read in one go.

A nullable value is part of a run by the byte that says which branch follows: where it says "not null" in
every place, the record has the run's shape. The other records are read value by value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Protocol, TypeAlias

import numpy as np

from features.avro_cursor import Bytes, Cursor
from features.avro_logical import decimal_as_double
from features.avro_slots import Slots
from features.typed_values import Array, Mask
from features.values import MAX_EXACT

FromBytes: TypeAlias = Callable[[Bytes], Array | list[Any]]
"""What (n, width) bytes stand for, by record."""

MAX_TAGGED_WIDTH = 32  # of a nullable value in a run: a null must not make much out of one byte
MAX_RUN_WIDTH = 4_096
MAX_GAP = 64  # bytes nobody wants that are gathered all the same, rather than in two goes
MAX_EXACT_DIVISOR = 10**22  # the largest power of ten that is a double
_TRANSPOSED_ROWS = 512  # so that what is read by row and written by column stays in the cache


class Step(Protocol):
    """Reads one part of the writer schema from all records of a cursor, and puts away what is wanted of it."""

    def run(self, cursor: Cursor, slots: Slots) -> None:
        """Move the cursor over the part; mark as odd the records that do not have it plain and in order."""
        ...


@dataclass(frozen=True, slots=True)
class Pick:
    """A wanted value: where it is in the run, and where it goes. ``read`` None stands for a double."""

    slot: int
    offset: int
    width: int
    read: FromBytes | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """The shape of a run.

    Attributes:
        width: Bytes in all.
        picks: What is wanted of it, by offset.
        tags: Offset and value of the bytes that say which branch of a union follows.
        booleans: Offsets of bytes that must be 0 or 1.
    """

    width: int
    picks: tuple[Pick, ...] = ()
    tags: tuple[tuple[int, int], ...] = ()
    booleans: tuple[int, ...] = ()

    def shifted(self, by: int) -> Layout:
        """Return the layout with so many bytes before it, which belong to it."""
        return Layout(
            self.width + by,
            tuple(replace(pick, offset=pick.offset + by) for pick in self.picks),
            tuple((offset + by, value) for offset, value in self.tags),
            tuple(offset + by for offset in self.booleans),
        )

    def followed_by(self, other: Layout) -> Layout:
        """Return this layout and another behind it as one."""
        behind = other.shifted(self.width)
        return Layout(behind.width, self.picks + behind.picks, self.tags + behind.tags, self.booleans + behind.booleans)


class FixedRun:
    """The step that reads a run. ``one_by_one`` are steps that read the same for any record; none without tags."""

    def __init__(self, layout: Layout, one_by_one: Sequence[Step] = ()) -> None:
        self.layout = layout
        self.one_by_one = tuple(one_by_one) if layout.tags else ()
        self._spans = _spans(layout)

    def run(self, cursor: Cursor, slots: Slots) -> None:
        """Read it: see ``Step``."""
        fits = cursor.at + self.layout.width <= cursor.ends
        if not fits.all():
            self._divide(cursor, slots, fits)
            return
        blocks = [span.gather(cursor) for span in self._spans]
        if self.layout.tags:
            fits = self._has_tags(blocks, len(cursor))
            if not fits.all():
                self._divide(cursor, slots, fits)
                return
        for span, block in zip(self._spans, blocks, strict=True):
            span.put(block, cursor, slots)
        cursor.at = cursor.at + self.layout.width

    def _has_tags(self, blocks: Sequence[Bytes], records: int) -> Mask:
        has: Mask = np.ones(records, dtype=np.bool_)
        for span, block in zip(self._spans, blocks, strict=True):
            if span.tags is not None:
                has &= (block[:, span.tags[0]] == span.tags[1]).all(axis=1)
        return has

    def _divide(self, cursor: Cursor, slots: Slots, fits: Mask) -> None:
        """Read the records that have the run's shape by it and the others value by value."""
        fitting = np.flatnonzero(fits)
        if self.one_by_one and 2 * len(fitting) < len(cursor):
            for step in self.one_by_one:
                step.run(cursor, slots)
            return
        if fitting.size:
            some = cursor.subset(fitting)
            self.run(some, slots)
            cursor.rejoin(fitting, some)
        if not self.one_by_one:
            cursor.reject(~fits)
            return
        others = np.flatnonzero(~fits)
        rest = cursor.subset(others)
        for step in self.one_by_one:
            step.run(rest, slots)
        cursor.rejoin(others, rest)


class _Span:
    """A part of a run without large gaps: what is gathered in one go."""

    def __init__(self, layout: Layout, begin: int, end: int) -> None:
        self.offset = begin
        self.width = end - begin
        picks = [replace(pick, offset=pick.offset - begin) for pick in layout.picks if begin <= pick.offset < end]
        self._doubles = [list(group) for _, group in groupby(_side_by_side(picks), key=lambda pair: pair[0])]
        self._others = [pick for pick in picks if pick.read is not None]
        tags = [(offset - begin, value) for offset, value in layout.tags if begin <= offset < end]
        self.tags = None if not tags else (np.array([t[0] for t in tags]), np.array([t[1] for t in tags], np.uint8))
        self._booleans = [offset - begin for offset in layout.booleans if begin <= offset < end]

    def gather(self, cursor: Cursor) -> Bytes:
        """Return the bytes of this part of each record's run."""
        return cursor.joined.bytes_at(cursor.at + self.offset, self.width)

    def put(self, block: Bytes, cursor: Cursor, slots: Slots) -> None:
        """Put away what is wanted of the gathered bytes."""
        for run in self._doubles:
            first, last = run[0][1].offset, run[-1][1].offset + 8
            for (_, pick), column in zip(run, _columns(block[:, first:last]), strict=True):
                slots.put_numbers(pick.slot, cursor.rows, column)
        for pick in self._others:
            if pick.read is None:
                continue
            values = pick.read(block[:, pick.offset : pick.offset + pick.width])
            if isinstance(values, list):
                slots.put_objects(pick.slot, cursor.rows, values)
            else:
                slots.put_numbers(pick.slot, cursor.rows, values)
        if self._booleans:
            wrong: Mask = np.any(block[:, self._booleans] > 1, axis=1)
            if wrong.any():
                cursor.reject(wrong)


def _side_by_side(picks: Sequence[Pick]) -> list[tuple[int, Pick]]:
    """Return the picks of doubles, each with a number that those standing side by side share."""
    numbered: list[tuple[int, Pick]] = []
    for pick in picks:
        if pick.read is None:
            follows = bool(numbered) and numbered[-1][1].offset + 8 == pick.offset
            number = numbered[-1][0] + (not follows) if numbered else 0
            numbered.append((number, pick))
    return numbered


def _columns(block: Bytes) -> Array:
    """Return the doubles that lie side by side in a block as columns, shape (doubles, n)."""
    rows: Array = block.view("<f8")
    columns: Array = np.empty((rows.shape[1], rows.shape[0]))
    if len(columns) == 1:
        columns[:] = rows.T
        return columns
    for begin in range(0, len(rows), _TRANSPOSED_ROWS):
        columns[:, begin : begin + _TRANSPOSED_ROWS] = rows[begin : begin + _TRANSPOSED_ROWS].T
    return columns


def _spans(layout: Layout) -> list[_Span]:
    """Return the parts of a run that have to be looked at."""
    seen = [(pick.offset, pick.offset + pick.width) for pick in layout.picks]
    seen += [(offset, offset + 1) for offset in (*(tag[0] for tag in layout.tags), *layout.booleans)]
    spans: list[list[int]] = []
    for begin, end in sorted(seen):
        if spans and begin - spans[-1][1] <= MAX_GAP:
            spans[-1][1] = max(end, spans[-1][1])
        else:
            spans.append([begin, end])
    return [_Span(layout, begin, end) for begin, end in spans]


def floats(block: Bytes) -> Array:
    """Return floats as doubles."""
    return float_items(block)[:, 0]


def float_items(block: Bytes) -> Array:
    """Return floats that lie side by side as doubles, shape (n, floats)."""
    with np.errstate(invalid="ignore"):  # a signalling NaN is a NaN
        return block.view("<f4").astype(np.float64)


def booleans(block: Bytes) -> Array:
    """Return truth values."""
    truths: Mask = block[:, 0] == 1
    return truths


def raw_bytes(block: Bytes) -> list[Any]:
    """Return the bytes themselves."""
    width, joined = block.shape[1], block.tobytes()
    return [joined[at : at + width] for at in range(0, len(joined), width)] if width else [b""] * len(block)


def uuids(block: Bytes) -> list[Any]:
    """Return sixteen bytes as the text of a UUID."""
    digits = block.tobytes().hex()
    texts = (digits[at : at + 32] for at in range(0, len(digits), 32))
    return [f"{t[:8]}-{t[8:12]}-{t[12:16]}-{t[16:20]}-{t[20:]}" for t in texts]


def decimals(divisor: int) -> FromBytes:
    """Return how the bytes of decimals, each of the same width, become doubles."""

    def read(block: Bytes) -> Array:
        width = block.shape[1]
        if width == 0:
            return np.zeros(len(block))
        sign = np.where(block[:, :1] >= 0x80, 0xFF, 0).astype(np.uint8)
        low = np.ascontiguousarray(np.concatenate([*[sign] * (8 - width), block[:, -8:]], axis=1))
        numbers = low.view(">i8")[:, 0].astype(np.int64)
        wide = (block[:, :-8] != sign).any(axis=1) | ((numbers < 0) != (sign[:, 0] == 0xFF))
        return quotients(numbers, wide, divisor, lambda row: block[row].tobytes())

    return read


def quotients(numbers: Array, wide: Mask, divisor: int, raw: Callable[[int], bytes]) -> Array:
    """Return decimals as doubles: those that two doubles cannot give exactly are worked out from their bytes."""
    values = numbers / float(min(divisor, MAX_EXACT_DIVISOR))
    hard = wide | (numbers > MAX_EXACT) | (numbers < -MAX_EXACT)
    rows = range(len(numbers)) if divisor > MAX_EXACT_DIVISOR else np.flatnonzero(hard).tolist()
    for row in rows:
        values[row] = decimal_as_double(raw(row), divisor)
    return values
