"""The stream at a glance: a view that redraws itself on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import math
import sys
import threading
from types import TracebackType
from typing import Self

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.constrain import Constrain
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from service.stream_stats import BINS, HISTORY_S, StreamSnapshot, StreamStats

WIDTH = 80
REDRAWS_PER_S = 4.0
PLAIN_INTERVAL_S = 5.0
SPARKS = " ▁▂▃▄▅▆▇█"
BAR_WIDTH = 17
FIGURE_WIDTHS = (17, 19, 25, 15)  # room for ten thousand million scores
SWAP_MARK = "▲"


class LiveView:
    """Shows a stream while the block runs; the last state stays on the screen.

    On a terminal that can draw it, a view of at most 80 columns and 24 rows; anything else printed
    meanwhile appears above it. Elsewhere one line every few seconds.
    """

    def __init__(
        self, stats: StreamStats, *, title: str, console: Console, plain_interval_s: float = PLAIN_INTERVAL_S
    ) -> None:
        """Take what to show and where; nothing is printed before the block begins."""
        self._stats = stats
        self._title = title
        self._console = console
        self._plain_interval_s = plain_interval_s
        self._live: Live | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Begin to show."""
        if can_draw(self._console):
            self._live = Live(
                get_renderable=lambda: to_view(self._stats.snapshot(), title=self._title),
                console=self._console,
                refresh_per_second=REDRAWS_PER_S,
                redirect_stderr=sys.stderr.isatty(),  # logs that go to a file stay in the file
            )
            self._live.start(refresh=True)
        else:
            self._thread = threading.Thread(target=self._print_lines, name="live-view", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Show the last state and stop."""
        if self._live is not None:
            self._live.stop()
        if self._thread is not None:
            self._stopping.set()
            self._thread.join()
            self._print_line()

    def _print_lines(self) -> None:
        while not self._stopping.wait(self._plain_interval_s):
            self._print_line()

    def _print_line(self) -> None:
        line = to_line(self._stats.snapshot())
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def can_draw(console: Console) -> bool:
    """Return whether the console is a terminal that can redraw and knows the characters we draw with."""
    return console.is_terminal and not console.is_dumb_terminal and console.encoding.startswith("utf")


def to_line(now: StreamSnapshot) -> str:
    """Return the state as one plain line."""
    parts = [
        f"{now.elapsed_s:.0f} s",
        f"{now.rate:,.0f} events/s",
        f"scored {now.scored:,}",
        f"dead letters {now.dead:,}",
        f"p50 {_duration(now.p50_s)}",
        f"p99 {_duration(now.p99_s)}",
        f"lag {_count(now.lag_records)}",
        f"model {now.version or 'none'}",
    ]
    return ", ".join([*parts, *_troubles(now)])


def to_view(now: StreamSnapshot, *, title: str) -> RenderableType:
    """Return the state as panels, at most 80 columns wide and 19 rows high."""
    lower = Table.grid(expand=True, padding=(0, 1, 0, 0))
    lower.add_column(width=42)
    lower.add_column(ratio=1)
    lower.add_row(_scores_panel(now), _dead_letters_panel(now))
    return Constrain(Group(_throughput_panel(now, title), lower), WIDTH)


def sparkline(values: tuple[int, ...], *, width: int) -> str:
    """Return the last ``width`` values as a row of bars, the highest of them full; zero is a gap.

    Example:
        >>> sparkline((0, 1, 4, 8), width=4)
        ' ▁▄█'
    """
    shown = values[-width:]
    top = max(shown, default=0)
    bars = (SPARKS[math.ceil(value / top * (len(SPARKS) - 1))] if top else " " for value in shown)
    return "".join(bars).rjust(width)


def swap_marks(now: StreamSnapshot, *, width: int) -> str:
    """Return a row that marks under the sparkline where another version began to score."""
    cells = [" "] * width
    first_second = int(now.elapsed_s) - width
    for swap in now.swaps:
        label = SWAP_MARK + swap.version
        at = swap.second - first_second
        if 0 <= at < width:
            at = min(at, width - len(label))  # one that just happened is shown whole
            cells[at : at + len(label)] = label
    return "".join(cells)


def _throughput_panel(now: StreamSnapshot, title: str) -> Panel:
    figures = Table.grid(expand=True)
    for ratio in FIGURE_WIDTHS:
        figures.add_column(ratio=ratio, no_wrap=True, overflow="ellipsis")
    figures.add_row(
        _figure("events/s", f"{now.rate:,.0f}"),
        _figure("scored", f"{now.scored:,}"),
        _figure("dead letters", f"{now.dead:,}"),
        _figure("model", now.version or "none"),
    )
    figures.add_row(
        _figure("p50", _duration(now.p50_s)),
        _figure("p99", _duration(now.p99_s)),
        _figure("lag", _count(now.lag_records)),
        _figure("behind", _duration(now.lag_s)),
    )
    troubles = ", ".join(_troubles(now))
    rows: list[RenderableType] = [
        figures,
        Columns([Text(sparkline(now.per_second, width=HISTORY_S), style="cyan"), Text("last minute", style="dim")]),
        Text(swap_marks(now, width=HISTORY_S), style="bold magenta"),
        Text(troubles or "all well", style="bold red" if troubles else "green", no_wrap=True, overflow="ellipsis"),
    ]
    return Panel(Group(*rows), title=title, subtitle=f"{now.elapsed_s:.0f} s")


def _scores_panel(now: StreamSnapshot) -> Panel:
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(justify="right", width=7)
    table.add_column(width=BAR_WIDTH)
    table.add_column(justify="right", width=8)
    total = sum(count for _, count in now.bins)
    top = max((count for _, count in now.bins), default=0)
    for edge, count in now.bins:
        # Rare high scores are what one looks for; on a linear scale they would have no bar at all.
        length = math.ceil(math.log1p(count) / math.log1p(top) * BAR_WIDTH) if count else 0
        table.add_row(f"{edge:.3g}", Text("█" * length, style="cyan"), f"{count / total:.2%}")
    for _ in range(BINS - len(now.bins)):
        table.add_row("", "", "")
    return Panel(table, title="scores (log scale)", title_align="left")


def _dead_letters_panel(now: StreamSnapshot) -> Panel:
    table = Table.grid(expand=True, padding=(0, 1, 0, 0))
    table.add_column(ratio=1)
    table.add_column(justify="right")
    rows = [(reason, f"{count:,}") for reason, count in now.dead_letters.items()]
    for reason, count in [*rows, *[("", "")] * (BINS - len(rows))]:
        table.add_row(reason, Text(count, style="yellow"))
    return Panel(table, title="dead letters by reason", title_align="left")


def _figure(name: str, value: str) -> Text:
    return Text.assemble((f"{name} ", "dim"), (value, "bold"))


def _troubles(now: StreamSnapshot) -> list[str]:
    troubles = [f"waiting: {now.waiting_for}"] if now.waiting_for else []
    troubles += [f"standing still: {', '.join(map(str, now.standing))}"] if now.standing else []
    troubles += [f"transactions not committed: {now.not_committed:,}"] if now.not_committed else []
    return [*troubles, now.failure] if now.failure else troubles


def _count(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"  # noqa: RUF001 - a dash for unknown


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"  # noqa: RUF001 - a dash for unknown
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.1f} min"
