"""`tidemill buffer load`: history straight into the tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from service.cli_context import help_of


def register(group: typer.Typer) -> None:
    """Add the command to the group."""
    group.command("load", help=help_of(load))(load)


def load(  # noqa: PLR0913, PLR0917 - each is an option
    context: typer.Context,
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="CSV or Parquet, also .gz, .bz2, .zst; a path, a folder, file:// or s3://bucket/key.",
        ),
    ],
    labels: Annotated[bool, typer.Option("--labels", help="The rows are labels, not events.")] = False,  # noqa: FBT002 - a flag
    label: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The label is in this column, not at labels.inline.")
    ] = None,
    rejects: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the rows that are left out here: file, line, why.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and check; write nothing to the tables.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Load events with their labels, or labels, into the buffer's tables.

    The same bytes are never loaded twice: run it again after a kill and it goes on, run it again on a file that is
    done and nothing happens. Columns are named by the paths of the service file.

    Rows that do not fit are reported by line number and left out; the exit code is then 1.
    """
    from service.buffer_tables import require_libraries

    require_libraries()
    from service.bootstrap import epoch_ms
    from service.buffer_load import LoadOrder, load_files
    from service.cli_context import load_quietly

    order = LoadOrder(files, is_labels=labels, label=label, rejects=rejects, is_dry=dry_run)
    left_out = load_files(load_quietly(context), order, now_ms=epoch_ms(), say=lambda line: typer.echo(line, err=True))
    raise typer.Exit(1 if left_out else 0)
