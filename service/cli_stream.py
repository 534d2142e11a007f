"""`tidemill publish` and `tidemill tail`: the user's two ends of the stream."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from service.cli_context import help_of


class Stream(StrEnum):
    """What can be looked at."""

    FEATURES = "features"
    SCORES = "scores"
    DEAD_LETTERS = "dead-letters"


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("publish", help=help_of(publish))(publish)
    app.command("tail")(tail)


def publish(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV or Parquet; columns are named by the paths of the service file.")],
    rate: Annotated[float | None, typer.Option(min=0.001, help="At most this many events a second.")] = None,
) -> None:
    """Publish the rows of a file as feature events.

    Running it twice publishes every event twice. Rows that are not events are reported by line number
    and left out; the exit code is then 1.
    """
    from service.cli_context import load_quietly
    from service.stream_commands import publish_file

    refused = publish_file(load_quietly(context), file, rate=rate, say=lambda line: typer.echo(line, err=True))
    raise typer.Exit(1 if refused else 0)


def tail(
    context: typer.Context,
    stream: Annotated[Stream, typer.Argument(help="Which topic to look at.")],
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after this many records.")] = None,
    from_beginning: Annotated[bool, typer.Option("--from-beginning", help="Begin with the oldest record.")] = False,  # noqa: FBT002 - a flag
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Print records as they are committed, until Ctrl-C or the limit."""
    from service.cli_context import load_quietly
    from service.stream_commands import follow
    from service.tail_view import json_line, text_line

    settings = load_quietly(context)
    line = json_line if as_json else text_line
    if not from_beginning and sys.stderr.isatty():
        typer.echo("waiting for new records; --from-beginning shows what is there", err=True)
    follow(
        settings,
        stream.value,
        start="earliest" if from_beginning else "latest",
        limit=limit,
        line=line,
        show=typer.echo,
    )
