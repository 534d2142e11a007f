from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from producer.records import TopicPartition
from service.live_view import LiveView, can_draw, sparkline, swap_marks, to_line, to_view
from service.stream_stats import StreamSnapshot, StreamStats, Swap

EMPTY = StreamStats(clock=lambda: 0.0).snapshot()
BUSY = StreamSnapshot(
    elapsed_s=23.4,
    per_second=tuple(range(1000, 1023)),
    rate=2012.6,
    scored=45123,
    dead_letters={"missing": 300, "undecodable": 150},
    p50_s=0.0042,
    p99_s=1.25,
    bins=tuple((i / 10, count) for i, count in enumerate([4000, 100, 0, 0, 0, 0, 0, 0, 3, 1])),
    version="v2",
    swaps=(Swap(12, "v2"),),
    lag_records=1500,
    lag_s=75.0,
    standing=(),
    not_committed=0,
    waiting_for="",
    failure="",
)
IN_TROUBLE = replace(
    BUSY,
    standing=tuple(TopicPartition("a-topic-with-a-long-name", n) for n in range(50)),
    dead_letters={f"reason_number_{n}": 10**9 for n in range(9)},
    not_committed=3,
    waiting_for="no_champion",
    failure="v3 not taken live: digest",
)


def drawn(now: StreamSnapshot, width: int = 80) -> list[str]:
    """Return the rows of the view as text."""
    console = Console(file=io.StringIO(), width=width, height=24, force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(to_view(now, title="Tidemill: fraud"))
    return capture.get().splitlines()


@pytest.mark.parametrize("now", [EMPTY, BUSY, IN_TROUBLE], ids=["empty", "busy", "in trouble"])
@pytest.mark.parametrize("width", [80, 200])
def test_live_view_fits_a_small_terminal(now: StreamSnapshot, width: int) -> None:
    """Whatever happens, 80 columns and 24 rows are enough, so that nothing scrolls or wraps."""
    rows = drawn(now, width)
    assert (max(len(row.rstrip()) for row in rows), len(rows)) == (80, 19)


def test_live_view_shows_the_figures() -> None:
    """Everything a watcher asks for stands there."""
    text = "\n".join(drawn(BUSY))
    shown = (
        "2,013",
        "45,123",
        "450",
        "v2",
        "4 ms",
        "1.2 s",
        "1,500",
        "1.2 min",
        "▲v2",
        "undecodable",
        "97.47%",
        "all well",
    )
    assert [figure for figure in shown if figure not in text] == []


def test_live_view_names_what_is_wrong() -> None:
    """Trouble takes the place of the good word."""
    text = "\n".join(drawn(replace(BUSY, waiting_for="no_champion")))
    assert ("waiting: no_champion" in text, "all well" in text) == (True, False)


def test_live_view_line_says_the_same_in_plain_words() -> None:
    """A log collector gets one line without any drawing."""
    assert to_line(replace(BUSY, failure="v3 not taken live: digest")) == (
        "23 s, 2,013 events/s, scored 45,123, dead letters 450, p50 4 ms, p99 1.2 s, lag 1,500, model v2, "
        "v3 not taken live: digest"
    )


@pytest.mark.parametrize(
    ("values", "expected"), [((), "    "), ((0, 0), "    "), ((8,), "   █"), ((9, 0, 1, 4, 8), " ▁▄█")]
)
def test_sparkline_is_as_high_as_its_values(values: tuple[int, ...], expected: str) -> None:
    """The newest value is at the right, the highest shown fills the row, and one record is not nothing."""
    assert sparkline(values, width=4) == expected


@pytest.mark.parametrize(("second", "expected"), [(15, "  ▲v2     "), (22, "       ▲v2"), (12, "          ")])
def test_swap_marks_stand_under_their_second(second: int, expected: str) -> None:
    """A mark moves left with the sparkline, is whole when new, and leaves with its second."""
    now = replace(BUSY, elapsed_s=23.4, swaps=(Swap(second, "v2"),))
    assert swap_marks(now, width=10) == expected


def test_live_view_prints_plain_lines_where_it_cannot_draw() -> None:
    """In a pipe there is no escape sequence, and the last line has the final figures."""
    out = io.StringIO()
    stats = StreamStats(clock=lambda: 0.0)
    with LiveView(stats, title="Tidemill", console=Console(file=out), plain_interval_s=60):
        stats.records_scored(7, version="v1", role="champion")
    assert out.getvalue() == "0 s, 0 events/s, scored 7, dead letters 0, p50 –, p99 –, lag –, model v1\n"  # noqa: RUF001 - a dash for unknown


def test_live_view_leaves_the_last_state_on_a_terminal() -> None:
    """What was seen last can still be read after the end."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    console = Console(file=out, force_terminal=True, width=80, height=24, _environ={"TERM": "xterm"})
    stats = StreamStats(clock=lambda: 0.0)
    with LiveView(stats, title="Tidemill", console=console):
        stats.records_scored(7654, version="v1", role="champion")
    out.seek(0)
    assert "7,654" in out.read().rpartition("Tidemill")[2]


@pytest.mark.parametrize(
    ("term", "encoding", "expected"),
    [("xterm", "utf-8", True), ("dumb", "utf-8", False), ("xterm", "ascii", False)],
)
def test_live_view_draws_only_where_it_can_be_read(term: str, encoding: str, *, expected: bool) -> None:
    """A terminal without cursor control or without our characters gets plain lines."""
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    assert can_draw(Console(file=out, force_terminal=True, _environ={"TERM": term})) == expected
