"""`tidemill demo`: the whole loop on a laptop, without a broker."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("demo")(demo)


def demo(
    context: typer.Context,
    data: Annotated[
        Path | None, typer.Option(help="Score this CSV or Parquet file with the champion of your own service file.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=10, max=600, help="How long the stream lasts.")] = 30.0,
    rate: Annotated[int, typer.Option(min=1, max=20_000, help="Events a second.")] = 2_000,
    seed: Annotated[int, typer.Option(help="Of the simulated payments.")] = 7,
) -> None:
    """Watch events being scored and buffered, without a broker: simulated payments that drift, or a file of yours.

    Runs on a broker in memory, in one process, and leaves nothing behind.
    """
    from rich.console import Console

    from service.demo import DemoPlan, run_demo
    from service.demo_file import run_file
    from service.demo_summary import say_demo, say_file

    console = Console()
    if data is None:
        result = run_demo(DemoPlan(seconds, rate, seed), console=console)
        say_demo(result, console)
        raise typer.Exit(0 if result.is_right else 1)
    from service.cli_context import load

    say_file(run_file(load(context), data, seconds=seconds, console=console), console)
