"""Bad inputs on their way into the buffer: events that fit are kept, no label is lost in silence."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from buffer.rows import MAX_REFUSED_BYTES
from consumer.intakes import FeatureIntake, LabelIntake
from consumer.records import RecordBatch
from features.avro_codec import AvroCodec
from features.codec import FeatureCodec
from features.json_codec import JsonCodec
from features.labels import ClassRules
from features.rejection import Reason
from tests.contract.bad_inputs import avro_inputs, json_inputs, label_inputs, registry_inputs
from tests.contract.bad_inputs.case import SCHEMA, SCORED, Case

NOW_MS = 1_800_000_000_000
RULES = ClassRules(classes=label_inputs.CLASSES)
EVENTS: dict[str, tuple[Callable[[], FeatureCodec], Sequence[Case]]] = {
    "json": (JsonCodec, json_inputs.DECODED),
    "avro": (lambda: AvroCodec(avro_inputs.WRITER), avro_inputs.DECODED),
    "registry": (registry_inputs.codec, registry_inputs.DECODED),
}
LABELS: dict[str, tuple[Callable[[], FeatureCodec], Sequence[Case], bytes]] = {
    "json": (JsonCodec, label_inputs.JSON_REFUSED, label_inputs.GOOD),
    "avro": (lambda: AvroCodec(label_inputs.WRITER), label_inputs.AVRO_REFUSED, label_inputs.AVRO_GOOD),
}


def records_of(cases: Sequence[Case]) -> RecordBatch:
    """Return the records of some cases as one poll would."""
    return RecordBatch(
        topics=["t"] * len(cases),
        partitions=np.zeros(len(cases), dtype=np.int32),
        offsets=np.arange(len(cases), dtype=np.int64),
        timestamps_ms=np.array([case.timestamp_ms for case in cases], dtype=np.int64),
        keys=[case.key for case in cases],
        values=[case.value for case in cases],
        headers=lambda row: cases[row].headers,
    )


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_is_kept_exactly_where_it_fits_the_fields(name: str) -> None:
    """What is no event has no row; what one model lacks a field of, or refuses, another may score."""
    codec, cases = EVENTS[name]
    intake = FeatureIntake(codec(), SCHEMA, rules=RULES, now_ms=lambda: NOW_MS)

    taken = intake.take(records_of(cases), topic_id="T")

    taken.rows.validate(full=True)
    kept = taken.rows["record_offset"].to_pylist()
    fitting = [at for at, case in enumerate(cases) if case.outcome in (SCORED, Reason.MODEL_FAILED)]
    lacking = kept[len(fitting) :]
    assert kept[: len(fitting)] == fitting
    assert {cases[at].outcome for at in lacking} == {Reason.MISSING}
    assert taken.rows["record_key"].to_pylist() == [cases[at].key for at in kept]


@pytest.mark.parametrize("name", LABELS)
def test_a_bad_label_is_a_row_with_its_reason(name: str) -> None:
    """Each is refused for its stated reason, with its value, and harms none of the labels around it."""
    codec, cases, good_value = LABELS[name]
    good = Case(0, "good", good_value, "label")
    records = [good, *(each for case in cases for each in (case, good))]
    intake = LabelIntake(codec(), roles=label_inputs.ROLES, rules=RULES, now_ms=lambda: NOW_MS)

    taken = intake.take(records_of(records), topic_id="T")

    rows = taken.rows.to_pylist()
    assert taken.outcomes == {"accepted": len(cases) + 1, "retracted": 0, "refused": len(cases)}
    assert [(row["event_id"], row["label"], row["refused"]) for row in rows[::2]] == [("e", "ok", None)] * len(
        rows[::2]
    )
    for case, row in zip(cases, rows[1::2], strict=True):
        assert ((row["refused"] or "").partition(": ")[0], row["label"]) == (str(case.outcome), None)
        assert row["refused_value"] == (None if case.value is None else case.value[:MAX_REFUSED_BYTES])
