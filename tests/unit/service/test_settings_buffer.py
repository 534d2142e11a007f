from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from service.errors import SettingsError
from service.settings import Settings, load_settings, settings_from

MINIMAL: Mapping[str, Any] = {"name": "fraud", "features": {"id": "txn", "fields": [{"name": "x", "type": "double"}]}}
REGISTRY = {"url": "http://registry:8081"}


def settings(**sections: Any) -> Settings:
    """Return the settings of a file that has these sections beside the least there must be."""
    return settings_from({**MINIMAL, **sections}, folder=Path())


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"buffer": {"retention": "30d"}}, "buffer.retention: 30d is shorter than labels.max_delay, 120d"),
        ({"labels": {"max_delay": "200d"}}, "buffer.retention: 180d is shorter than labels.max_delay, 200d"),
        ({"buffer": {"uri": "hdfs://there/x"}}, "buffer.uri: 'hdfs://there/x' is neither a folder nor s3://"),
        ({"buffer": {"uri": "s3://"}}, "buffer.uri: 's3://' is neither"),
        ({"buffer": {"uri": "s3:/bucket/x"}}, "buffer.uri: 's3:/bucket/x' is neither"),
        ({"labels": {"missing": "ok", "classes": ["a", "b"]}}, "labels.missing: 'ok' is neither 'ignore' nor"),
        ({"labels": {"missing": "L", "map": {"L": "a"}}}, r"labels.missing: 'L' .* one of the classes \(a\)"),
        ({"labels": {"missing": " "}}, "labels.missing: ' ' can be no label"),
        ({"labels": {"classes": ["a", "x" * 201]}}, "labels.classes: 'xxx.* can be no label"),
        ({"labels": {"classes": ["a"], "map": {"L": "b"}}}, r"labels.map: 'b' is none of labels.classes \(a\)"),
        ({"labels": {"map": {"1": "a", "1.0": "b"}}}, "labels.map: '1' and '1.0' are one label"),
        ({"labels": {"classes": ["a"]}, "model": {"positive": "b"}}, "model.positive: 'b' is none of the classes"),
        ({"labels": {"classes": ["1"]}, "model": {"task": "regression"}}, "labels.classes: a regression has no cl"),
        ({"labels": {"map": {"1": "2"}}, "model": {"task": "regression"}}, "labels.map: a regression has no classes"),
        ({"labels": {"missing": "0"}, "model": {"task": "regression"}}, "labels.missing: a regression has no class"),
        ({"labels": {"id": "a..b"}}, "labels.id: path 'a..b': every step"),
        ({"labels": {"inline": ".b"}}, "labels.inline: path '.b': every step"),
        ({"labels": {"time": "label"}}, "labels.time: is 'label', as labels.label is"),
        ({"labels": {"avro_schema": "l.avsc"}}, "labels.avro_schema: means nothing for labels in JSON"),
        ({"labels": {"avro_schema": "l.avsc"}, "schema_registry": REGISTRY}, "labels.avro_schema: with a schema reg"),
        ({"labels": {"subjects": "l-value"}}, "labels.subjects: means nothing without a schema registry"),
        ({"labels": {"subjects": ["any", "l"]}, "schema_registry": REGISTRY}, "labels.subjects: 'any' stands alone"),
        ({"topics": {"labels": "fraud.features"}}, "topics.labels: .* also an input topic, so every label would be"),
        ({"topics": {"labels": "fraud.scores"}}, "topics.labels: must differ from topics.scores"),
        ({"topics": {"shadow_scores": "fraud.scores"}}, "topics.shadow_scores: must differ from topics.scores"),
        ({"topics": {"shadow_scores": "fraud.features"}}, "topics.shadow_scores: .* also an input topic"),
        ({"groups": {"buffer": "fraud.score"}}, "groups.buffer: must differ from groups.score"),
        ({"groups": {"buffer": "fraud.replay"}}, "groups.buffer: must differ from groups.replay"),
    ],
)
def test_settings_refuse_what_could_only_lose_labels(sections: Mapping[str, Any], message: str) -> None:
    """Each contradiction is one line that names the key and the mend, before anything is read."""
    with pytest.raises(SettingsError, match=message) as caught:
        settings(**sections)
    assert "\n" not in str(caught.value)


def test_a_refusal_says_where_the_value_was_given(tmp_path: Path) -> None:
    """The line of the file, or the variable, stands in the line of the error."""
    file = tmp_path / "tidemill.yaml"
    file.write_text(yaml.safe_dump({**MINIMAL, "buffer": {"retention": "30d"}}))
    with pytest.raises(SettingsError, match=r"buffer.retention \(tidemill.yaml:\d+\): 30d is shorter"):
        load_settings(file, environment={})


@pytest.mark.parametrize("uri", ["./buffer", "/data/buffer", "file:///data/buffer", "s3://bucket/buffer"])
def test_buffer_uri_is_a_folder_or_an_object_store(uri: str) -> None:
    """What the tables can be kept in is taken as it is written."""
    assert settings(buffer={"uri": uri}).buffer.uri == uri


def test_labels_are_taken_as_yaml_reads_them(tmp_path: Path) -> None:
    """Nobody has to know that 0 and true are no texts to YAML; a class has one spelling; keys with dots stay whole."""
    file = tmp_path / "tidemill.yaml"
    text = "labels: {map: {CB.LOST: 1, 2: 0, true: 1}, classes: [0, '1.0'], missing: 0.0}\nmodel: {positive: 1}\n"
    file.write_text(yaml.safe_dump(dict(MINIMAL)) + text)
    loaded = load_settings(file, environment={}).settings

    assert loaded.labels.map == {"CB.LOST": "1", "2": "0", "true": "1"}
    assert (loaded.labels.classes, loaded.labels.missing, loaded.model.positive) == (("0", "1"), "0", "1")


def test_json_schema_takes_labels_as_yaml_reads_them() -> None:
    """An editor does not underline what loading accepts, and does what it refuses."""
    data = {**MINIMAL, "labels": {"map": {"L": 1}, "classes": [0, 1], "missing": 0, "max_delay": "30d"}}
    data |= {"buffer": {"uri": "s3://b/x", "flush_interval": "5s", "sample_unlabelled": 0.1}}
    schema = json.loads(json.dumps(Settings.json_schema()))

    jsonschema.validate(data, schema)
    with pytest.raises(jsonschema.ValidationError, match="sample_unlabeled"):
        jsonschema.validate({**data, "buffer": {"sample_unlabeled": 0.1}}, schema)


def test_settings_show_labels_and_buffer_with_their_defaults(tmp_path: Path) -> None:
    """Everything in force can be seen, derived names included."""
    file = tmp_path / "tidemill.yaml"
    file.write_text(yaml.safe_dump({**MINIMAL, "labels": {"map": {"CB_LOST": "fraud"}}}))
    shown = load_settings(file, environment={}).shown()

    expected = {
        "labels.map.CB_LOST": "fraud",
        "labels.max_delay": "120d",
        "labels.missing": "ignore",
        "buffer.retention": "180d",
        "buffer.flush_max_bytes": "64MiB",
        "topics.labels": "fraud.labels",
        "topics.shadow_scores": "fraud.shadow-scores",
        "groups.buffer": "fraud.buffer",
    }
    assert {path: shown.get(path) for path in expected} == expected
