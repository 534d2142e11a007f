"""The steps that read what has no fixed width: one for each kind of type, for all records of a cursor at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from features.avro_cursor import Cursor, Longs
from features.avro_fixed import Layout, Step, quotients
from features.avro_reader import Reader
from features.avro_slots import Slots
from features.paths import Path, value_at
from features.typed_values import Mask, Positions
from features.values import INT_BOUNDS

MIN_LIVE_RECORDS = 16  # in a loop over items; fewer are read faster one by one ...
MANY_TURNS = 64  # ... and in a long loop, where a few records would hold up a batch,
MIN_LIVE_IN_LONG_LOOP = 256  # so are fewer than these
PLAIN_DECIMAL_WIDTH = 8


class ReadNumber:
    """Reads an int or a long; what is wanted is multiplied, then divided and rounded down."""

    def __init__(self, slot: int | None, *, is_int: bool, factor: int, divisor: int, zoneless: bool) -> None:
        self._slot = slot
        self._is_int = is_int
        self._factor = factor
        self._divisor = divisor
        self._zoneless = zoneless

    def run(self, cursor: Cursor, slots: Slots) -> None:
        """Read it: see ``Step``."""
        numbers = cursor.longs()
        if self._is_int:
            wrong = (numbers < INT_BOUNDS[0]) | (numbers > INT_BOUNDS[1])
            if wrong.any():
                cursor.reject(wrong)
                numbers = np.where(wrong, 0, numbers)
        if self._slot is None:
            return
        if self._factor != 1:
            numbers = numbers * self._factor
        if self._divisor != 1:
            numbers = numbers // self._divisor
        slots.put_numbers(self._slot, cursor.rows, numbers, zoneless=self._zoneless)


class ReadText:
    """Reads a string."""

    def __init__(self, slot: int | None) -> None:
        self._slot = slot

    def run(self, cursor: Cursor, slots: Slots) -> None:
        """Read it: see ``Step``."""
        if self._slot is None:
            cursor.skip_texts()
        else:
            slots.put_objects(self._slot, cursor.rows, cursor.texts())


class ReadBytes:
    """Reads bytes."""

    def __init__(self, slot: int | None) -> None:
        self._slot = slot

    def run(self, cursor: Cursor, slots: Slots) -> None:
        """Read it: see ``Step``."""
        lengths = cursor.lengths()
        starts, cursor.at = cursor.at, cursor.at + lengths
        if self._slot is not None:
            blob = cursor.joined.blob
            places = zip(starts.tolist(), cursor.at.tolist(), strict=True)
            slots.put_objects(self._slot, cursor.rows, [blob[start:end] for start, end in places])


class ReadDecimal:
    """Reads a decimal that is written as bytes."""

    def __init__(self, slot: int, divisor: int) -> None:
        self._slot = slot
        self._divisor = divisor

    def run(self, cursor: Cursor, slots: Slots) -> None:
        """Read it: see ``Step``."""
        lengths = cursor.lengths()
        starts, cursor.at = cursor.at, cursor.at + lengths
        words = cursor.joined.windows(">i8", PLAIN_DECIMAL_WIDTH)[starts].astype(np.int64)
        numbers = words >> (8 * (PLAIN_DECIMAL_WIDTH - np.clip(lengths, 1, PLAIN_DECIMAL_WIDTH)))
        numbers[lengths == 0] = 0
        blob, ends = cursor.joined.blob, cursor.at
        values = quotients(
            numbers, lengths > PLAIN_DECIMAL_WIDTH, self._divisor, lambda row: blob[starts[row] : ends[row]]
        )
        slots.put_numbers(self._slot, cursor.rows, values)


class ReadEnum:
    """Reads an enum as the text of its symbol."""

    def __init__(self, slot: int | None, symbols: Sequence[str]) -> None:
        self._slot = slot
        self._symbols = np.array([*symbols, ""], dtype=np.object_)

    def run(self, cursor: Cursor, slots: Slots) -> None:
        """Read it: see ``Step``."""
        numbers = cursor.longs()
        wrong = (numbers < 0) | (numbers >= len(self._symbols) - 1)
        if wrong.any():
            cursor.reject(wrong)
            numbers = np.where(wrong, -1, numbers)
        if self._slot is not None:
            slots.put_objects(self._slot, cursor.rows, self._symbols[numbers].tolist())


class Nullable:
    """Reads a union of null and one other type."""

    def __init__(self, *, null_first: bool, steps: Sequence[Step]) -> None:
        self._null, self._value = (0, 2) if null_first else (2, 0)
        self._steps = steps

    def run(self, cursor: Cursor, slots: Slots) -> None:
        """Read it: see ``Step``."""
        tags = cursor.tags()
        has_value = tags == self._value
        if has_value.all():
            cursor.move(1)
            run_all(self._steps, cursor, slots)
            return
        wrong = ~(has_value | (tags == self._null))
        if wrong.any():
            cursor.reject(wrong)
        cursor.move(1)
        live = np.flatnonzero(has_value)
        if live.size and self._steps:
            some = cursor.subset(live)
            run_all(self._steps, some, slots)
            cursor.rejoin(live, some)


class Branches:
    """Reads a union of any branches, of which one at most is wanted."""

    def __init__(self, branches: Sequence[Sequence[Step]]) -> None:
        self._branches = branches

    def run(self, cursor: Cursor, slots: Slots) -> None:
        """Read it: see ``Step``."""
        numbers = cursor.longs()
        wrong = (numbers < 0) | (numbers >= len(self._branches))
        if wrong.any():
            cursor.reject(wrong)
        for number, steps in enumerate(self._branches):
            live = np.flatnonzero(numbers == number)
            if live.size and steps:
                some = cursor.subset(live)
                run_all(steps, some, slots)
                cursor.rejoin(live, some)


class PassBlocks:
    """Passes over the blocks of an array or a map; an item takes at least a byte."""

    def __init__(self, item: Sequence[Step], layout: Layout | None) -> None:
        self._item = item
        self._width = None if layout is None or layout.tags or layout.booleans else layout.width

    def run(self, cursor: Cursor, slots: Slots) -> None:
        """Read it: see ``Step``."""

        def block(some: Cursor, _live: Positions) -> Mask:
            counts = block_sizes(some)
            if self._width is not None:
                some.move(counts * self._width)
            else:
                self._pass_items(some, counts, slots)
            return counts > 0

        _repeat(block, cursor, np.flatnonzero(cursor.sound()))

    def _pass_items(self, cursor: Cursor, counts: Longs, slots: Slots) -> None:
        left = counts.copy()

        def item(some: Cursor, live: Positions) -> Mask:
            run_all(self._item, some, slots)
            left[live] -= 1
            more: Mask = left[live] > 0
            return more

        _repeat(item, cursor, np.flatnonzero(left))


def _repeat(turn: Callable[[Cursor, Positions], Mask], cursor: Cursor, live: Positions) -> None:
    """Take turns with the records at these positions as long as a turn says that they have more."""
    turns = 0
    while live.size:
        if live.size < (MIN_LIVE_RECORDS if turns < MANY_TURNS else MIN_LIVE_IN_LONG_LOOP):
            _leave(cursor, live)
            return
        some = cursor.subset(live)
        more = turn(some, live)
        cursor.rejoin(live, some)
        live = live[more & some.sound()]
        turns += 1


class ReadVector:
    """Reads an array of so many numbers, all in one block; any other is odd."""

    def __init__(self, slot: int, length: int, items: Sequence[Step]) -> None:
        self._slot = slot
        self._length = length
        self._items = items

    def run(self, cursor: Cursor, slots: Slots) -> None:
        """Read it: see ``Step``."""
        expected = block_sizes(cursor) == self._length
        live = np.flatnonzero(expected)
        cursor.reject(~expected)
        if not live.size:  # and perhaps not as many bytes in the whole batch as one such array has
            return
        some = cursor.subset(live)
        items = Slots(len(cursor.joined.values))
        run_all(self._items, some, items)
        some.reject(some.longs() != 0)
        cursor.rejoin(live, some)
        whole = np.flatnonzero(some.sound())
        if whole.size:
            rows = live if cursor.rows is None else cursor.rows[live]
            everything = whole.size == len(cursor) and cursor.rows is None
            values = items.stacked(self._length, None if everything else rows[whole])
            slots.put_numbers(self._slot, None if everything else rows[whole], values)


class ReadCarefully:
    """Reads what has no quick way, one record after the other, and picks the paths from what was read."""

    def __init__(self, reader: Reader, behind: Path, picks: Sequence[tuple[int, Path]]) -> None:
        self._reader = reader
        self._behind = behind
        self._picks = picks

    def run(self, cursor: Cursor, slots: Slots) -> None:
        """Read it: see ``Step``."""
        joined = cursor.joined
        rows = np.arange(len(cursor)) if cursor.rows is None else cursor.rows
        wrong = np.zeros(len(cursor), dtype=np.bool_)
        ends = (cursor.at - joined.starts[rows]).tolist()
        picked: list[list[Any]] = [[] for _ in self._picks]  # what nobody wants may be large, and is not kept
        for position, row in enumerate(rows.tolist()):
            value: Any = None
            try:
                value, ends[position] = self._reader(joined.values[row], ends[position])
            except Exception:  # whatever it is, the record is read again by itself
                wrong[position] = True
            for column, (_, path) in zip(picked, self._picks, strict=True):
                column.append(value_at(value, path, behind=self._behind) if path else value)
        cursor.reject(wrong)
        cursor.at = joined.starts[rows] + np.array(ends, dtype=np.int64)
        for column, (slot, _) in zip(picked, self._picks, strict=True):
            slots.put_objects(slot, cursor.rows, column)


def run_all(steps: Sequence[Step], cursor: Cursor, slots: Slots) -> None:
    """Run steps one after the other."""
    for step in steps:
        step.run(cursor, slots)


def block_sizes(cursor: Cursor) -> Longs:
    """Read how many items follow in each record: none in one that claims more than it has bytes."""
    counts = cursor.longs()
    sized = np.flatnonzero(counts < 0)
    if sized.size:  # the block's length in bytes stands before the items
        some = cursor.subset(sized)
        some.longs()
        cursor.rejoin(sized, some)
        counts = np.abs(counts)
    wrong = (counts < 0) | (counts > cursor.ends - cursor.at)
    if wrong.any():
        cursor.reject(wrong)
        counts = np.where(wrong, 0, counts)
    return counts


def _leave(cursor: Cursor, positions: Positions) -> None:
    wrong = np.zeros(len(cursor), dtype=np.bool_)
    wrong[positions] = True
    cursor.reject(wrong)
