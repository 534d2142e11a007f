"""`tidemill init`, `config`, `topics` and `doctor`: getting a service to the point where it can run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from service.cli_context import config_path, load, load_with_origins
from service.exits import FAILED, NOT_REACHABLE

if TYPE_CHECKING:
    from features.inference import Inferred
    from service.checks import Check

_COLOURS: Final = {"ok": typer.colors.GREEN, "warn": typer.colors.YELLOW, "fail": typer.colors.RED}


class EventFormat(StrEnum):
    """How events are written."""

    JSON = "json"
    AVRO = "avro"


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("init")(init)
    config = typer.Typer(help="Look at the service file.", no_args_is_help=True)
    config.command("show")(config_show)
    config.command("schema")(config_schema)
    app.add_typer(config, name="config")
    topics = typer.Typer(help="Make the topics.", no_args_is_help=True)
    topics.command("create")(topics_create)
    app.add_typer(topics, name="topics")
    app.command("doctor")(doctor)


def init(  # noqa: PLR0913 - each is an option of its own
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where tidemill.yaml is written.")] = Path(),
    *,
    source: Annotated[Path, typer.Option("--from", metavar="FILE", help="CSV or Parquet with labelled events.")],
    label: Annotated[str, typer.Option(metavar="COL", help="Column with what is to be predicted.")],
    event_id: Annotated[str | None, typer.Option("--id", metavar="COL", help="Column that names an event.")] = None,
    key: Annotated[str | None, typer.Option(metavar="COL", help="Column to keep in order by.")] = None,
    time: Annotated[str | None, typer.Option(metavar="COL", help="Column with the event time.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the service; default: the file's name.")] = None,
    event_format: Annotated[EventFormat, typer.Option("--format", help="How events are written.")] = EventFormat.JSON,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
) -> None:
    """Look at a file of labelled events and write a service file that is ready to use."""
    from features.inference import infer
    from service.service_file import name_from, service_files, write_new, write_over

    inferred = infer(source, label=label, id=event_id, key=key, time=time)
    files = service_files(inferred, name=name or name_from(source), source=str(source), format=event_format.value)
    written = (write_over if force else write_new)(files, folder)
    _tell_decisions(inferred)
    for path in written:
        typer.echo(f"wrote {path}")
    chosen = "" if written[0] == Path("tidemill.yaml") else f" -c {written[0]}"
    typer.echo(f"next:  tidemill{chosen} train --data {source}")
    typer.echo(f"       tidemill{chosen} topics create && tidemill{chosen} score")
    typer.echo(f"       tidemill{chosen} publish {source}")


def _tell_decisions(inferred: Inferred) -> None:
    kinds = ", ".join(f"{field.name} {field.type.value}" for field in inferred.schema.fields[:6])
    more = len(inferred.schema.fields) - 6
    typer.echo(f"{inferred.n_rows} rows, {len(inferred.schema.fields)} fields: {kinds}" + (", …" if more > 0 else ""))
    typer.echo(
        f"{inferred.task}: " + (", ".join(f"{name} {count}" for name, count in inferred.classes.items()) or "a number")
    )
    for note in inferred.notes:
        typer.echo(f"note: {note}")


def config_show(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Print every effective value and where it came from; secrets are hidden."""
    loaded = load_with_origins(context)
    shown, origins = loaded.shown(), loaded.origins
    if as_json:
        typer.echo(json.dumps({path: {"value": shown[path], "origin": origins[path]} for path in shown}, indent=2))
        return
    typer.echo(f"# {config_path(context)}")
    for path, value in shown.items():
        if path == "features.fields":
            for number, field in enumerate(value):
                typer.echo(_aligned(f"{path}[{number}]", _compact(field), origins[path]))
        else:
            typer.echo(_aligned(path, value if isinstance(value, str) else json.dumps(value), origins[path]))
    for warning in loaded.warnings:
        typer.echo(f"warning: {warning}", err=True)


def _aligned(path: str, value: str, origin: str) -> str:
    return f"{path:<32} {value:<40} # {origin}"


def _compact(field: Mapping[str, Any]) -> str:
    return json.dumps({key: value for key, value in field.items() if value is not None})


def config_schema(
    context: typer.Context,
    feature: Annotated[bool, typer.Option("--feature", help="The Avro schema of a feature event.")] = False,  # noqa: FBT002 - a flag
    score: Annotated[bool, typer.Option("--score", help="The Avro schema of a score record.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Print the JSON Schema of the service file, or the Avro schema of a record of this service."""
    from service.errors import UsageError
    from service.settings import Settings

    if feature and score:
        raise UsageError("config schema: --feature and --score are two schemas; ask for one at a time")
    if not feature and not score:
        schema = Settings.json_schema()
    elif feature:
        from features.avro_schema import feature_record_schema

        settings = load(context)
        schema = feature_record_schema(settings.feature_schema(), name=settings.name)
    else:
        from producer.encoding import score_record_schema

        names = load(context).output.passthrough_names
        schema = score_record_schema(names)
    typer.echo(json.dumps(schema, indent=2))


def topics_create(
    context: typer.Context,
    partitions: Annotated[int | None, typer.Option(min=1, help="Partitions of each; default: the cluster's.")] = None,
    replication_factor: Annotated[int | None, typer.Option(min=1, help="Replicas; default: the cluster's.")] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for an answer.")] = 10.0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON list.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Create the topics of the service that are missing; those that exist are left as they are."""
    from service.clients import admin_conf
    from service.kafka import ClusterAdmin
    from service.topics import create_topics

    settings = load(context)
    admin = ClusterAdmin(admin_conf(settings, client_id=f"{settings.name}-topics"), timeout=timeout)
    outcomes = create_topics(settings, admin, partitions=partitions, replication=replication_factor)
    if as_json:
        typer.echo(json.dumps([{"topic": o.name, "result": o.result, "detail": o.detail} for o in outcomes], indent=2))
    for outcome in () if as_json else outcomes:
        typer.echo(f"{outcome.result:<8} {outcome.name} ({outcome.role}): {outcome.detail}")
    if any(outcome.result == "denied" for outcome in outcomes):
        raise typer.Exit(FAILED)


def doctor(
    context: typer.Context,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for each answer of the cluster.")] = 10.0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON list.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Check everything the service needs and say what to do; ends with 1 when something fails, 3 without a broker."""
    from service.checks import Status, worst
    from service.doctor import diagnose

    diagnosis = diagnose(load_with_origins(context), timeout=timeout)
    if as_json:
        typer.echo(json.dumps([_as_object(check) for check in diagnosis.checks], indent=2))
    for check in () if as_json else diagnosis.checks:
        status = typer.style(f"{check.status:<5}", fg=_COLOURS[check.status])
        typer.echo(f"{status} {check.name}: {check.detail}")
        if check.remedy:
            typer.echo(f"      -> {check.remedy}")
    if not diagnosis.is_reachable:
        raise typer.Exit(NOT_REACHABLE)
    if worst(diagnosis.checks) is Status.FAIL:
        raise typer.Exit(FAILED)


def _as_object(check: Check) -> dict[str, str]:
    return {"check": check.name, "status": check.status.value, "detail": check.detail, "remedy": check.remedy}
