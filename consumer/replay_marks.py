"""Which dead letters of one partition were replayed: a low-water mark and ranges above it, small enough to commit.

The mark is a consumer group's committed offset, the ranges travel as the metadata of that commit: so both change
in the very transaction that sends the letters. Pure.
"""

from __future__ import annotations

import base64
import zlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

MAX_NOTE_CHARS: Final = 4_000  # brokers take 4096 (offset.metadata.max.bytes), this client sends one less
_VERSION: Final = "1"
_RAW: Final = -zlib.MAX_WBITS  # no header, no checksum: the broker has both


@dataclass(frozen=True, slots=True)
class Marks:
    """What of one partition is dealt with, as it is committed.

    Attributes:
        low: Every letter before this offset was sent, or never can be.
        ranges: Half-open ranges of offsets at or above ``low``, ascending and apart: the letters in them were sent,
            or never can be.
    """

    low: int = 0
    ranges: tuple[tuple[int, int], ...] = ()

    def __contains__(self, offset: int) -> bool:
        """Return whether the letter at an offset is dealt with."""
        if offset < self.low:
            return True
        place = bisect_right(self.ranges, (offset, _FAR)) - 1
        return place >= 0 and offset < self.ranges[place][1]

    def note(self) -> str:
        """Return the ranges as the text that is committed beside ``low``.

        It is never empty: that is what any other program commits, a plain consumer or a tool that resets offsets.

        >>> marks = Marks(10, ((12, 13), (20, 2000)))
        >>> Marks.read(10, marks.note()) == marks
        True
        """
        packed = zlib.compressobj(9, zlib.DEFLATED, _RAW)
        squeezed = packed.compress(_varints(self._steps())) + packed.flush()
        return _VERSION + base64.b85encode(squeezed).decode("ascii")

    @classmethod
    def read(cls, low: int, note: str) -> Marks:
        """Return what was committed as an offset and a text.

        Raises:
            ValueError: The text is not one of ours.
        """
        if not note.startswith(_VERSION):
            raise ValueError("it was written by another program, or by a later version of this one")
        try:
            steps = list(_numbers(zlib.decompress(base64.b85decode(note[1:]), _RAW)))
            return cls(low, tuple(_ranges(low, zip(steps[::2], steps[1::2], strict=True))))
        except (ValueError, zlib.error) as error:
            raise ValueError(f"it is damaged: {error}") from error

    def fits(self) -> bool:
        """Return whether the note is short enough to be committed."""
        # Each range takes two numbers, most of them a byte; only where that could be too much is it written out.
        return len(self.ranges) * 2 * _WIDEST * 5 // 4 < MAX_NOTE_CHARS or len(self.note()) <= MAX_NOTE_CHARS

    def _steps(self) -> Iterator[int]:
        at = self.low
        for first, end in self.ranges:
            yield first - at
            yield end - first
            at = end


_FAR: Final = 1 << 63
_WIDEST: Final = 9  # bytes of the largest offset as a varint


@dataclass(slots=True)
class MarkKeeper:
    """Follows one partition through a run: letters are told in the order of their offsets, each once.

    What lies between two letters told (markers of transactions, records deleted or compacted away) holds no letter
    and never will, so ranges join across it.
    """

    marks: Marks
    _low: int = field(init=False)
    _ranges: list[tuple[int, int]] = field(default_factory=list, init=False)
    _next: int = field(init=False)
    _is_held: bool = field(default=False, init=False)  # a letter that waits lies behind the last range, or the low

    def __post_init__(self) -> None:
        """Begin at what was committed."""
        self._low = self._next = self.marks.low

    def copy(self) -> MarkKeeper:
        """Return an independent keeper at the same place."""
        twin = MarkKeeper(self.marks)
        twin._low, twin._ranges, twin._next, twin._is_held = self._low, list(self._ranges), self._next, self._is_held
        return twin

    def done(self, offset: int) -> None:
        """Tell a letter that was sent, now or earlier."""
        if self._is_held:
            self._ranges.append((offset, offset + 1))
        elif self._ranges:
            self._ranges[-1] = (self._ranges[-1][0], offset + 1)
        else:
            self._low = offset + 1
        self._next = offset + 1
        self._is_held = False

    def never(self, offset: int) -> None:
        """Tell a record that never can be sent: it holds nothing up."""
        if not self._is_held and not self._ranges:
            self._low = offset + 1
        self._next = offset + 1

    def held(self, offset: int) -> None:
        """Tell a letter that stays for another run."""
        self._is_held = True
        self._next = offset + 1

    def pass_over(self, offset: int) -> None:
        """Tell a letter that was sent, and count all that was held before it as dealt with for good."""
        self._low = self._next = offset + 1
        self._ranges.clear()
        self._is_held = False

    def now(self) -> Marks:
        """Return what to commit at this moment: what was told, and what is known of the offsets not reached."""
        rest = [(max(first, self._next), end) for first, end in self.marks.ranges if end > self._next]
        return Marks(self._low, tuple(_joined([*self._ranges, *rest])))


def _joined(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    result: list[tuple[int, int]] = []
    for first, end in ranges:
        if result and first <= result[-1][1]:
            result[-1] = (result[-1][0], end)
        else:
            result.append((first, end))
    return result


def _ranges(low: int, steps: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    at = low
    for gap, length in steps:
        if not length:
            raise ValueError("a range is empty")
        yield at + gap, at + gap + length
        at += gap + length


def _varints(numbers: Iterable[int]) -> bytes:
    written = bytearray()
    for number in numbers:
        left = number
        while left > 0x7F:
            written.append(left & 0x7F | 0x80)
            left >>= 7
        written.append(left)
    return bytes(written)


def _numbers(written: bytes) -> Iterator[int]:
    number = shift = 0
    for byte in written:
        number |= (byte & 0x7F) << shift
        shift += 7
        if number >= _FAR:
            raise ValueError("a number is no offset")
        if byte < 0x80:
            yield number
            number = shift = 0
    if shift:
        raise ValueError("it ends in the middle of a number")
