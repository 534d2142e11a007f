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
    LABELS = "labels"
    DEAD_LETTERS = "dead-letters"
    SHADOW_SCORES = "shadow-scores"


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("publish", help=help_of(publish))(publish)
    app.command("tail")(tail)


def publish(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV or Parquet; columns are named by the paths of the service file.")
    ],
    labels: Annotated[bool, typer.Option("--labels", help="The rows are labels, for the labels topic.")] = False,  # noqa: FBT002 - a flag
    resume: Annotated[bool, typer.Option("--resume", help="Each row once, over as many runs as it takes.")] = False,  # noqa: FBT002 - a flag
    rate: Annotated[float | None, typer.Option(min=0.001, help="At most this many records a second.")] = None,
) -> None:
    """Publish the rows of a file as feature events, or as labels.

    Rows that are no events are reported by line number and left out; the exit code is then 1.

    Labels have the columns labels.id, labels.label and, where the service file names it, labels.time; they go out in
    the shape the service file describes, with the value as it is written. An empty cell (a null) in the column of the
    label retracts the label of that event. The record key is the event's own, where there is a column called as
    features.key, else the id.

    Running it twice publishes everything twice. With --resume, from the first run on, rows and the place in the file
    are committed together: after a kill or Ctrl-C the same command goes on, a complete file is not published again.
    The place is known by the file's content, in the consumer group NAME.publish.DIGEST, for as long as the brokers
    keep offsets of groups (offsets.retention.minutes, 7 days by default).
    """
    from features.input_files import open_input
    from service.cli_context import load_quietly
    from service.publish_command import EventFile, publish_file
    from service.publish_labels import LabelFile
    from service.publish_ways import resumable, straight

    settings = load_quietly(context)
    source = open_input(file)
    contents = (LabelFile if labels else EventFile)(settings, source)
    way = (resumable if resume else straight)(settings, contents.topic, source)
    refused = publish_file(contents, way, rate=rate, say=lambda line: typer.echo(line, err=True))
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
    from service.tail_command import follow
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
