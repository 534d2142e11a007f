from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from service.errors import SettingsError
from service.settings import HIDDEN, Loaded, Settings, load_settings
from service.settings_registry import KNOWN

URL = "http://localhost:8081"


def load(
    folder: Path, registry: Mapping[str, Any] | None, *, env: Mapping[str, str] | None = None, **sections: Any
) -> Loaded:
    """Write a service file with this registry and load it with a made-up environment."""
    features = {"fields": [{"name": "x", "type": "double"}]} | sections.pop("features", {})
    file = folder / "tidemill.yaml"
    file.write_text(yaml.safe_dump({"name": "fraud", "features": features, "schema_registry": registry, **sections}))
    return load_settings(file, {}, environment=env or {})


def test_registry_makes_avro_the_format_of_events(tmp_path: Path) -> None:
    """Who has a registry writes Avro; whoever does not says so."""
    assert load(tmp_path, None).settings.features.format == "json"
    assert load(tmp_path, {}).settings.features.format == "json"
    chosen = load(tmp_path, {"url": URL}).settings
    assert (chosen.features.format, chosen.output.format) == ("avro", "json")
    assert load(tmp_path, {"url": URL}, features={"format": "json"}).settings.features.format == "json"


def test_registry_allows_the_subject_of_each_features_topic_unless_told(tmp_path: Path) -> None:
    """The registry's own naming is the default; `any` checks nothing."""
    topics = {"features": ["a", "b"]}
    by_topic = load(tmp_path, {"url": URL}, topics=topics).settings.allowed_subjects
    assert by_topic == frozenset({"a-value", "b-value"})
    mine = load(tmp_path, {"url": URL}, features={"subjects": "com.example.Payment"}).settings
    assert mine.allowed_subjects == frozenset({"com.example.Payment"})
    assert load(tmp_path, {"url": URL}, features={"subjects": ["any"]}).settings.allowed_subjects is None


def test_registry_settings_come_from_every_layer_as_the_client_names_them(tmp_path: Path) -> None:
    """An underscore stands for a dot, a file holds a secret, a mounted folder has either name."""
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "schema_registry.ssl.key.password").write_text("key\n")
    (tmp_path / "user").write_text("me:hush\n")
    env = {
        "TIDEMILL_SECRETS_DIR": str(secrets),
        "TIDEMILL_SCHEMA_REGISTRY__BASIC_AUTH_USER_INFO_FILE": str(tmp_path / "user"),
        "TIDEMILL_SCHEMA_REGISTRY__MAX_RETRIES": "3",
        "TIDEMILL_SCHEMA_REGISTRY_PORT": "tcp://10.0.0.1:8081",  # Kubernetes puts it there for a service of that name
    }
    loaded = load(tmp_path, {"url": URL, "ssl.ca.location": False}, env=env)
    assert loaded.settings.schema_registry.client_conf() == {
        "url": URL,
        "ssl.ca.location": False,
        "ssl.key.password": "key",
        "basic.auth.user.info": "me:hush",
        "max.retries": 3,
    }


def test_registry_secrets_are_not_shown(tmp_path: Path) -> None:
    """What `config show` prints can be pasted into a ticket."""
    given = {
        "url": "https://me:hush@one:8081,https://two:8081",
        "bearer.auth.credentials.source": "STATIC_TOKEN",
        "bearer.auth.token": "hush",
        "ssl.key.password": "hush",
        "proxy": "http://me:hush@proxy:1",
    }
    shown = load(tmp_path, given).shown()
    assert shown["schema_registry.url"] == f"https://{HIDDEN}@one:8081,https://two:8081"
    assert shown["schema_registry.proxy"] == f"http://{HIDDEN}@proxy:1"
    assert "hush" not in str(shown)
    assert load(tmp_path, {"url": URL, "basic.auth.user.info": "me:hush"}).shown()[
        "schema_registry.basic.auth.user.info"
    ] == (HIDDEN)


@pytest.mark.parametrize(
    ("registry", "line"),
    [
        ({"urll": URL}, "schema_registry.urll: unknown key; did you mean 'schema_registry.url'?"),
        (
            {"url": URL, "time.out": 3},
            "schema_registry.time.out: unknown key; did you mean 'schema_reg",
        ),
        ({"timeout": "3"}, "schema_registry.url: is missing; name the registry"),
        ({"url": "localhost:8081"}, "schema_registry.url: must be http://host:port or"),
        ({"url": URL, "timeout": "5s"}, "schema_registry.timeout: must be a plain number"),
        ({"url": URL, "timeout": 0}, "schema_registry.timeout: must be more than 0 seconds"),
        ({"url": URL, "timeout": 40}, "one look could take 82 s with all retries and urls"),
        ({"url": URL, "basic.auth.user.info": "me"}, "must be name:password"),
        ({"url": "http://a:b@c", "basic.auth.user.info": "a:b"}, "the url names a user as well; keep one of them"),
        ({"url": URL, "bearer.auth.token": "t"}, "needs bearer.auth.credentials.source, one of STATIC_TOKEN"),
        ({"url": URL, "bearer.auth.credentials.source": "CUSTOM"}, "must be one of STATIC_TOKEN"),
        ({"url": URL, "bearer.auth.custom.provider.config": "x"}, "callbacks cannot be set from a file"),
        ({"url": {"http": 1}}, "url must be one value"),
    ],
)
def test_registry_settings_that_cannot_work_are_refused_with_the_mend(
    tmp_path: Path, registry: Mapping[str, Any], line: str
) -> None:
    """At the start, not at the first event."""
    with pytest.raises(SettingsError) as refusal:
        load(tmp_path, registry)
    assert line in re.sub(r" \(tidemill\.yaml:\d\)", "", str(refusal.value))


@pytest.mark.parametrize(
    ("registry", "sections", "line"),
    [
        (
            {"url": URL},
            {"features": {"avro_schema": "e.avsc"}},
            "features.avro_schema: with a schema re",
        ),
        (
            {},
            {"features": {"subjects": ["x"]}},
            "features.subjects: means nothing without a schema reg",
        ),
        ({"url": URL}, {"features": {"subjects": ["any", "x"]}}, "'any' stands alone"),
        ({}, {"output": {"format": "avro", "auto_register": True}}, "output.auto_register"),
        ({"url": URL}, {"output": {"auto_register": True}}, "means nothing without a schema registry and 'output: {fo"),
    ],
)
def test_registry_and_formats_must_fit_each_other(
    tmp_path: Path, registry: Mapping[str, Any], sections: dict[str, Any], line: str
) -> None:
    """A setting without an effect is a misunderstanding."""
    with pytest.raises(SettingsError) as refusal:
        load(tmp_path, registry, **sections)
    assert line in re.sub(r" \(tidemill\.yaml:\d\)", "", str(refusal.value))


def test_registry_stands_in_the_json_schema_of_the_file() -> None:
    """An editor completes its settings and marks a slip."""
    schema = Settings.json_schema()
    fields = {"fields": [{"name": "x", "type": "double"}]}
    jsonschema.validate({"name": "f", "features": fields, "schema_registry": {"url": URL, "timeout": 3}}, schema)
    assert set(schema["$defs"]["RegistrySettings"]["properties"]) == set(KNOWN)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"name": "f", "features": fields, "schema_registry": {"urll": URL}}, schema)
