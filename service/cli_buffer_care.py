"""`tidemill buffer maintain`, `reseek` and `forget`: the options; the work is done elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli_context import help_of

if TYPE_CHECKING:
    from service.buffer_reseek import Destination


def register(group: typer.Typer) -> None:
    """Add the commands to the group."""
    for command in (maintain, reseek, forget):
        group.command(command.__name__, help=help_of(command))(command)


def maintain(
    context: typer.Context,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Drop old days, thin unlabelled events, merge small files, remove files that no version needs.

    A buffering worker does this by itself. Prints a line for each step that did something; the exit code is 1 where
    one could not be finished.
    """
    import msgspec

    from service.buffer_care import maintain_tables, step_json, step_line
    from service.cli_context import load_quietly

    report = maintain_tables(load_quietly(context))
    for step in report.steps:
        typer.echo(msgspec.json.encode(step_json(step)).decode() if as_json else step_line(step))
    if not report.steps and not as_json:
        typer.echo("nothing to do")
    raise typer.Exit(0 if report.is_complete else 1)


def reseek(  # noqa: PLR0913 - each is an option
    context: typer.Context,
    *,
    topic: Annotated[str, typer.Option(metavar="TOPIC", help="A topic that is buffered.")],
    partition: Annotated[int | None, typer.Option(min=0, help="Only this partition; else all of the topic.")] = None,
    to_offset: Annotated[int | None, typer.Option("--to-offset", min=0, help="Go on at this offset.")] = None,
    to_earliest: Annotated[bool, typer.Option("--to-earliest", help="Go on at the first record there is.")] = False,
    to_latest: Annotated[bool, typer.Option("--to-latest", help="Go on at the next record that comes.")] = False,
    to_time: Annotated[
        str | None,
        typer.Option(
            "--to-time", metavar="TIME", help="Go on at the first record from then on: ISO 8601, or 2h (ago)."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be set; change nothing.")] = False,
) -> None:
    """Set from which offset the buffering workers read on.

    For use after a fail-over to a mirrored cluster, and where records were deleted before they were read. Stop the
    buffering workers first. Rows that are in the tables are never read again.
    """
    from service.buffer_reseek import Order
    from service.buffer_reseek import reseek as act
    from service.cli_context import load_quietly

    to = _destination(to_offset, to_time, is_earliest=to_earliest, is_latest=to_latest)
    act(load_quietly(context), Order(topic, partition, to, is_dry=dry_run), say=typer.echo)


def forget(
    context: typer.Context,
    *,
    key: Annotated[str | None, typer.Option(metavar="KEY", help="The record key of the person, as text.")] = None,
    key_hex: Annotated[str | None, typer.Option("--key-hex", metavar="HEX", help="The record key, as hex.")] = None,
    event_id: Annotated[str | None, typer.Option("--event-id", metavar="ID", help="Only this event.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove the events, scores and labels of one person (or one event) from the tables, their files and their log.

    Older versions of the tables cannot be read afterwards. Records that are still in Kafka are not touched.
    """
    from service.buffer_care import forget_person, person_rows
    from service.buffer_tables import require_libraries
    from service.cli_context import load_quietly
    from service.errors import UsageError

    if [key, key_hex, event_id].count(None) != 2:
        raise UsageError("give one of --key, --key-hex and --event-id")
    require_libraries()
    from buffer.forgetting import Person

    person = Person(key=_key(key, key_hex), event_id=event_id)
    settings = load_quietly(context)
    if not yes:
        _show(person_rows(settings, person), "found")
        typer.confirm("Remove these rows, and every older version of the tables?", abort=True)
    _show(forget_person(settings, person), "removed")


def _show(rows: dict[str, int], what: str) -> None:
    for name, count in rows.items():
        typer.echo(f"{name:<9} {count:,} {'row' if count == 1 else 'rows'} {what}")


def _key(key: str | None, key_hex: str | None) -> bytes | None:
    from service.errors import UsageError

    if key_hex is None:
        return None if key is None else key.encode()
    try:
        return bytes.fromhex(key_hex)
    except ValueError:
        raise UsageError(f"--key-hex: {key_hex!r} is not hexadecimal") from None


def _destination(offset: int | None, moment: str | None, *, is_earliest: bool, is_latest: bool) -> Destination:
    from service.buffer_reseek import Destination
    from service.errors import UsageError
    from service.moments import parse_moment

    if (offset is not None) + (moment is not None) + is_earliest + is_latest != 1:
        raise UsageError("give one of --to-offset, --to-earliest, --to-latest and --to-time")
    now_ms = time.time_ns() // 1_000_000
    return Destination(
        offset=offset,
        time_ms=None if moment is None else parse_moment(moment, option="--to-time", now_ms=now_ms),
        place="earliest" if is_earliest else "latest",
    )
