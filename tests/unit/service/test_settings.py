from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import jsonschema
import pytest
import yaml

from features.schema import FieldType, NullPolicy
from service.errors import SettingsError
from service.settings import HIDDEN, Loaded, Settings, load_settings, settings_from

Load: TypeAlias = Callable[..., Loaded]
MINIMAL: Mapping[str, Any] = {
    "name": "fraud",
    "features": {"id": "txn", "fields": [{"name": "amount", "type": "double"}]},
}


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Return a function that writes a service file and loads it with a made-up environment and flags."""

    def load(changes: Mapping[str, Any] = {}, *, env: Mapping[str, str] = {}, flags: Mapping[str, str] = {}) -> Loaded:
        file = tmp_path / "tidemill.yaml"
        file.write_text(yaml.safe_dump({**MINIMAL, **changes}))
        return load_settings(file, flags, environment=env)

    return load


def test_load_settings_derives_defaults_from_the_name(load: Load) -> None:
    """A file with a name and fields is enough."""
    settings = load().settings
    assert (settings.topics.features, settings.topics.scores) == (("fraud.features",), "fraud.scores")
    assert settings.topics.dead_letters == "fraud.dead-letters"
    assert (settings.groups.score, settings.groups.replay) == ("fraud.score", "fraud.replay")
    assert (settings.model.name, settings.transactional_id_prefix) == ("fraud", "fraud")


def test_load_settings_takes_the_strongest_layer_and_remembers_which(load: Load, tmp_path: Path) -> None:
    """Flag over environment over secret over file over default."""
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for name in ("batch__max_records", "BATCH__LINGER", "groups.score"):
        (secrets / name).write_text({"groups.score": "s"}.get(name, "3s" if "LINGER" in name else "3") + "\n")
    file = {"batch": {"max_records": 4, "linger": "4s", "max_bytes": "4B"}, "groups": {"score": "f"}}
    env = {"TIDEMILL_SECRETS_DIR": str(secrets), "TIDEMILL_BATCH__MAX_RECORDS": "2", "TIDEMILL_BATCH__LINGER": "2s"}
    loaded = load(file, env=env, flags={"batch.max_records": "1"})
    shown = loaded.shown()
    assert [shown[f"batch.{key}"] for key in ("max_records", "linger", "max_bytes")] == [1, "2s", "4B"]
    assert shown["groups.score"] == HIDDEN
    assert loaded.settings.groups.score == "s"
    origins = [loaded.origins[f"batch.{key}"] for key in ("max_records", "linger")]
    assert origins == ["flag", "environment TIDEMILL_BATCH__LINGER"]
    assert loaded.origins["batch.max_bytes"].startswith("tidemill.yaml:")
    assert loaded.origins["delivery"] == "default"


@pytest.mark.parametrize(
    ("variable", "path"),
    [
        ("TIDEMILL_KAFKA__SASL_PASSWORD", "kafka.sasl.password"),
        ("TIDEMILL_KAFKA__CONSUMER__FETCH_MIN_BYTES", "kafka.consumer.fetch.min.bytes"),
        (
            "TIDEMILL_KAFKA__SASL_OAUTHBEARER_ASSERTION_PRIVATE_KEY_FILE",
            "kafka.sasl.oauthbearer.assertion.private.key.file",
        ),
    ],
)
def test_environment_underscore_is_a_dot_under_kafka(load: Load, variable: str, path: str) -> None:
    """Any librdkafka property can come from the environment."""
    assert load(env={variable: "7"}).settings.flat()[path] == "7"


def test_environment_file_variable_is_read_without_its_newline(load: Load, tmp_path: Path) -> None:
    """A mounted secret usually ends in a newline that is no part of it."""
    (tmp_path / "pw").write_text("hush hush\n")
    loaded = load(env={"TIDEMILL_KAFKA__SASL_PASSWORD_FILE": str(tmp_path / "pw")})
    assert loaded.settings.kafka.common["sasl.password"] == "hush hush"
    assert loaded.shown()["kafka.sasl.password"] == HIDDEN


@pytest.mark.parametrize(("content", "message"), [(None, "cannot be read"), ("", "is empty"), ("\n", "is empty")])
def test_environment_file_variable_must_name_a_file_with_something_in_it(
    load: Load, tmp_path: Path, content: str | None, message: str
) -> None:
    """An empty password would be sent as one."""
    if content is not None:
        (tmp_path / "pw").write_text(content)
    with pytest.raises(SettingsError, match=f"TIDEMILL_NAME_FILE.*{message}"):
        load(env={"TIDEMILL_NAME_FILE": str(tmp_path / "pw")})


def test_environment_service_links_of_kubernetes_are_no_settings(load: Load) -> None:
    """A Service called tidemill puts such variables into every container of its namespace."""
    env = {
        "TIDEMILL_PORT": "tcp://10.0.0.1:80",
        "TIDEMILL_SERVICE_HOST": "10.0.0.1",
        "TIDEMILL_SERVICE_PORT_HTTP": "80",
    }
    env["TIDEMILL_ADMIN_PORT_8081_TCP_ADDR"] = "10.0.0.1"
    assert load(env=env).given.keys() == load().given.keys()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"batch": {"max_record": 5}},
            r"batch.max_record \(tidemill.yaml:2\): unknown key; did you mean 'batch.max_records'",
        ),
        ({"max_records": 5}, "did you mean 'batch.max_records'"),
        ({"transaction": {"timeout": 30}}, "transaction.timeout .*needs a number and a unit.*'30s'"),
        ({"batch": {"max_records": True}}, "must be a number"),
        ({"name": "has space"}, r"name \(tidemill.yaml:\d+\): string should match"),
        ({"kafka": {"sasl": {"password": "x"}}}, "nested names with dots"),
    ],
)
def test_load_settings_names_path_line_and_mend(load: Load, changes: Mapping[str, Any], message: str) -> None:
    """A wrong value is refused in one line."""
    with pytest.raises(SettingsError, match=message) as caught:
        load(changes)
    assert "\n" not in str(caught.value)


def test_load_settings_names_the_variable_of_an_unknown_key(load: Load) -> None:
    """A slip in a variable's name is not ignored."""
    with pytest.raises(SettingsError, match=r"bathc \(environment TIDEMILL_BATHC__LINGER\).*'batch'"):
        load(env={"TIDEMILL_BATHC__LINGER": "5ms"})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"topics": {"features": ["a", "b"], "scores": "b"}},
            r"topics.scores \(tidemill.yaml:\d+\): 'b' is also an input",
        ),
        ({"topics": {"features": "a", "dead_letters": "a"}}, "topics.dead_letters.*also an input"),
        ({"topics": {"scores": "x", "dead_letters": "x"}}, "must differ"),
        ({"groups": {"replay": "fraud.score"}}, "must differ from groups.score"),
        ({"output": {"passthrough": ["a.x", "b.x"]}}, "two paths end in 'x'"),
        ({"output": {"passthrough": ["a.score"]}}, "'score' is a field of every score"),
        ({"output": {"passthrough": ["a-b"], "format": "avro"}}, "cannot be a field name in Avro"),
        ({"labels": {"inline": "amount"}}, "label 'amount' must not be a feature"),
        ({"kafka": {"oauth": "models.tokens:get"}}, "package 'models' of its own"),
        ({"model": {"store": "s3://bucket/x"}}, "not a local path"),
        ({"model": {"task": "regression", "positive": "yes"}}, "regression has no classes"),
    ],
)
def test_load_settings_refuses_what_contradicts_itself(load: Load, changes: Mapping[str, Any], message: str) -> None:
    """The file is checked as a whole."""
    with pytest.raises(SettingsError, match=message):
        load(changes)


