from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.schema import FieldType
from models.base import Task
from models.errors import ArtifactRefused
from models.manifest import Manifest
from models.manifest_json import MAX_MANIFEST_BYTES, decode_manifest, encode_manifest
from tests.support.models import schema_of

MANIFEST = Manifest(
    name="fraud",
    version="v12",
    kind="sklearn",
    task=Task.CLASSIFICATION,
    schema=schema_of(("amount", FieldType.DOUBLE), ("last", FieldType.FLOAT, 20), ("country", FieldType.STRING)),
    input="frame",
    classes=("fraud", "ok"),
    positive="fraud",
    threshold=0.25,
    created_ms=1_700_000_000_000,
    parent="v11",
    digests={"model.skops": "ab" * 32},
    metrics={"holdout.average_precision": 0.1 + 0.2},
    training_data={"files": [{"name": "a.csv", "rows": 10}], "none": None},
    validation={"rows": 3},
    libraries={"scikit-learn": "1.9.1"},
)


def changed(**changes: Any) -> bytes:
    """Return the manifest with some keys replaced (``...`` removes one) and a digest that agrees."""
    content = json.loads(encode_manifest(MANIFEST))
    del content["digest"]
    content = {key: value for key, value in {**content, **changes}.items() if value is not ...}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return json.dumps({**content, "digest": digest}).encode()


def test_manifest_survives_json() -> None:
    """Every field comes back as it was; floats to the last bit."""
    assert decode_manifest(encode_manifest(MANIFEST)) == MANIFEST


@settings(deadline=None)
@given(
    st.dictionaries(
        st.text() | st.integers(), st.recursive(st.none() | st.text() | st.integers(), st.lists), max_size=5
    )
)
def test_digest_agrees_whatever_the_data_card_says(training_data: dict[Any, Any]) -> None:
    """Keys of any type and order are written and read under one digest."""
    read = decode_manifest(encode_manifest(replace(MANIFEST, training_data=training_data)))
    assert read.training_data == json.loads(json.dumps(training_data))


def test_unknown_key_is_ignored() -> None:
    """During an upgrade an older service reads what a newer one has written."""
    assert decode_manifest(changed(transform="abc")) == MANIFEST


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "reads 1"),
        ({"format": "1"}, "wrong type"),
        ({"name": ...}, "lacks 'name'"),
        ({"fields": []}, "empty"),
        ({"fields": [{"name": "a", "type": "decimal", "length": None}]}, "decimal"),
        ({"fields": [{"name": "a", "type": "double", "length": 0}]}, "length"),
        ({"fields": ["a"]}, "object"),
        ({"fingerprint": "0" * 16}, "fingerprint"),
        ({"task": "clustering"}, "clustering"),
        ({"classes": ["fraud", 1]}, "classes"),
        ({"threshold": True}, "threshold"),
        ({"metrics": {"auc": "high"}}, "metrics"),
        ({"digests": {"model.skops": 1}}, "digests"),
        ({"created_ms": 1.5}, "created_ms"),
        ({"positive": 1}, "positive"),
    ],
)
def test_manifest_that_is_not_as_it_must_be_is_refused(changes: dict[str, Any], message: str) -> None:
    """The line names the key, so that its writer can be mended."""
    with pytest.raises(ArtifactRefused, match=message) as caught:
        decode_manifest(changed(**changes))
    assert caught.value.reason == "format"


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff", b'{"format": NaN}', b"[" * 100_000])
def test_bytes_that_are_no_manifest_are_refused(data: bytes) -> None:
    """Whatever lies in the file, the answer is one line."""
    with pytest.raises(ArtifactRefused) as caught:
        decode_manifest(data)
    assert caught.value.reason == "format"


def test_damage_is_found() -> None:
    """One changed figure is enough."""
    with pytest.raises(ArtifactRefused, match="changed") as caught:
        decode_manifest(encode_manifest(MANIFEST).replace(b"0.25", b"0.26"))
    assert caught.value.reason == "digest"


def test_huge_manifest_is_refused_before_it_is_parsed() -> None:
    """A manifest is a page, not a data set."""
    with pytest.raises(ArtifactRefused) as caught:
        decode_manifest(b" " * (MAX_MANIFEST_BYTES + 1))
    assert caught.value.reason == "too_large"


@pytest.mark.parametrize("value", [float("nan"), object()])
def test_manifest_that_is_not_json_is_not_written(value: Any) -> None:
    """What a reader would refuse is refused when it is written."""
    with pytest.raises(ArtifactRefused, match="not JSON"):
        encode_manifest(replace(MANIFEST, training_data={"x": value}))
