"""`tidemill init`, `config`, `topics` and `doctor`: getting a service to the point where it can run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from service.cli_context import config_path, help_of, load, load_with_origins
from service.exits import FAILED, NOT_REACHABLE

if TYPE_CHECKING:
    from service.checks import Check
    from service.init_command import Proposal
    from service.service_file import Format
    from service.settings import Settings
    from service.topics import TopicOutcome

_COLOURS: Final = {"ok": typer.colors.GREEN, "warn": typer.colors.YELLOW, "fail": typer.colors.RED}


class EventFormat(StrEnum):
    """How events are written."""

    JSON = "json"
    AVRO = "avro"


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("init", help=help_of(init))(init)
    config = typer.Typer(help="Look at the service file.", no_args_is_help=True)
    config.command("show")(config_show)
    config.command("schema")(config_schema)
    app.add_typer(config, name="config")
    topics = typer.Typer(help="Make the topics.", no_args_is_help=True)
    topics.command("create")(topics_create)
    app.add_typer(topics, name="topics")
    app.command("doctor", help=help_of(doctor))(doctor)


def init(  # noqa: PLR0913 - each is an option of its own
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where tidemill.yaml is written.")] = Path(),
    *,
    source: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="CSV or Parquet with labelled events.")
    ] = None,
    subject: Annotated[
        str | None, typer.Option("--from-subject", metavar="SUBJECT", help="Look at the newest schema of a registry.")
    ] = None,
    topic: Annotated[
        str | None, typer.Option("--from-topic", metavar="TOPIC", help="Look at the newest records of a topic.")
    ] = None,
    label: Annotated[
        str | None, typer.Option(metavar="COL", help="What is to be predicted; needed with --from.")
    ] = None,
    event_id: Annotated[str | None, typer.Option("--id", metavar="COL", help="What names an event.")] = None,
    key: Annotated[str | None, typer.Option(metavar="COL", help="What to keep in order by.")] = None,
    time: Annotated[str | None, typer.Option(metavar="COL", help="The event time.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the service; default: that of what is looked at.")] = None,
    event_format: Annotated[
        EventFormat | None, typer.Option("--format", help="How events are written; default: avro with a registry.")
    ] = None,
    bootstrap: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="A broker; default localhost:9092.")
    ] = None,
    registry: Annotated[str | None, typer.Option(metavar="URL", help="The schema registry.")] = None,
    kafka: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="A librdkafka property; may be repeated.")
    ] = None,
    registry_config: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="A property of the registry's client; likewise.")
    ] = None,
    length: Annotated[
        list[str] | None, typer.Option(metavar="PATH=N", help="The length of an array of a subject; likewise.")
    ] = None,
    records: Annotated[int, typer.Option(min=1, max=100_000, help="How many records of a topic are looked at.")] = 2000,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
) -> None:
    """Look at a file of labelled events, a subject of a schema registry or a topic; write a service file.

    --label, --id, --key and --time are columns of the file, or dotted paths into the event. Secrets are not
    written into the file: give them as the service will have them, as TIDEMILL_KAFKA__SASL_PASSWORD and the like.
    """
    from features.schema import Roles
    from service import init_command
    from service.init_clients import clients_from
    from service.service_file import service_files, write_new, write_over

    init_command.refuse_unless_one({"--from": source, "--from-subject": subject, "--from-topic": topic})
    lengths = init_command.lengths_from(length or (), subject=subject)
    roles = Roles(id=event_id, key=key, time=time, label=label)
    clients = clients_from(
        bootstrap=bootstrap, kafka=kafka or (), registry=registry, registry_config=registry_config or ()
    )
    form: Format | None = None if event_format is None else event_format.value
    if source is not None:
        found = init_command.from_file(source, roles, clients=clients, format=form)
    elif subject is not None:
        found = init_command.from_subject(subject, roles, clients=clients, lengths=lengths)
    else:
        found = init_command.from_topic(topic or "", roles, clients=clients, format=form, records=records)
    called = name or init_command.name_for(file=source, place=found.place)
    files = service_files(found.inferred, name=called, source=found.looked_at, place=found.place, format=found.format)
    written = (write_over if force else write_new)(files, folder)
    _tell_decisions(found)
    for path in written:
        typer.echo(f"wrote {path}")
    _tell_next("" if written[0] == Path("tidemill.yaml") else f" -c {written[0]}", source)


def _tell_decisions(found: Proposal) -> None:
    inferred = found.inferred
    fields = inferred.schema.fields
    kinds = ", ".join(f"{field.name} {field.type.value}" for field in fields[:6]) + (", …" if len(fields) > 6 else "")
    typer.echo(f"{found.looked_at}, {len(fields)} field{'s' if len(fields) != 1 else ''}: {kinds}")
    if inferred.schema.roles.label is not None:
        counts = ", ".join(f"{name} {count}" for name, count in inferred.classes.items())
        typer.echo(inferred.task + (f": {counts}" if counts else ""))
    for note in (*inferred.notes, *found.notes):
        typer.echo(f"note: {note}")


def _tell_next(chosen: str, source: Path | None) -> None:
    if source is None:
        typer.echo(f"next:  read the file, then  tidemill{chosen} doctor")
        typer.echo(f"       tidemill{chosen} train --data FILE   (labelled events, columns named by the paths)")
        typer.echo(f"       tidemill{chosen} topics create && tidemill{chosen} score")
        return
    typer.echo(f"next:  tidemill{chosen} train --data {source}")
    typer.echo(f"       tidemill{chosen} topics create && tidemill{chosen} score")
    typer.echo(f"       tidemill{chosen} publish {source}")


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
    label: Annotated[bool, typer.Option("--label", help="The Avro schema of a label.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Print the JSON Schema of the service file, or the Avro schema of a record of this service."""
    from service.errors import UsageError
    from service.settings import Settings

    if feature + score + label > 1:
        raise UsageError("config schema: --feature, --score and --label are three schemas; ask for one at a time")
    if not feature and not score and not label:
        schema: Mapping[str, Any] = Settings.json_schema()
    else:
        settings = load(context)
        schema = _feature_schema(settings) if feature else _score_schema(settings) if score else _label_schema(settings)
    typer.echo(json.dumps(schema, indent=2))


