"""What a demo says at its end."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from service.demo import DemoResult
from service.demo_file import FileResult


def say_demo(result: DemoResult, console: Console) -> None:
    """Say what was promised and whether it was kept."""
    console.print()
    console.print(_outcomes(result.published, result.scored, result.dead_letters))
    verdict = "every event has exactly one outcome" if not result.missing else f"{result.missing} events went wrong"
    console.print(
        f"{verdict}; {result.planted:,} broken events were planted, {sum(result.dead_letters.values()):,} found"
    )
    table = Table(title="How well fraud was told (average precision)", title_justify="left")
    for heading in ("model", "frauds", "events", "average precision"):
        table.add_column(heading, justify="left" if heading in ("model", "frauds") else "right")
    for version, when, count, quality in result.quality:
        frauds = "as learnt" if when == "before" else "changed their ways"
        table.add_row(version, frauds, f"{count:,}", f"{quality:.2f}")
    console.print(table)
    console.print("Your own data: tidemill init --from FILE.csv --label COLUMN, then tidemill train --data FILE.csv")


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
