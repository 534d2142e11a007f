"""`tidemill train` and the group `tidemill models`: their options; the work is done elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli_context import help_of

if TYPE_CHECKING:
    from service.labelled_buffer import FromBuffer
    from service.model_desk import Desk

JsonFlag = Annotated[bool, typer.Option("--json", help="One JSON object instead of text.")]
ForceFlag = Annotated[bool, typer.Option("--force", help="Promote whatever the gate says; needs --reason.")]
ReasonOption = Annotated[str | None, typer.Option(help="Recorded with your name and shown with the version.")]
ThresholdOption = Annotated[
    float | None, typer.Option(min=0, max=1, help="Score at and above which the positive class is predicted.")
]
PositiveOption = Annotated[str | None, typer.Option(help="The class whose probability is the score.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("train", help=help_of(train))(train)
    group = typer.Typer(no_args_is_help=True, help="Look at stored models, bring one in, choose the champion.")
    group.command("list")(list_versions)
    group.command("show")(show)
    group.command("promote", help=help_of(promote))(promote)
    group.command("rollback")(rollback)
    group.command("import", help=help_of(import_file))(import_file)
    app.add_typer(group, name="models")


def train(  # noqa: PLR0913 - each is an option
    context: typer.Context,
    *,
    data: Annotated[Path | None, typer.Option(help="CSV or Parquet with the fields and the label.")] = None,
    from_buffer: Annotated[
        bool, typer.Option("--from-buffer", help="Learn from the labelled events of the buffer instead of a file.")
    ] = False,
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="Of the buffer only events from then on: 30d, or a date."),
    ] = None,
    max_examples: Annotated[
        int, typer.Option(min=1, help="Of the buffer at most so many, drawn at random: they have to fit the memory.")
    ] = 1_000_000,
    validation: Annotated[
        Path | None,
        typer.Option(help="The set to judge on. Default: validation.uri, else the latest fifth, else a fifth."),
    ] = None,
    estimator: Annotated[
        str,
        typer.Option(help="sgd, logistic, forest, boosting, or module:factory of your own, called as (task, fields)."),
    ] = "sgd",
    without: Annotated[
        list[str] | None,
        typer.Option(help="A field the model shall not use, so that it can leave the file. Repeatable."),
    ] = None,
    positive: PositiveOption = None,
    threshold: ThresholdOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the split and of the estimator.")] = 0,
    no_promote: Annotated[bool, typer.Option("--no-promote", help="Store and judge only.")] = False,
    fail_on_reject: Annotated[
        bool, typer.Option("--fail-on-reject", help="Exit with 1 when the gate does not let the model pass.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Fit a model, judge it beside the champion, store it, and promote it if the gate allows.

    The version is the last line printed. A model that the gate rejects is stored with its report and the
    exit code is 0: a run that finds nothing better has not failed. A pipeline that must stop then adds
    --fail-on-reject.
    """
    import json

    source = _examples_source(data, from_buffer=from_buffer, start=start, most=max_examples, seed=seed)
    desk = _desk(context, positive=positive, threshold=threshold)
    from service.train_command import Promotion, TrainingOrder, train_and_judge

    promotion = Promotion.NEVER if no_promote else Promotion.IF_ALLOWED
    trained = train_and_judge(desk, TrainingOrder(source, validation, estimator, seed, promotion, tuple(without or ())))
    typer.echo(json.dumps(trained.as_json()) if as_json else trained.as_text())
    if fail_on_reject and not trained.verdict.decision.promote:
        raise typer.Exit(1)


def _examples_source(
    data: Path | None, *, from_buffer: bool, start: str | None, most: int, seed: int
) -> Path | FromBuffer:
    from service.errors import UsageError
    from service.labelled_buffer import FromBuffer

    if data is not None and from_buffer:
        raise UsageError("--data and --from-buffer: learn from one of the two")
    if data is not None and start is not None:
        raise UsageError("--from picks events of the buffer; it goes with --from-buffer")
    if data is not None:
        return data
    if not from_buffer:
        raise UsageError("give a file with --data FILE, or --from-buffer")
    return FromBuffer(start, most, seed)