def _feature_schema(settings: Settings) -> Mapping[str, Any]:
    from features.avro_schema import feature_record_schema

    return feature_record_schema(settings.feature_schema(), name=settings.name)


def _score_schema(settings: Settings) -> Mapping[str, Any]:
    from producer.encoding import score_record_schema

    return score_record_schema(settings.output.passthrough_names)


def _label_schema(settings: Settings) -> Mapping[str, Any]:
    from service.label_records import label_record_schema

    return label_record_schema(settings)


def topics_create(
    context: typer.Context,
    partitions: Annotated[int | None, typer.Option(min=1, help="Partitions of each; default: the cluster's.")] = None,
    replication_factor: Annotated[int | None, typer.Option(min=1, help="Replicas; default: the cluster's.")] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for an answer.")] = 10.0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON list.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Create the topics and register the schemas of the service that are missing; what exists is left as it is."""
    from service.clients import admin_conf
    from service.kafka import ClusterAdmin
    from service.schemas import build_schemas
    from service.topics import create_topics, register_schemas

    settings = load(context)
    registry = build_schemas(settings)
    admin = ClusterAdmin(admin_conf(settings, client_id=f"{settings.name}-topics"), timeout=timeout)
    outcomes = create_topics(settings, admin, partitions=partitions, replication=replication_factor)
    try:
        outcomes += [] if registry is None else register_schemas(settings, registry)
    finally:  # the topics are made, also where the registry is away
        (_outcomes_as_json if as_json else _tell_outcomes)(outcomes)
    if any(outcome.result == "denied" for outcome in outcomes):
        raise typer.Exit(FAILED)


def _tell_outcomes(outcomes: Sequence[TopicOutcome]) -> None:
    for outcome in outcomes:
        typer.echo(f"{outcome.result:<8} {outcome.name} ({outcome.role}): {outcome.detail}")


def _outcomes_as_json(outcomes: Sequence[TopicOutcome]) -> None:
    rows = [
        {"subject" if o.role == "schema" else "topic": o.name, "role": o.role, "result": o.result, "detail": o.detail}
        for o in outcomes
    ]
    typer.echo(json.dumps(rows, indent=2))


def doctor(
    context: typer.Context,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for each answer of the cluster.")] = 10.0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON list.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Check everything the service needs and say what to do.

    Ends with 1 when something fails, with 3 where the broker or the schema registry cannot be asked.
    """
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
