"""`tidemill score`: one scoring process."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("score")(score)


def score(
    context: typer.Context,
    slot: Annotated[
        str | None,
        typer.Option(
            help="Name of this process among its equals, the same after a restart. "
            "Default: TIDEMILL_SLOT, the pod's name, or the first free number."
        ),
    ] = None,
    admin_port: Annotated[int | None, typer.Option(help="Port of /livez, /readyz and /metrics; 0 takes any.")] = None,
) -> None:
    """Score events from the features topic until SIGTERM or Ctrl-C.

    Start as many as there are partitions: they share the work, and each takes over when another dies.
    """
    from service.bootstrap import build_scoring_service
    from service.cli_context import load
    from service.identity import claim_identity
    from service.runner import run_scoring_service

    overrides = {} if admin_port is None else {"admin.port": str(admin_port)}
    settings = load(context, overrides)
    with claim_identity(settings, slot=slot) as transactional_id:
        run_scoring_service(build_scoring_service(settings, transactional_id=transactional_id))
