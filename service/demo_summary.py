"""What a demo says at its end."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from service.demo import DemoResult
from service.demo_buffer import Buffered
from service.demo_file import FileResult

LABEL_MEANINGS = {
    "matched": "the first of an event",
    "late": "the first, after labels.max_delay",
    "duplicate": "says the same again",
    "corrected": "says something else",
    "retracted": "takes it back",
    "pending": "of an event nobody has seen",
    "refused": "no label at all",
    "orphan": "of an event that never came",
    "expired": "of an event long gone",
}


def say_demo(result: DemoResult, console: Console) -> None:
    """Say what was promised and whether it was kept."""
    console.print()
    console.print(_outcomes(result.published, result.scored, result.dead_letters))
    verdict = "every event has exactly one outcome" if not result.missing else f"{result.missing} events went wrong"
    console.print(
        f"{verdict}; {result.planted:,} broken events were planted, {sum(result.dead_letters.values()):,} found"
    )
    if result.buffered is not None:
        _say_buffered(result.buffered, console)
    table = Table(title="How well fraud was told (average precision)", title_justify="left")
    for heading in ("model", "frauds", "events", "average precision"):
        table.add_column(heading, justify="left" if heading in ("model", "frauds") else "right")
    for version, when, count, quality in result.quality:
        frauds = "as learnt" if when == "before" else "changed their ways"
        table.add_row(version, frauds, f"{count:,}", f"{quality:.2f}")
    console.print(table)
    console.print("Your own data: tidemill init --from FILE.csv --label COLUMN, then tidemill train --data FILE.csv")


def _say_buffered(buffered: Buffered, console: Console) -> None:
    rows = buffered.rows
    console.print(
        f"in the buffer's tables: {rows['features']:,} events (some lack a field), {rows['scores']:,} scores,"
        f" {rows['labels']:,} labels"
    )
    table = Table(title="What became of the labels, all of them late", title_justify="left")
    for heading in ("labels", "buffer", "truth"):
        table.add_column(heading, justify="left" if heading == "labels" else "right")
    for name, meaning in LABEL_MEANINGS.items():
        counts = buffered.outcomes.get(name, 0), buffered.wanted_outcomes.get(name, 0)
        if any(counts):
            table.add_row(f"{name}: {meaning}", *(f"{count:,}" for count in counts))
    table.add_row("labelled examples", f"{buffered.examples:,}", f"{buffered.wanted_examples:,}")
    console.print(table)
    if buffered.is_right:
        console.print("the buffer holds the truth: each row once, each example with its label and its live score")
    else:
        wanted = ", ".join(f"{count:,} {name}" for name, count in buffered.wanted_rows.items())
        console.print(f"the buffer is wrong: there must be {wanted}; {buffered.wrong:,} examples are others")


def say_file(result: FileResult, console: Console) -> None:
    """Say what came of the user's file, with a few scores to look at."""
    console.print()
    console.print(_outcomes(result.published, result.scored, result.dead_letters))
    if result.left_out:
        console.print(f"{result.left_out:,} rows of the file are no events and were left out")
    table = Table(title="The first scores", title_justify="left")
    for heading in ("event_id", "score", "prediction", "model_version"):
        table.add_column(heading, justify="right" if heading == "score" else "left")
    for score in result.first:
        table.add_row(
            str(score["event_id"]), f"{score['score']:.6f}", str(score["prediction"] or ""), str(score["model_version"])
        )
    console.print(table)


def _outcomes(published: int, scored: int, dead_letters: Mapping[str, int]) -> str:
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(dead_letters.items()))
    return f"{published:,} events: {scored:,} scores" + (f", dead letters: {reasons}" if reasons else "")