def test_feature_schema_has_the_roles_of_every_section(load: Load) -> None:
    """The schema knows id, label and passthrough, and each field its policy."""
    field = {"name": "amount", "from": "pay.amount", "type": "double", "null": "default", "default": 0, "min": 0}
    changes = {
        "features": {"id": "txn", "key": "card", "time": "at", "fields": [field]},
        "labels": {"inline": "is_fraud"},
        "output": {"passthrough": ["card"]},
    }
    schema = load(changes).settings.feature_schema()
    roles = schema.roles
    assert (roles.id, roles.key, roles.time, roles.label, roles.passthrough) == (
        "txn",
        "card",
        "at",
        "is_fraud",
        ("card",),
    )
    amount = schema.fields[0]
    assert (amount.source, amount.type, amount.null, amount.minimum) == (
        "pay.amount",
        FieldType.DOUBLE,
        NullPolicy.DEFAULT,
        0.0,
    )


def test_paths_are_relative_to_the_folder_of_the_file(load: Load, tmp_path: Path) -> None:
    """A command finds the same store from wherever it is started."""
    settings = load({"model": {"store": "./store"}, "validation": {"uri": "file:///data/v.csv"}}).settings
    assert (settings.model_store_path, settings.validation_path) == (tmp_path / "store", Path("/data/v.csv"))


def test_load_settings_warns_of_a_secret_that_everybody_can_read(load: Load, tmp_path: Path) -> None:
    """A password in a world-readable file is worth a line."""
    (tmp_path / "tidemill.yaml").touch(mode=0o644)
    assert "plain text" in " ".join(load({"kafka": {"sasl.password": "x"}}).warnings)
    (tmp_path / "tidemill.yaml").chmod(0o600)
    assert load({"kafka": {"sasl.password": "x"}}).warnings == ()


def test_json_schema_accepts_what_loading_accepts(tmp_path: Path) -> None:
    """An editor that checks the file by its schema agrees with the service."""
    data = {**MINIMAL, "kafka": {"bootstrap.servers": "b:1", "consumer": {"fetch.min.bytes": 1}}}
    data |= {"batch": {"linger": "5ms", "max_bytes": "1MiB"}, "topics": {"features": "in"}}
    settings_from(data, folder=tmp_path)
    schema = Settings.json_schema()
    jsonschema.validate(data, schema)
    assert json.loads(json.dumps(schema)) == schema
    batch = schema["$defs"]["BatchSettings"]["properties"]
    assert (batch["linger"]["default"], batch["max_bytes"]["default"]) == ("5ms", "16MiB")
    with pytest.raises(jsonschema.ValidationError, match="max_record"):
        jsonschema.validate({**data, "batch": {"max_record": 1}}, schema)
