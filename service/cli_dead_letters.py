"""The group `tidemill dead-letters`: the options of its commands; the work is done elsewhere."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from features.rejection import Reason, Stage
from service.cli_context import help_of

if TYPE_CHECKING:
    from consumer.replay import LetterFilter

Reasons: TypeAlias = Annotated[
    list[Reason] | None,
    typer.Option("--reason", metavar="REASON", help="Only letters of this reason, as the list names it. Repeatable."),
]
StageOption: TypeAlias = Annotated[
    Stage | None,
    typer.Option(metavar="STAGE", help="Only letters turned away at this step: decode, validate, score or publish."),
]
Since: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Only records from then on: ISO 8601 (UTC unless it says), or 2h for ago."),
]
Until: TypeAlias = Annotated[str | None, typer.Option(metavar="TIME", help="Only records before then.")]
JsonFlag: TypeAlias = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    group = typer.Typer(no_args_is_help=True, help="Look at events that could not be scored, and send them again.")
    group.command("list", help=help_of(list_letters))(list_letters)
    group.command("show", help=help_of(show))(show)
    group.command("replay", help=help_of(replay))(replay)
    app.add_typer(group, name="dead-letters")


def list_letters(  # noqa: PLR0913 - each is an option
    context: typer.Context,
    *,
    reason: Reasons = None,
    stage: StageOption = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after this many letters.")] = None,
    summary: Annotated[bool, typer.Option("--summary", help="Only how many there are of each reason.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """List the dead letters that there are now, and how many of each reason.

    Times are those of the records, which are the events' own.
    """
    from service.cli_context import load_quietly
    from service.dead_letters import Listing
    from service.dead_letters import list_letters as act

    wanted = _filter(reason, stage, since, until)
    listing = Listing(wanted, limit, as_json=as_json, only_summary=summary, width=_width())
    act(load_quietly(context), listing, show=typer.echo)


def show(
    context: typer.Context,
    place: Annotated[str, typer.Argument(metavar="PARTITION@OFFSET", help="As the list names it, for instance 0@41.")],
    *,
    raw: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the value there, byte for byte.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show everything about one dead letter: where it came from, why it is one, its headers, its value decoded."""
    import msgspec

    from service.cli_context import load_quietly
    from service.dead_letters import find_letter, write_raw

    letter = find_letter(load_quietly(context), place)
    for line in [msgspec.json.encode(letter.as_json()).decode()] if as_json else letter.lines():
        typer.echo(line)
    if raw is not None:
        typer.echo(write_raw(letter, raw), err=True)


def replay(  # noqa: PLR0913 - each is an option
    context: typer.Context,
    *,
    reason: Reasons = None,
    stage: StageOption = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Send at most this many.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be sent; change nothing.")] = False,
    max_replays: Annotated[int, typer.Option(min=1, help="Leave letters that were replayed so often already.")] = 3,
    pass_over: Annotated[
        bool,
        typer.Option("--pass-over", help="Never offer again what is left before the last letter sent."),
    ] = False,
    to: Annotated[
        str | None, typer.Option(metavar="TOPIC", help="Send them there, not to the topic they came from.")
    ] = None,
) -> None:
    """Send dead letters back to the topic they came from, as they were: each once, however often this is run.

    Which ones were sent is remembered in the consumer group groups.replay, in the transaction that sends them. A second
    replay that is started meanwhile takes over from this one. A letter that fails again comes back as a new letter;
    it is not sent again by the same run.
    """
    from consumer.replay import ReplayRules
    from service.cli_context import load_quietly
    from service.dead_letters import rehearse, replay_letters
    from service.errors import UsageError

    settings = load_quietly(context)
    if to == settings.topics.dead_letters:
        raise UsageError(f"--to: {to} is where the letters are")
    rules = ReplayRules(
        service=settings.name,
        topics=settings.topics.features,
        to=to,
        wanted=_filter(reason, stage, since, until),
        max_replays=max_replays,
        limit=limit,
        passes_over=pass_over,
    )
    if dry_run:
        is_all = rehearse(settings, rules, width=_width(), say=typer.echo)
    else:
        is_all = replay_letters(settings, rules, say=typer.echo)
    raise typer.Exit(0 if is_all else 1)


def _filter(reasons: list[Reason] | None, stage: Stage | None, since: str | None, until: str | None) -> LetterFilter:
    from consumer.replay import LetterFilter
    from service.moments import parse_moment

    now_ms = time.time_ns() // 1_000_000
    return LetterFilter(
        reasons=frozenset(reason.value for reason in reasons or ()),
        stage=None if stage is None else stage.value,
        since_ms=None if since is None else parse_moment(since, option="--since", now_ms=now_ms),
        until_ms=None if until is None else parse_moment(until, option="--until", now_ms=now_ms),
    )


def _width() -> int | None:
    """Return the columns of the terminal; None where the output goes somewhere else."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
