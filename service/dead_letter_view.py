"""Dead letters for a person and for a program: one line each, one in full, a count by reason."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from producer.dead_letters import CONNECT_PREFIX, LetterFacts
from producer.records import Headers, TopicPartition

FOREIGN = "not written by tidemill"
DUMPED_BYTES = 256
MIN_DETAIL = 30  # columns: a narrower terminal breaks the line rather than lose what is wrong
_ROW_BYTES = 16
_HEADINGS = ("TIME (UTC)", "LETTER", "FROM", "REASON", "STAGE", "REPLAYS", "NOW", "DETAIL")


class Standing(StrEnum):
    """How a letter stands to a replay."""

    WAITS = "waits"
    DONE = "done"
    STAYS = "stays"
    UNKNOWN = "unknown"


class LetterRow(NamedTuple):
    """One record of the dead-letter topic as a list shows it; without facts when it is not ours."""

    at: TopicPartition
    offset: int
    timestamp_ms: int
    facts: LetterFacts | None
    now: Standing


@dataclass(slots=True)
class LetterTable:
    """Letters in aligned columns, which grow as wider ones come.

    Attributes:
        home: The only topic that letters come from: its name is left out. None where there are several.
        width: Columns of the terminal; None where lines are not to be cut.
    """

    home: str | None
    width: int | None
    _widths: list[int] = field(default_factory=lambda: [len(heading) for heading in _HEADINGS])

    def lines(self, rows: Sequence[LetterRow]) -> Iterator[str]:
        """Yield a line for each letter."""
        cells = [self._cells(found) for found in rows]
        for row in cells:
            self._widths = [max(have, len(cell)) for have, cell in zip(self._widths, row, strict=True)]
        yield from map(self._line, cells)

    def heading(self, rows: Sequence[LetterRow]) -> str:
        """Return the names of the columns, as wide as these letters need them."""
        list(self.lines(rows))
        return self._line(_HEADINGS)

    def _cells(self, row: LetterRow) -> Sequence[str]:
        place = f"{row.at.partition}@{row.offset}"
        if row.facts is None:
            return (moment(row.timestamp_ms), place, "-", "-", "-", "-", row.now, FOREIGN)
        facts = row.facts
        topic = "" if facts.source.topic == self.home else f"{facts.source.topic}/"
        source = f"{topic}{facts.source.partition}@{facts.offset}"
        detail = " ".join(facts.detail.split())
        told = (source, facts.reason, facts.stage, str(facts.replays), row.now, detail)
        return (moment(row.timestamp_ms), place, *map(printable, told))

    def _line(self, cells: Sequence[str]) -> str:
        padded = [cell.ljust(width) for cell, width in zip(cells[:-1], self._widths[:-1], strict=True)]
        begun = "  ".join(padded)
        room = None if self.width is None else max(self.width - len(begun) - 2, MIN_DETAIL)
        return f"{begun}  {_clipped(cells[-1], room)}".rstrip()


def letter_json(row: LetterRow, *, key: bytes | None, value: bytes | None) -> dict[str, Any]:
    """Return a letter as a program reads it."""
    facts = row.facts
    return {
        "partition": row.at.partition,
        "offset": row.offset,
        "timestamp": row.timestamp_ms,
        "source": None
        if facts is None
        else {"topic": facts.source.topic, "partition": facts.source.partition, "offset": facts.offset},
        "reason": None if facts is None else facts.reason,
        "stage": None if facts is None else facts.stage,
        "detail": None if facts is None else facts.detail,
        "service": None if facts is None else facts.service,
        "replays": None if facts is None else facts.replays,
        "now": row.now.value,
        "truncated_from": None if facts is None else facts.full_bytes,
        "key": shown_text(key),
        "value_bytes": None if value is None else len(value),
    }


@dataclass(slots=True)
class Summary:
    """How many letters there are of each reason, and from when."""

    counts: Counter[str] = field(default_factory=Counter)
    _first: dict[str, int] = field(default_factory=dict)
    _last: dict[str, int] = field(default_factory=dict)

    def add(self, rows: Iterable[LetterRow]) -> None:
        """Count letters."""
        for row in rows:
            reason = FOREIGN if row.facts is None else row.facts.reason
            self.counts[reason] += 1
            self._first[reason] = min(row.timestamp_ms, self._first.get(reason, row.timestamp_ms))
            self._last[reason] = max(row.timestamp_ms, self._last.get(reason, row.timestamp_ms))

    def lines(self) -> Iterator[str]:
        """Yield the count of each reason, the most frequent first, and their sum."""
        total = self.counts.total()
        wide = max(map(len, ("letters", *self.counts)))
        for reason, count in self.counts.most_common():
            since, until = moment(self._first[reason]), moment(self._last[reason])
            yield f"{printable(reason.ljust(wide))}  {count:>9,}  {count / total:>4.0%}  {since} to {until}"
        yield f"{'letters'.ljust(wide)}  {total:>9,}"

    def as_json(self) -> dict[str, Any]:
        """Return the same for a program."""
        reasons = {
            reason: {"letters": count, "first": self._first[reason], "last": self._last[reason]}
            for reason, count in self.counts.most_common()
        }
        return {"letters": self.counts.total(), "reasons": reasons}


@dataclass(frozen=True, slots=True)
class FullLetter:
    """Everything about one letter; ``decoded`` is a value, or ``failure`` says why there is none."""

    row: LetterRow
    key: bytes | None
    value: bytes | None
    headers: Headers
    decoded: Any = None
    failure: str | None = None

    def lines(self) -> Iterator[str]:
        """Yield it as a person reads it."""
        for name, text in self._told():
            yield f"{name:<9}{printable(text)}"
        if self.value is None:
            return
        if self.failure is None:
            decoded = msgspec.json.format(msgspec.json.encode(self.decoded), indent=2).decode()
            yield from map(printable, decoded.split("\n"))
            return
        yield from hex_dump(self.value[:DUMPED_BYTES])
        if len(self.value) > DUMPED_BYTES:
            yield f"… {len(self.value) - DUMPED_BYTES:,} more bytes (--raw FILE writes them all)"

    def as_json(self) -> dict[str, Any]:
        """Return it as a program reads it."""
        return {
            **letter_json(self.row, key=self.key, value=self.value),
            "headers": [[name, shown_text(content)] for name, content in self.headers],
            "value": self.decoded,
            "value_problem": self.failure,
            "value_base64": None if self.value is None else base64.b64encode(self.value).decode("ascii"),
        }

    def _told(self) -> Iterator[tuple[str, str]]:
        facts = self.row.facts
        yield "letter", f"{self.row.at}@{self.row.offset}, {moment(self.row.timestamp_ms, digits=3)} UTC"
        if facts is None:
            yield "from", FOREIGN
        else:
            yield "from", f"{facts.source}@{facts.offset}"
            yield "reason", f"{facts.reason} (stage {facts.stage})"
            yield "error", facts.detail
            yield "service", facts.service
            yield "replays", str(facts.replays)
            yield "now", self.row.now
        yield "key", "none" if self.key is None else repr(shown_text(self.key))
        for name, content in self.headers:
            if facts is None or not name.startswith((CONNECT_PREFIX, "tidemill.")):
                yield "header", f"{name}: {shown_text(content)}"
        yield "value", self._value_line()

    def _value_line(self) -> str:
        if self.value is None:
            return "none"
        cut = self.row.facts is not None and self.row.facts.full_bytes is not None
        size = f"{len(self.value):,} bytes" + (" (cut short: a replay is not possible)" if cut else "")
        return size if self.failure is None else f"{size}; does not decode: {self.failure}"


def moment(timestamp_ms: int, *, digits: int = 0) -> str:
    """Return a time in UTC; what no calendar has is shown as the number.

    >>> moment(1_500, digits=3)
    '1970-01-01 00:00:01.500'
    """
    try:
        found = datetime.fromtimestamp(timestamp_ms / 1000, tz=UTC)
    except (ValueError, OverflowError, OSError):
        return str(timestamp_ms)
    return found.strftime("%Y-%m-%d %H:%M:%S") + (f".{timestamp_ms % 1000:03d}" if digits else "")


def shown_text(content: bytes | None) -> str | None:
    """Return bytes as text, those that are none as escapes."""
    return None if content is None else content.decode("utf-8", "backslashreplace")


def printable(text: str) -> str:
    r"""Return a text with escapes for what a terminal may obey: anyone can write it into a record.

    >>> print(printable("a\x1b[2J\u202e ü"))
    a\x1b[2J\u202e ü
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def hex_dump(content: bytes) -> Iterator[str]:
    r"""Yield bytes as hexadecimal numbers beside what they are as text.

    >>> list(hex_dump(b"\x00Hi"))
    ['00000000  00 48 69                                         .Hi']
    """
    for first in range(0, len(content), _ROW_BYTES):
        row = content[first : first + _ROW_BYTES]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        yield f"{first:08x}  {row.hex(' '):<{3 * _ROW_BYTES - 1}}  {text}"


def account_line(fates: Mapping[str, int], *, sent: str, target: str) -> str:
    """Return what a replay did, in one line; ``sent`` is the word for what it did with the first count.

    >>> account_line({"sent": 2, "of another service": 1}, sent="sent", target="fraud.features")
    'sent 2 letters to fraud.features; left: 1 of another service'
    """
    first, earlier = fates.get("sent", 0), fates.get("already sent", 0)
    line = f"{sent} {first:,} letter{'' if first == 1 else 's'} to {target}"
    line += f", {earlier:,} already sent" if earlier else ""
    left = [f"{count:,} {why}" for why, count in fates.items() if why not in {"sent", "already sent"} and count]
    return line + (f"; left: {', '.join(left)}" if left else "")


def _clipped(text: str, room: int | None) -> str:
    return text if room is None or len(text) <= room else text[: room - 1] + "…"
