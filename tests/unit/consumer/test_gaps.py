"""An event that only lacks fields is kept: a model that does not use them may have scored it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.intakes import FeatureIntake
from features.json_codec import JsonCodec
from features.labels import ClassRules
from features.schema import FeatureSchema, Field, FieldType, Roles
from tests.unit.consumer.test_intakes import records_of

FIELDS = (
    Field("amount", FieldType.DOUBLE, "amount"),
    Field("age", FieldType.INT, "age", minimum=0),
    Field("country", FieldType.STRING, "country"),
    Field("is_new", FieldType.BOOLEAN, "is_new"),
    Field("last", FieldType.DOUBLE, "last", length=2),
)
WHOLE = {"amount": 1.5, "age": 30, "country": "de", "is_new": True, "last": [1.0, 2.0]}


def taken(events: list[Any], roles: Roles = Roles(id="id")) -> list[dict[str, Any]]:  # noqa: B008 - frozen
    """Return the rows that an intake makes of events, by offset."""
    rules = ClassRules(mapping={}, classes=[])
    intake = FeatureIntake(JsonCodec(), FeatureSchema(FIELDS, roles), rules=rules, now_ms=lambda: 0)
    rows = intake.take(records_of([json.dumps(event).encode() for event in events]), topic_id="T").rows.to_pylist()
    return sorted(rows, key=lambda row: row["record_offset"])


@given(st.lists(st.sets(st.sampled_from(sorted(WHOLE))), max_size=8))
def test_events_that_lack_fields_have_null_there_and_all_else(lacks: list[set[str]]) -> None:
    """Whatever is missing, everything that is there is kept, once, under the event's own offset."""
    events = [{"id": str(n)} | {k: v for k, v in WHOLE.items() if k not in lack} for n, lack in enumerate(lacks)]
    found = [{name: row[name] for name in ("record_offset", "event_id", *WHOLE)} for row in taken(events)]
    assert found == [
        {"record_offset": 10 + n, "event_id": str(n)} | {k: None if k in lack else v for k, v in WHOLE.items()}
        for n, lack in enumerate(lacks)
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": None},
        {"age": -1},
        {"age": "old"},
        {"last": [1.0]},
        {"amount": "much", "country": None},
    ],
)
def test_an_event_in_which_more_is_wrong_is_left_out(wrong: dict[str, Any]) -> None:
    """Only a lack is looked past: what no model could have scored is the dead-letter topic's."""
    events = [{"id": "a", **WHOLE, "is_new": None}, {"id": "b", **WHOLE, "is_new": None, **wrong}]
    assert [row["event_id"] for row in taken(events)] == ["a"]


def test_an_event_without_any_field_is_kept_where_it_has_an_id() -> None:
    """The label that comes for it must find its event."""
    assert [row["event_id"] for row in taken([{"id": "a"}])] == ["a"]
    assert taken([{}], Roles()) == []
