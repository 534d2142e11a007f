"""`tidemill buffer status`, `examples` and `export`: what is in the tables, a look at it, a file of it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from service.cli_context import help_of

Start: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--from", metavar="TIME", help="Only events from then on: ISO 8601 (UTC unless it says), or 30d for ago."
    ),
]
End: TypeAlias = Annotated[str | None, typer.Option("--to", metavar="TIME", help="Only events before then.")]
Since: TypeAlias = Annotated[
    Path | None,
    typer.Option("--since", metavar="FILE", help="Only what became an example after the cursor in this file."),
]


def register(group: typer.Typer) -> None:
    """Add the commands to the group."""
    group.command("status", help=help_of(status))(status)
    group.command("examples", help=help_of(examples))(examples)
    group.command("export", help=help_of(export))(export)


def status(
    context: typer.Context,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Show what the tables hold.

    Their size now and at buffer.retention if they go on to grow so, what became of every label, how long labels take,
    and how many events of the last days have one.
    """
    import json

    from service.bootstrap import epoch_ms
    from service.buffer_status import buffer_status
    from service.cli_context import load_quietly

    found = buffer_status(load_quietly(context), now_ms=epoch_ms())
    for line in [json.dumps(found.as_json())] if as_json else found.lines():
        typer.echo(line)


def examples(  # noqa: PLR0913 - each is an option
    context: typer.Context,
    *,
    limit: Annotated[int, typer.Option(min=1, help="How many at most: those that came to be known last.")] = 20,
    start: Start = None,
    end: End = None,
    since: Since = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, one JSON object a line.")] = False,
) -> None:
    """Look at labelled examples: events that have a label, with the score and the version that were live."""
    from service.bootstrap import epoch_ms
    from service.buffer_look import Look, look_at_examples
    from service.buffer_query import Wanted
    from service.cli_context import load_quietly

    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    look = Look(Wanted(start, end, since), limit, as_json=as_json, width=width)
    shown = look_at_examples(load_quietly(context), look, now_ms=epoch_ms(), show=typer.echo)
    if not shown:
        typer.echo("no labelled examples; 'tidemill buffer status' says what became of the labels", err=True)


def export(  # noqa: PLR0913 - each is an option
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Ends in .parquet or .csv.")],
    *,
    start: Start = None,
    end: End = None,
    since: Since = None,
    cursor_out: Annotated[
        Path | None,
        typer.Option("--cursor-out", metavar="FILE", help="Write the cursor that the next --since begins at."),
    ] = None,
    sample: Annotated[int | None, typer.Option(min=1, help="At most so many, drawn at random.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the draw.")] = 0,
) -> None:
    """Write labelled examples to a Parquet or CSV file, in the order in which they came to be known.

    With --since c.json --cursor-out c.json each run writes what is new: every example once. The first run, when the
    file is not there yet, writes everything.
    """
    from service.bootstrap import epoch_ms
    from service.buffer_export import ExportOrder, export_examples
    from service.buffer_query import Wanted
    from service.cli_context import load_quietly

    order = ExportOrder(file, Wanted(start, end, since), cursor_out, sample, seed)
    export_examples(load_quietly(context), order, now_ms=epoch_ms(), say=lambda line: typer.echo(line, err=True))
