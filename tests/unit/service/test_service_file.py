from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from features.inference import Inferred
from features.schema import FeatureSchema, Field, FieldType, NullPolicy, Roles
from service.errors import UsageError
from service.service_file import AVRO_FILE_NAME, FILE_NAME, Place, name_from, scalar, service_files, write_new
from service.settings import settings_from
from service.settings_yaml import parse_yaml

SCHEMA = FeatureSchema(
    (
        Field("amount", FieldType.DOUBLE, "pay.amount", minimum=0.0),
        Field("country", FieldType.STRING, "country", null=NullPolicy.DEFAULT, default="NO"),
        Field("history", FieldType.FLOAT, "history", length=3, null=NullPolicy.KEEP),
    ),
    Roles(id="txn", time="at", label="is fraud"),
)
HERE = Place({"bootstrap.servers": "localhost:9092"}, {})
INFERRED = Inferred(SCHEMA, "classification", {"ok": 9, "no": 1}, "no", 10, ())


def test_service_files_are_read_back_as_what_was_inferred() -> None:
    """The file is ready to use: fields, roles and the positive class survive."""
    text = service_files(INFERRED, name="fraud", source="x.csv", place=HERE, format="json")[FILE_NAME]
    settings = settings_from(parse_yaml(text, origin="f").data, folder=Path())
    assert settings.feature_schema() == SCHEMA
    assert (settings.name, settings.model.positive, settings.model.task) == ("fraud", "no", "classification")


def test_service_files_hold_the_avro_schema_when_events_are_avro() -> None:
    """Avro needs the schema that events are written with, beside the service file."""
    label = Inferred(FeatureSchema(SCHEMA.fields, Roles(id="txn")), "regression", {}, None, 10, ())
    files = service_files(label, name="fraud", source="x.csv", place=HERE, format="avro")
    settings = settings_from(parse_yaml(files[FILE_NAME], origin="f").data, folder=Path("/srv"))
    assert settings.avro_schema_path == Path("/srv") / AVRO_FILE_NAME
    assert [field["name"] for field in json.loads(files[AVRO_FILE_NAME])["fields"]] == [
        "pay",
        "country",
        "history",
        "txn",
    ]


def test_service_files_say_where_the_events_are() -> None:
    """Brokers, registry, topic and subjects are read back as they were given; with a registry no schema lies beside."""
    place = Place(
        {"bootstrap.servers": "a:1,b:2", "consumer.fetch.min.bytes": "5"},
        {"url": "https://registry:8081"},
        topic="bank.payments",
        subjects=("bank.Payment",),
    )
    unlabelled = Inferred(FeatureSchema(SCHEMA.fields), "classification", {}, None, 0, ())
    files = service_files(unlabelled, name="fraud", source="subject s", place=place, format="avro")
    settings = settings_from(parse_yaml(files[FILE_NAME], origin="f").data, folder=Path())
    assert (settings.kafka.of("consumer")["fetch.min.bytes"], settings.kafka.common) == (
        "5",
        {"bootstrap.servers": "a:1,b:2"},
    )
    assert settings.schema_registry.client_conf() == {"url": "https://registry:8081"}
    assert (settings.topics.features, settings.allowed_subjects) == (("bank.payments",), frozenset({"bank.Payment"}))
    assert (list(files), settings.labels.inline) == ([FILE_NAME], None)


@pytest.mark.parametrize("label", ["is_fraud", None], ids=["inline", "later"])
def test_service_files_say_how_labels_come_later(label: str | None) -> None:
    """What is proposed as a comment is what a person has to take the sign away from, and no more."""
    inferred = Inferred(FeatureSchema(SCHEMA.fields, Roles(id="txn", label=label)), "regression", {}, None, 10, ())
    text = service_files(inferred, name="fraud", source="x.csv", place=HERE, format="json")[FILE_NAME]
    above, block, rest = re.split(r"(?:# )?labels:\n|\n\n(?=model:)", text)
    named = "\n".join(["labels:", *(re.sub(r"^(  # |#   )", "  ", line) for line in block.splitlines())])
    data = parse_yaml(f"{above}\n{named}\n{rest}".replace("...", "y").replace("event_id", "ref"), origin="f").data
    settings = settings_from(data, folder=Path())
    assert (settings.labels.id, settings.labels.inline, "fraud.labels" in text) == ("ref", label or "y", True)


def test_write_new_replaces_nothing(tmp_path: Path) -> None:
    """A file that a person has corrected is theirs; if one of them is there, none is written."""
    (tmp_path / "b").write_text("mine")
    with pytest.raises(UsageError, match="--force"):
        write_new({"a": "new", "b": "new"}, tmp_path)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("b", "mine")]


@given(st.text(max_size=20) | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans())
def test_scalar_is_read_back_as_it_was(value: object) -> None:
    """A column may be called ``no`` or ``1e3`` or ``a: b #c``."""
    back = yaml.safe_load(f"{{x: {scalar(value)}}}")["x"]
    assert (back, type(back)) == (value, type(value))


@pytest.mark.parametrize(
    ("path", "name"), [("Credit Card.csv", "credit-card"), ("a.b.parquet", "a"), ("ÄÖ.csv", "scores")]
)
def test_name_from_makes_a_name_that_kafka_takes(path: str, name: str) -> None:
    """The name becomes part of topics and groups."""
    assert name_from(Path(path)) == name
