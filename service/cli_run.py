"""`tidemill run`: every part of a service under one process."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from service.cli_context import config_path, help_of


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("run", help=help_of(run))(run)


def run(
    context: typer.Context,
    slot: Annotated[
        str | None, typer.Option(help="Name of this process among its equals, as of 'score' and 'buffer run'.")
    ] = None,
    admin_port: Annotated[
        int | None,
        typer.Option(min=0, max=65_534, help="Port of /livez, /readyz and /metrics of scoring; of buffering the next."),
    ] = None,
) -> None:
    """Run everything: 'score' and 'buffer run', each a process of its own, until SIGTERM or Ctrl-C.

    Scoring has its health and metrics on admin.port, buffering on admin.port + 1 (any free ones for 0). Each line of
    the logs names its part. When a part ends, the others are stopped and this command ends with its exit code; to start
    it again is for whoever runs it.
    """
    from service.cli_context import load_with_origins
    from service.errors import UsageError
    from service.logs import LogFormat, configure_logs
    from service.supervisor import Part, Supervisor, tidemill

    settings = load_with_origins(context).settings
    configure_logs(LogFormat(settings.logs.format), settings.logs.level)
    port = settings.admin.port if admin_port is None else admin_port
    if port == 65_535:
        raise UsageError("admin.port: 65535 leaves no port for buffering, which takes the next one; choose a lower one")
    shared = ["-c", str(config_path(context))]
    slots = [] if slot is None else ["--slot", slot]
    parts = [
        Part("score", tidemill(*shared, "score", "--admin-port", str(port), *slots)),
        Part("buffer", tidemill(*shared, "buffer", "run", "--admin-port", str(port and port + 1), *slots)),
    ]
    # The parts write into a pipe, where 'auto' means JSON: what it means is decided here, for where their lines go.
    is_for_people = settings.logs.format == "auto" and sys.stderr.isatty()
    raise typer.Exit(Supervisor(parts, environment={"TIDEMILL_LOGS__FORMAT": "console"} if is_for_people else {}).run())
