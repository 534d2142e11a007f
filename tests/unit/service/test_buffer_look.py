from __future__ import annotations

import json
from pathlib import Path

import pytest

from service.buffer_look import Look, look_at_examples
from service.buffer_query import Wanted
from service.errors import UsageError
from tests.unit.buffer.histories import Event, History
from tests.unit.service.made_up_buffer import NOW_MS, filled, settings_in


def looked(folder: Path, *, as_json: bool = False, width: int | None = None, limit: int = 3) -> list[str]:
    """Return the lines of a look."""
    lines: list[str] = []
    look = Look(Wanted(), limit, as_json=as_json, width=width)
    look_at_examples(settings_in(folder), look, now_ms=NOW_MS, show=lines.append)
    return lines


def test_a_look_shows_the_examples_that_were_known_last(tmp_path: Path) -> None:
    """One line each under the names of the columns, the newest at the end."""
    events = [Event("pay", 0, n, n, f"e{n}", time=n, inline="ok") for n in range(5)]
    filled(tmp_path, History(events=events))
    heading, *lines = looked(tmp_path)
    assert heading.split()[-3:] == ["amount", "Last", "amounts"]
    assert [line.split()[2] for line in lines] == ["e2", "e3", "e4"]


def test_a_look_is_no_wider_than_the_terminal(tmp_path: Path) -> None:
    """Features are left out to the right, which is told; what an example always has is shown."""
    filled(tmp_path)
    *lines, told = looked(tmp_path, width=102)
    assert max(map(len, lines)) <= 102
    assert told == "and 1 more column (--json shows all)"


def test_a_look_obeys_nothing_that_a_record_says(tmp_path: Path) -> None:
    """Anyone can write an escape sequence into an event id."""
    filled(tmp_path, History(events=[Event("pay", 0, 0, 0, "a\x1b[2J", inline="ok\n")]))
    shown = "\n".join(looked(tmp_path))
    assert (r"a\x1b[2J" in shown, r"ok\n" in shown, "\x1b" in shown) == (True, True, False)


def test_a_look_as_json_has_everything_of_an_example(tmp_path: Path) -> None:
    """A program reads fields by name and times in epoch milliseconds."""
    filled(tmp_path, History(events=[Event("pay", 0, 7, 3, "e", time=2, inline="ok", weight=10.0)]))
    (line,) = looked(tmp_path, as_json=True)
    found = json.loads(line)
    assert (found["amount"], found["label"], found["sample_weight"], found["record_offset"]) == (7.0, "ok", 10.0, 7)
    assert found["event_time"] == found["label_time"] == NOW_MS - 38_000


@pytest.mark.parametrize(("content", "told"), [(None, "no such file"), ("{}", "no cursor")])
def test_a_file_that_is_no_cursor_is_refused(tmp_path: Path, content: str | None, told: str) -> None:
    """The line says what to name instead."""
    filled(tmp_path)
    cursor = tmp_path / "cursor.json"
    if content is not None:
        cursor.write_text(content)
    look = Look(Wanted(since=cursor), 3, as_json=False, width=None)
    with pytest.raises(UsageError, match=rf"--since.*{told}.*--cursor-out"):
        look_at_examples(settings_in(tmp_path), look, now_ms=NOW_MS, show=print)
