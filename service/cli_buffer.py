"""`tidemill buffer`: the tables of events, scores and labels. Each part of it stands in a module of its own."""

from __future__ import annotations

from types import ModuleType
from typing import Final

import typer

from service import cli_buffer_care, cli_buffer_load, cli_buffer_look, cli_buffer_run

PARTS: Final[tuple[ModuleType, ...]] = (cli_buffer_run, cli_buffer_look, cli_buffer_load, cli_buffer_care)


def register(app: typer.Typer) -> None:
    """Add the group and its commands to the application."""
    group = typer.Typer(name="buffer", help="The tables of events, scores and labels.", no_args_is_help=True)
    for part in PARTS:
        part.register(group)
    app.add_typer(group)
