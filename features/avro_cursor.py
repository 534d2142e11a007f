"""Reading many Avro records at once: one position in each, and every step moves all of them.

A record in which something is out of the ordinary is marked *odd*. What is read from it afterwards means
nothing, but stays within the joined bytes: no position ever passes the end of its own record. Odd records
are for the careful reader (``features.avro_reader``), which alone says whether they are wrong, and how.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from features.typed_values import Array, Mask, Positions

Longs = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

TEXT_WINDOW = 32  # bytes of text looked at in one go
MAX_WINDOWS = 8  # a longer text is looked at alone
MAX_GATHERED_TEXT = 128  # bytes; texts that are all shorter are cut from what was gathered of each
_END_OF_TEXT = ord("\n")  # stands behind each gathered text, so that one split cuts them all
_PADDING = bytes(max(16, TEXT_WINDOW, MAX_GATHERED_TEXT) + 1)  # what a step may look at behind the last record's end
_HIGH_BITS = np.uint64(0x8080808080808080)
_LOW_BITS = np.uint64(0x7F7F7F7F7F7F7F7F)
_ONE = np.uint64(1)
_OF_ONE_BYTE = np.array([(byte >> 1) ^ -(byte & 1) for byte in range(128)], dtype=np.int64)
_SQUEEZES = tuple(
    (np.uint64(kept), np.uint64(moved), np.uint64(by))
    for kept, moved, by in (
        (0x007F007F007F007F, 0x7F007F007F007F00, 1),
        (0x00003FFF00003FFF, 0x3FFF00003FFF0000, 2),
        (0x000000000FFFFFFF, 0x0FFFFFFF00000000, 4),
    )
)


class Joined:
    """The records of a batch, one behind the other, and which of them are odd.

    Attributes:
        values: The bytes of each record.
        bytes: All of them, padded.
        starts: Where each record begins in ``bytes``.
        ends: Where each ends.
        odd: Which are for the careful reader.
    """

    def __init__(self, values: Sequence[bytes], lengths: Longs) -> None:
        self.values = values
        self.blob = b"".join((*values, _PADDING))
        self.bytes: Bytes = np.frombuffer(self.blob, dtype=np.uint8)
        self.ends: Longs = np.cumsum(lengths)
        self.starts: Longs = self.ends - lengths
        self.odd: Mask = np.zeros(len(values), dtype=np.bool_)

    @cached_property
    def text(self) -> str:
        """All bytes as Latin-1: a slice of it is the text itself where its bytes are ASCII."""
        return self.blob.decode("latin-1")

    def windows(self, kind: str, width: int) -> Array:
        """Return an array of values of a type of this width that begin at every byte."""
        return np.ndarray((len(self.blob) - width + 1,), dtype=kind, buffer=self.blob, strides=(1,))

    def bytes_at(self, starts: Longs, width: int) -> Bytes:
        """Return this many bytes from each start, shape (n, width); they must lie within the padded bytes."""
        if width == 0:
            return np.empty((len(starts), 0), dtype=np.uint8)
        return self.windows(f"V{width}", width)[starts].view(np.uint8).reshape(len(starts), width)


class Cursor:
    """A position in each of some records of a batch.

    Attributes:
        joined: The batch.
        rows: Which records, ascending; None where it is all of them.
        at: The position in each.
        ends: The end of each.
    """

    __slots__ = ("at", "ends", "joined", "rows")

    def __init__(self, joined: Joined, rows: Positions | None, at: Longs, ends: Longs) -> None:
        self.joined = joined
        self.rows = rows
        self.at = at
        self.ends = ends

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.at)

    def subset(self, positions: Positions) -> Cursor:
        """Return a cursor of some of these records, by position in this cursor."""
        rows = positions if self.rows is None else self.rows[positions]
        return Cursor(self.joined, rows, self.at[positions], self.ends[positions])

    def rejoin(self, positions: Positions, moved: Cursor) -> None:
        """Take over where a cursor of these positions has come to."""
        self.at[positions] = moved.at

    def reject(self, wrong: Mask) -> None:
        """Mark records as odd, by a mask of this cursor's length."""
        odd = self.joined.odd
        if self.rows is None:
            odd |= wrong
        else:
            odd[self.rows[wrong]] = True

    def sound(self) -> Mask:
        """Return which of these records are not odd."""
        return ~(self.joined.odd if self.rows is None else self.joined.odd[self.rows])

    def move(self, widths: Longs | int) -> None:
        """Go on by so many bytes, none negative; a record that has not as many is odd and stays."""
        to = self.at + widths
        beyond = to > self.ends
        if beyond.any():
            self.reject(beyond)
            to = np.where(beyond, self.at, to)
        self.at = to

    def tags(self) -> Bytes:
        """Return the byte at each position and do not move; at a record's end it means nothing."""
        return self.joined.bytes[self.at]

    def longs(self) -> Longs:
        """Read a varint from each record."""
        first = self.tags()
        if len(first) == 0 or first.max() < 0x80:
            self.move(1)
            numbers: Longs = _OF_ONE_BYTE[first & 0x7F]
            return numbers
        words = self.joined.windows("<u8", 8)[self.at]
        stops = ~words & _HIGH_BITS
        span = stops ^ (stops - _ONE)  # all bits up to the end of the byte that has no bit of continuation
        bits = _squeezed(words & span & _LOW_BITS)
        widths = (np.bitwise_count(span) >> 3).astype(np.int64)
        long = np.flatnonzero(stops == 0)
        if long.size:
            self._finish_long(long, bits, widths)
        self.move(widths)
        return ((bits >> _ONE) ^ (~(bits & _ONE) + _ONE)).view(np.int64)

    def _finish_long(self, long: Positions, numbers: npt.NDArray[np.uint64], widths: Longs) -> None:
        """Add to varints of more than eight bytes what stands in the ninth and the tenth."""
        ninth, tenth = (self.joined.bytes[self.at[long] + offset].astype(np.uint64) for offset in (8, 9))
        has_tenth = ninth >= 0x80
        numbers[long] |= (ninth & np.uint64(0x7F)) << np.uint64(56)
        numbers[long] |= np.where(has_tenth, tenth << np.uint64(63), np.uint64(0))
        widths[long] = 9 + has_tenth
        too_long = has_tenth & (tenth > 1)
        if too_long.any():
            wrong = np.zeros(len(self), dtype=np.bool_)
            wrong[long[too_long]] = True
            self.reject(wrong)

    def lengths(self) -> Longs:
        """Read a varint from each record that says how many bytes follow; they are there, or it is 0."""
        lengths = self.longs()
        wrong = (lengths < 0) | (lengths > self.ends - self.at)
        if wrong.any():
            self.reject(wrong)
            lengths = np.where(wrong, 0, lengths)
        return lengths

    def texts(self) -> list[str]:
        """Read a text from each record."""
        lengths = self.lengths()
        starts = self.at
        self.at = starts + lengths
        texts = self._cut(starts, lengths)
        if not "".join(texts).isascii():
            suspects = [position for position, text in enumerate(texts) if not text.isascii()]
            for position, text in zip(suspects, self._decoded(suspects, starts), strict=True):
                texts[position] = text
        return texts

    def _cut(self, starts: Longs, lengths: Longs) -> list[str]:
        """Return each text as if it were Latin-1."""
        width = int(lengths.max(initial=0))
        if width > MAX_GATHERED_TEXT:
            text = self.joined.text
            return [text[start:end] for start, end in zip(starts.tolist(), (starts + lengths).tolist(), strict=True)]
        block = self.joined.bytes_at(starts, width + 1).copy()
        block[np.arange(len(starts)), lengths] = _END_OF_TEXT
        lines = block[np.arange(width + 1) <= lengths[:, None]].tobytes().decode("latin-1").split("\n")
        if len(lines) == len(starts) + 1:  # no text has a line end of its own
            return lines[:-1]
        padded, first = block.tobytes().decode("latin-1"), (np.arange(len(starts)) * (width + 1)).tolist()
        return [padded[start : start + length] for start, length in zip(first, lengths.tolist(), strict=True)]

    def skip_texts(self) -> None:
        """Pass over a text in each record; the bytes must be text all the same."""
        lengths = self.lengths()
        starts = self.at
        self.at = starts + lengths
        longest = int(lengths.max(initial=0))
        suspects = lengths > TEXT_WINDOW * MAX_WINDOWS
        for offset in range(0, min(longest, TEXT_WINDOW * MAX_WINDOWS), TEXT_WINDOW):
            live = slice(None) if offset == 0 else np.flatnonzero(lengths > offset)
            window = self.joined.bytes_at(starts[live] + offset, TEXT_WINDOW)
            if (window.view("<u8") & _HIGH_BITS).any():
                within = np.arange(offset, offset + TEXT_WINDOW) < lengths[live, None]
                suspects[live] |= ((window >= 0x80) & within).any(axis=1)
        if suspects.any():
            self._decoded(np.flatnonzero(suspects).tolist(), starts)

    def _decoded(self, positions: Sequence[int], starts: Longs) -> list[str]:
        """Decode what lies between a start and the position in some records; what is not UTF-8 is odd."""
        places = zip(starts[positions].tolist(), self.at[positions].tolist(), strict=True)
        raws = [self.joined.blob[start:end] for start, end in places]
        try:
            return [raw.decode() for raw in raws]
        except UnicodeDecodeError:
            wrong = np.zeros(len(self), dtype=np.bool_)
            wrong[positions] = [not _is_utf8(raw) for raw in raws]
            self.reject(wrong)
            return [raw.decode(errors="replace") for raw in raws]


def whole(values: Sequence[bytes], lengths: Longs) -> Cursor:
    """Return a cursor at the beginning of each of these records, whose lengths are known already."""
    joined = Joined(values, lengths)
    return Cursor(joined, None, joined.starts.copy(), joined.ends)


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _squeezed(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Move the seven low bits of each byte together."""
    for kept, moved, by in _SQUEEZES:
        words = (words & kept) | ((words & moved) >> by)
    return words
