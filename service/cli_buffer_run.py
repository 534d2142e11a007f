"""`tidemill buffer run`: one buffering process."""

from __future__ import annotations

from typing import Annotated

import typer

from service.cli_context import help_of


def register(group: typer.Typer) -> None:
    """Add the command to the group."""
    group.command("run", help=help_of(run))(run)


def run(
    context: typer.Context,
    slot: Annotated[
        str | None,
        typer.Option(
            help="Name of this process in the broker's logs. Default: TIDEMILL_SLOT, the pod's or host's name."
        ),
    ] = None,
    admin_port: Annotated[int | None, typer.Option(help="Port of /livez, /readyz and /metrics; 0 takes any.")] = None,
) -> None:
    """Keep events, scores and labels in the buffer's tables until SIGTERM or Ctrl-C; each record once.

    Start as many as the topics have partitions at most: they share the work, and each takes over when another dies.
    """
    from service.buffer_tables import require_libraries
    from service.cli_context import load

    require_libraries()
    from service.buffering import build_buffering_service, run_buffering_service

    overrides = {} if admin_port is None else {"admin.port": str(admin_port)}
    settings = load(context, overrides)
    run_buffering_service(build_buffering_service(settings, slot=slot))
