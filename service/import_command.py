"""What `tidemill models import` does, apart from its options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from features.batch import Column
from features.schema import FeatureSchema
from features.tables import open_table, read_batch
from learning.judging import Verdict
from learning.report import to_text
from learning.report_html import to_html
from models.artifact import REPORT_FILE, Artifact, digest_of, digests_of
from models.import_options import ImportOptions
from models.importing import PICKLE_SUFFIXES, ImportResult, import_skops, import_unsafe_pickle
from models.store import CHAMPION
from service.errors import UsageError
from service.labelled_file import LabelledFile, read_labelled
from service.model_desk import Desk
from service.model_history import FORCED, GATE, PROMOTED, PUBLISHED, REJECTED
from service.promote_command import Force, judge_on, report_of


class Opening(StrEnum):
    """How a model file may be opened."""

    SAFE = "safe"
    UNSAFE_PICKLE = "unsafe_pickle"


class Wish(StrEnum):
    """What is to become of an imported model."""

    STORE = "store"
    PROMOTE = "promote"


@dataclass(frozen=True, slots=True)
class ImportOrder:
    """What was asked for on the command line.

    Attributes:
        file: The model file.
        opening: Whether a pickle may be opened.
        data: Rows to try the model on; with labels they judge it.
        wish: Whether it is to become champion.
        force: Whether it becomes champion whatever the gate says.
    """

    file: Path
    opening: Opening
    data: Path | None
    wish: Wish
    force: Force | None


@dataclass(frozen=True, slots=True)
class Imported:
    """The stored version, whether it got where it was wished, and what to tell."""

    version: str
    is_as_wished: bool
    outcome: str


def import_model(desk: Desk, order: ImportOrder) -> Imported:
    """Bring in a model trained elsewhere, judge it where rows with labels are given, store it.

    Raises:
        UsageError: There is no such file, or it is a pickle without leave to open it.
        ModelError: It does not fit, cannot be converted, or holds a type that is not trusted.
        FeatureError: The sample cannot be read.
        AliasMoved: Somebody else moved the champion meanwhile; the version is stored.
    """
    if order.file.suffix in PICKLE_SUFFIXES and order.opening is Opening.SAFE:
        raise UsageError(
            f"{order.file} is a pickle, and opening one runs the code in it: if you trust its maker, "
            "add --unsafe-pickle; else ask for a .skops file"
        )
    if not order.file.is_file():
        raise UsageError(f"there is no file {order.file}")
    rows, labelled = _sample(desk, order.data)
    result = _convert(desk, order, rows)
    for name in result.untrusted_types:
        desk.say(f"trusted by model.trusted_types: {name}")
    for note in result.notes:
        desk.say(note)
    champion = desk.store.alias(CHAMPION)
    artifact, verdict = _judged(desk, order, result.artifact, labelled=labelled, champion=champion)
    version = desk.store.publish(artifact)
    gate = {} if verdict is None else {GATE: verdict.as_json()}
    desk.record(PUBLISHED, version, f"imported from {order.file.name}", gate)
    return _decide(desk, order, version, verdict=verdict, champion=champion)


def _sample(desk: Desk, path: Path | None) -> tuple[Mapping[str, Column] | None, LabelledFile | None]:
    """Return the rows to try the model on, and the labelled examples among them where the file has labels."""
    if path is None:
        return None, None
    schema = desk.schema
    if schema.roles.label is not None and schema.roles.label in open_table(path).columns:
        data = read_labelled(path, schema, task=desk.task, say=desk.say)
        return data.examples.batch.columns, data
    desk.say(f"{path} has no labels: the model is tried on its rows, not judged")
    unlabelled = FeatureSchema(schema.fields, replace(schema.roles, label=None))
    return read_batch(path, unlabelled).batch.columns, None


def _convert(desk: Desk, order: ImportOrder, rows: Mapping[str, Column] | None) -> ImportResult:
    model = desk.settings.model
    options = ImportOptions(
        name=model.name,
        service_schema=desk.schema,
        created_ms=desk.now_ms(),
        sample=rows,
        positive=model.positive,
        threshold=model.threshold,
        task=desk.task,
        trusted_types=model.trusted_types,
    )
    if order.opening is Opening.UNSAFE_PICKLE:
        return import_unsafe_pickle(order.file, options)
    return import_skops(order.file, options)


def _judged(
    desk: Desk, order: ImportOrder, artifact: Artifact, *, labelled: LabelledFile | None, champion: str | None
) -> tuple[Artifact, Verdict | None]:
    """Return the artifact with where it came from and, if it could be judged, its figures and report."""
    source = {"imported": order.file.name, "sha256": digest_of(order.file.read_bytes())}
    manifest = replace(artifact.manifest, training_data=source)
    if labelled is None:
        return Artifact(manifest, artifact.files), None
    verdict = judge_on(desk, desk.open(artifact), champion=champion, data=labelled)
    report = report_of(desk, f"imported from {order.file.name}", data=labelled, verdict=verdict)
    desk.say(to_text(report))
    files = {**artifact.files, REPORT_FILE: to_html(report).encode()}
    manifest = replace(
        manifest,
        digests=digests_of(files),
        metrics=verdict.metrics,
        validation={**labelled.as_json(), "rule": "given"},
    )
    return Artifact(manifest, files), verdict


def _decide(desk: Desk, order: ImportOrder, version: str, *, verdict: Verdict | None, champion: str | None) -> Imported:
    gate = {} if verdict is None else {GATE: verdict.as_json()}
    passed = verdict is not None and verdict.decision.promote
    if verdict is not None and not passed:
        desk.record(REJECTED, version, "did not pass the gate", gate)
    if order.wish is Wish.STORE:
        return Imported(version, is_as_wished=True, outcome=f"stored {version}, not promoted")
    if order.force is not None:
        desk.make_champion(version, expected=champion, event=FORCED, reason=order.force.reason, details=gate)
        return Imported(version, is_as_wished=True, outcome=f"promoted {version}, forced by {desk.actor}")
    if passed:
        desk.make_champion(version, expected=champion, event=PROMOTED, reason="passed the gate", details=gate)
        return Imported(version, is_as_wished=True, outcome=f"promoted {version}")
    why = "it was not judged: give labelled rows with --data FILE, or use --force --reason TEXT"
    if verdict is not None:
        why = "; ".join(check.detail for check in verdict.decision.failures)
    return Imported(version, is_as_wished=False, outcome=f"stored {version}, not promoted: {why}")