def list_versions(context: typer.Context, *, as_json: JsonFlag = False) -> None:
    """List the stored versions, the oldest first."""
    import json

    from service.cli_context import load
    from service.model_views import list_as_text, list_models
    from service.store import build_store

    settings = load(context)
    metric = settings.promotion.metric
    rows = list_models(build_store(settings), metric=metric)
    typer.echo(json.dumps(rows) if as_json else list_as_text(rows, metric=metric))


def show(
    context: typer.Context,
    *,
    version: Annotated[str, typer.Argument(help="A version, such as v3.")],
    as_json: JsonFlag = False,
) -> None:
    """Show one version: its manifest, what the gate said, and every decision about it."""
    import json

    from service.cli_context import load
    from service.model_views import show_as_text, show_model
    from service.store import build_store

    settings = load(context)
    shown = show_model(build_store(settings), version)
    typer.echo(json.dumps(shown) if as_json else show_as_text(shown))


def promote(
    context: typer.Context,
    *,
    version: Annotated[str, typer.Argument(help="A version, such as v3.")],
    data: Annotated[Path | None, typer.Option(help="Labelled rows to judge it on now.")] = None,
    force: ForceFlag = False,
    reason: ReasonOption = None,
) -> None:
    """Make a version the champion if the gate allows.

    A version counts as allowed when it passed the gate beside the present champion. One that did not, was
    judged beside another, or was never judged (an import) needs --data, or --force with --reason.
    """
    from service.promote_command import force_of
    from service.promote_command import promote as promote_version

    asked = force_of(force, reason)
    typer.echo(promote_version(_desk(context), version, force=asked, data=data))


def rollback(
    context: typer.Context,
    *,
    to: Annotated[str | None, typer.Option(help="A version that was champion; default: the one before.")] = None,
    reason: ReasonOption = None,
) -> None:
    """Make the champion before the present one champion again."""
    from service.promote_command import roll_back

    typer.echo(roll_back(_desk(context), to=to, reason=reason))


def import_file(  # noqa: PLR0913 - each is an option
    context: typer.Context,
    *,
    file: Annotated[Path, typer.Argument(help="A .skops file; a joblib or pickle file with --unsafe-pickle.")],
    unsafe_pickle: Annotated[
        bool, typer.Option("--unsafe-pickle", help="Open a pickle. That runs whatever code is in it.")
    ] = False,
    data: Annotated[Path | None, typer.Option(help="Rows to try it on; with labels they judge it.")] = None,
    positive: PositiveOption = None,
    threshold: ThresholdOption = None,
    promote: Annotated[bool, typer.Option("--promote", help="Make it the champion if the gate allows.")] = False,
    force: ForceFlag = False,
    reason: ReasonOption = None,
) -> None:
    """Bring in a scikit-learn model that was trained elsewhere; it is kept as skops, never as a pickle.

    The version is the last line printed. The exit code is 1 when --promote was asked for and the gate does
    not allow it; the version is stored all the same.
    """
    from service.import_command import ImportOrder, Opening, Wish, import_model
    from service.promote_command import force_of

    order = ImportOrder(
        file=file,
        opening=Opening.UNSAFE_PICKLE if unsafe_pickle else Opening.SAFE,
        data=data,
        wish=Wish.PROMOTE if promote or force else Wish.STORE,
        force=force_of(force, reason),
    )
    imported = import_model(_desk(context, positive=positive, threshold=threshold), order)
    typer.echo(f"{imported.outcome}\n{imported.version}")
    if not imported.is_as_wished:
        raise typer.Exit(1)


def _desk(context: typer.Context, *, positive: str | None = None, threshold: float | None = None) -> Desk:
    """Return the desk of the service file that was named, with what the flags change."""
    import time

    from service.cli_context import load

    flags = {"model.positive": positive, "model.threshold": threshold}
    overrides = {path: str(value) for path, value in flags.items() if value is not None}
    settings = load(context, overrides)
    from service.model_desk import open_desk  # after the settings: a typo in them is told before seconds of imports

    return open_desk(
        settings,
        now_ms=lambda: time.time_ns() // 1_000_000,
        say=lambda line: typer.echo(line, err=True),
    )
