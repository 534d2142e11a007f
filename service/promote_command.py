"""What `tidemill models promote` and `rollback` do, apart from their options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features.labels import class_name
from learning.constant import constant_of
from learning.judging import Exam, Verdict, judge
from learning.labels import class_counts
from learning.report import Report, to_text
from models.base import Task
from models.live import LiveModel
from models.store import CHAMPION
from service.errors import ServiceError, UsageError
from service.labelled_file import LabelledFile, read_labelled
from service.model_desk import Desk
from service.model_history import (
    FORCED,
    GATE,
    PROMOTED,
    REJECTED,
    ROLLED_BACK,
    failed_checks,
    last_gate,
    past_champions,
    was_champion,
)


@dataclass(frozen=True, slots=True)
class Force:
    """A named person's decision against, or without, the gate."""

    reason: str


def force_of(is_forced: bool, reason: str | None) -> Force | None:  # noqa: FBT001 - as the flag was given
    """Return what ``--force --reason TEXT`` asks for.

    Raises:
        UsageError: ``--force`` without a reason.
    """
    if not is_forced:
        return None
    if not (reason or "").strip():
        raise UsageError("--force needs --reason TEXT: it is recorded with your name and shown with the version")
    return Force((reason or "").strip())


def promote(desk: Desk, version: str, *, force: Force | None, data: Path | None) -> str:
    """Make a version the champion if the gate allows or somebody forces it; return what was done.

    A version that cannot be loaded, does not fit the service file or fails its trial batch is refused even
    then: no worker would take it. The gate's word is, in this order: a judgement now, on ``data``; the
    recorded one, if it passed beside the present champion; a judgement now, on the validation set of the
    service file.

    Raises:
        ArtifactRefused: It cannot be loaded.
        ModelMismatch: Its score means something else than the service file says.
        ServiceError: The gate does not allow it.
        AliasMoved: Somebody else was faster.
    """
    current = desk.store.alias(CHAMPION)
    live = desk.open(desk.store.load(version))
    desk.check_meaning(live.manifest)
    if current == version:
        return f"{version} is the champion already"
    recorded = last_gate(desk.store.log(), version)
    gate = _judge_now(desk, live, current, data).as_json() if data is not None else recorded
    if force is not None:
        details = {} if gate is None else {GATE: gate}
        desk.make_champion(version, expected=current, event=FORCED, reason=force.reason, details=details)
        return f"promoted {version}{_replaced(current)}, forced by {desk.actor}: {force.reason}"
    obstacle = _obstacle(version, gate, current)
    if obstacle is not None and data is None and desk.settings.validation_path is not None:
        gate = _judge_now(desk, live, current, desk.settings.validation_path).as_json()
        obstacle = _obstacle(version, gate, current)
    if obstacle is not None or gate is None:
        raise ServiceError(f"{obstacle}; judge it on labelled rows with --data FILE, or use --force --reason TEXT")
    desk.make_champion(version, expected=current, event=PROMOTED, reason="passed the gate", details={GATE: gate})
    return f"promoted {version}{_replaced(current)}"


def _replaced(current: str | None) -> str:
    return f" in place of {current}" if current else " as the first champion"


def _obstacle(version: str, gate: Mapping[str, Any] | None, current: str | None) -> str | None:
    """Return why a verdict does not allow the promotion now, or None if it does."""
    if gate is None:
        return f"{version} was never judged"
    if not gate.get("promote"):
        return f"{version} did not pass the gate: {'; '.join(failed_checks(gate))}"
    beside = gate.get("champion_version")
    if beside != current:
        return f"{version} was judged beside {beside or 'no champion'}, and now the champion is {current or 'none'}"
    return None


def _judge_now(desk: Desk, live: LiveModel, current: str | None, path: Path) -> Verdict:
    """Judge a stored version on labelled rows, show it, and record it."""
    data = read_labelled(path, desk.schema, task=desk.task, say=desk.say)
    if data.digest == live.manifest.training_data.get("sha256"):
        raise UsageError(f"{live.version} was learnt from {path}: a model must be judged on other examples")
    verdict = judge_on(desk, live, champion=current, data=data)
    desk.say(to_text(report_of(desk, live.version, data=data, verdict=verdict)))
    if not verdict.decision.promote:
        desk.record(REJECTED, live.version, f"judged on {data.name}", {GATE: verdict.as_json()})
    return verdict


def judge_on(desk: Desk, live: LiveModel, *, champion: str | None, data: LabelledFile) -> Verdict:
    """Return the verdict on a model that was not learnt from this file.

    Raises:
        UsageError: No row of the file has a label.
    """
    if len(data.examples) == 0:
        raise UsageError(f"{data.name} has no labelled row to judge the model on")
    positive = class_name(live.manifest.positive)
    learnt = live.manifest.training_data.get("learnt", 0)
    exam = Exam(
        data.examples,
        constant_of(data.examples, task=desk.task, positive=positive),
        known=len(data.examples) + (learnt if isinstance(learnt, int) else 0),
    )
    return judge(live.model, desk.incumbent(champion, positive=positive), exam=exam, policy=desk.policy(positive))


def report_of(desk: Desk, title: str, *, data: LabelledFile, verdict: Verdict) -> Report:
    """Return the report on a model that was judged on a file and not trained here."""
    return Report(
        title=f"{desk.settings.model.name}: {title}",
        facts=[("judged on", f"{data.name} ({data.rows} rows, {len(data.examples)} examples)")],
        learnt={},
        judged=class_counts(data.examples.labels) if desk.task is Task.CLASSIFICATION else {},
        verdict=verdict,
    )


def roll_back(desk: Desk, *, to: str | None, reason: str | None) -> str:
    """Make the champion before the present one champion again, or ``to``; return what was done.

    No gate: it was champion before. It must still load and fit.

    Raises:
        ServiceError: There is no champion, or none before it.
        UsageError: ``to`` was never champion.
        AliasMoved: Somebody else was faster.
    """
    current = desk.store.alias(CHAMPION)
    if current is None:
        raise ServiceError(f"there is no champion in {desk.store}, so nothing to roll back")
    version = to or _before(desk, current)
    if version == current:
        return f"{version} is the champion already"
    live = desk.open(desk.store.load(version))
    if to is not None and not was_champion(desk.store.log(), to):
        raise UsageError(f"{to} was never champion: 'tidemill models promote {to}' judges it first")
    desk.check_meaning(live.manifest)
    desk.make_champion(
        version, expected=current, event=ROLLED_BACK, reason=reason or f"rolled back from {current}", details={}
    )
    return f"rolled back from {current} to {version}"


def _before(desk: Desk, current: str) -> str:
    line = past_champions(desk.store.log(), current)
    if not line:
        raise ServiceError(f"the log names no champion before {current}; name a version with --to")
    return line[-1]
