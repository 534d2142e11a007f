from __future__ import annotations

from dataclasses import replace

import pytest

from features.rejection import Reason
from producer.dead_letters import letter_facts
from producer.records import TopicPartition
from service.dead_letter_view import FullLetter, LetterRow, LetterTable, Standing, Summary, account_line, letter_json
from tests.support.letters import FEATURES, Letter, letter

AT = TopicPartition("dead", 1)


def row(found: Letter) -> LetterRow:
    """Return a letter as the list has it."""
    return LetterRow(AT, found.offset, found.timestamp_ms, letter_facts(found.headers), Standing.WAITS)


def full(found: Letter, *, decoded: object = None, failure: str | None = None) -> str:
    """Return everything about a letter as a person reads it."""
    facts = letter_facts(found.headers)
    shown = FullLetter(
        LetterRow(AT, found.offset, 1_500, facts, Standing.WAITS),
        found.key,
        found.value,
        found.headers,
        decoded,
        failure,
    )
    return "\n".join(shown.lines())


def test_table_aligns_its_columns_under_their_names() -> None:
    """The eye finds the odd one only in straight columns."""
    table = LetterTable(FEATURES, None)
    rows = [row(letter(7)), row(letter(123456, Reason.OUT_OF_RANGE))]
    lines = [table.heading(rows), *table.lines(rows)]
    assert lines == [
        "TIME (UTC)           LETTER    FROM       REASON        STAGE   REPLAYS  NOW    DETAIL",
        "1970-01-01 00:00:01  1@7       0@70       missing       decode  0        waits  why",
        "1970-01-01 00:00:01  1@123456  0@1234560  out_of_range  decode  0        waits  why",
    ]


def test_table_cuts_lines_for_a_terminal_only() -> None:
    """On a terminal a line is a line; in a file nothing is lost."""
    rows = [row(letter(1, topic="a-topic-with-a-name-of-its-own"))]
    cut, whole = (next(iter(LetterTable(FEATURES, width).lines(rows))) for width in (80, None))
    assert (len(cut) <= len(whole), "a-topic-with-a-name-of-its-own/0@10" in whole) == (True, True)


def test_table_has_a_line_for_what_is_not_ours() -> None:
    """A record of somebody else must not end the list, nor be taken for a letter."""
    assert "not written by tidemill" in next(iter(LetterTable(None, 100).lines([row(Letter(0))])))


def test_summary_counts_by_reason() -> None:
    """The most frequent reason comes first, with the span of its letters."""
    summary = Summary()
    summary.add([row(letter(n, Reason.EMPTY, timestamp_ms=n * 1000)) for n in range(3)] + [row(letter(9))])
    assert list(summary.lines()) == [
        "empty            3   75%  1970-01-01 00:00:00 to 1970-01-01 00:00:02",
        "missing          1   25%  1970-01-01 00:00:01 to 1970-01-01 00:00:01",
        "letters          4",
    ]
    assert summary.as_json()["reasons"]["empty"] == {"letters": 3, "first": 0, "last": 2000}


def test_full_letter_tells_where_why_and_what() -> None:
    """Who repairs an event needs all of it in one place; our own headers are told in words."""
    text = full(letter(4, original=[("trace", b"\xff1")], key=b"k"), decoded={"x": 1})
    assert "letter   dead[1]@4, 1970-01-01 00:00:01.500 UTC\nfrom     fraud.features[0]@40" in text
    assert 'header   trace: \\xff1\nvalue    10 bytes\n{\n  "x": 1\n}' in text
    assert "__connect" not in text


def test_nothing_of_a_letter_commands_the_terminal() -> None:
    """Escape sequences in a header could hide lines, set the clipboard, or type for whoever looks."""
    evil, clear = "\x9b2J\x1b]52;c;x\x07\u202e", str.maketrans("", "", "\n")
    headers = [(name, evil.encode()) for name in ("plain", "tidemill.reason", "tidemill.service")]
    found = letter(4, topic="t" + evil, service=evil, original=[*headers, (evil, b"")], key=evil.encode())
    found = replace(found, headers=[*found.headers, ("tidemill.reason", evil.encode())])
    table, summary = LetterTable(None, None), Summary()
    summary.add([row(found)])
    shown = [full(found, decoded={evil: evil}), full(found, failure=evil), *table.lines([row(found)]), *summary.lines()]
    assert all(text.translate(clear).isprintable() for text in shown)


def test_full_letter_shows_the_bytes_of_what_does_not_decode() -> None:
    """The first bytes tell a wrong format at a glance; a long value is cut and says how to get the rest."""
    found = Letter(0, b"\x00" * 300)
    text = full(found, failure="not JSON")
    assert "300 bytes; does not decode: not JSON\n00000000  00 00" in text
    assert text.endswith("… 44 more bytes (--raw FILE writes them all)")


def test_full_letter_without_a_value_is_shown() -> None:
    """An empty record is the commonest dead letter of all."""
    assert full(Letter(0, None)).endswith("value    none")


def test_letter_as_json_is_complete_without_being_ours() -> None:
    """A program gets the same keys whoever wrote the record."""
    ours, foreign = (letter_json(row(found), key=b"\xff", value=None) for found in (letter(0), Letter(0)))
    assert ours.keys() == foreign.keys()
    assert (foreign["reason"], foreign["key"], ours["source"]["offset"]) == (None, "\\xff", 0)


@pytest.mark.parametrize(
    ("fates", "line"),
    [
        ({"sent": 0}, "sent 0 letters to t"),
        ({"sent": 1, "already sent": 3}, "sent 1 letter to t, 3 already sent"),
        ({"sent": 2000, "too old": 0, "lost": 7}, "sent 2,000 letters to t; left: 7 lost"),
    ],
)
def test_account_names_every_fate_once(fates: dict[str, int], line: str) -> None:
    """What stays is told with its reason, and only what there is."""
    assert account_line(fates, sent="sent", target="t") == line
