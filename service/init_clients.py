"""How `init` reaches a broker and a registry, and what of that may stand in a file: everything but the secrets."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from service.errors import UsageError
from service.settings import Settings, settings_from
from service.settings_kafka import is_secret
from service.settings_registry import hide_userinfo
from service.settings_sources import (
    FREE_NAMES,
    PREFIX,
    SECRETS_DIR,
    Given,
    dotted_path,
    from_environment,
    from_secrets,
    merge,
    nested,
)
from service.settings_yaml import KeyPath

DEFAULT_BROKER: Final = "localhost:9092"
_ANY_FIELD: Final = {"fields": [{"name": "x", "type": "double"}]}


@dataclass(frozen=True, slots=True)
class Clients:
    """The settings of the clients.

    Attributes:
        kafka: What the service file says of the brokers: what was given, without secrets.
        registry: Likewise of the registry; empty where none was given.
        notes: What is not written, and where it belongs.
        effective: Everything, secrets and the environment too, shaped like a service file.
    """

    kafka: Mapping[str, str]
    registry: Mapping[str, str]
    notes: tuple[str, ...]
    effective: Mapping[str, Any]

    @property
    def has_registry(self) -> bool:
        """Return whether there is a registry, be it from the environment."""
        return bool(self.effective.get("schema_registry"))

    def settings(self, *, topic: str = "init.features") -> Settings:
        """Return settings by which clients can be built; they say nothing of the events.

        Raises:
            SettingsError: A property that would break a promise, or cannot work.
        """
        data = {
            "name": "init",
            "topics": {"features": topic},
            "features": _ANY_FIELD,
            **self.effective,
        }
        return settings_from(data, folder=Path())


def clients_from(
    *,
    bootstrap: str | None,
    kafka: Sequence[str],
    registry: str | None,
    registry_config: Sequence[str],
    environment: Mapping[str, str] | None = None,
) -> Clients:
    """Return the settings of the clients, from options given as ``KEY=VALUE`` and from the environment.

    Raises:
        UsageError: An option is not written like that.
        SettingsError: A secret's file cannot be read.
    """
    ours = dict(_pairs(kafka, "--kafka"))
    ours |= {} if bootstrap is None else {"bootstrap.servers": bootstrap}
    theirs = dict(_pairs(registry_config, "--registry-config"))
    theirs |= {} if registry is None else {"url": registry}
    layers = merge(_layers(os.environ if environment is None else environment, ours, theirs))
    layers.setdefault(("kafka", "bootstrap.servers"), Given(DEFAULT_BROKER, "default"))
    written = {"bootstrap.servers": DEFAULT_BROKER} | ours
    return Clients(
        kafka={key: value for key, value in written.items() if not is_secret(key)},
        registry={key: _without_user(value) for key, value in theirs.items() if not is_secret(key)},
        notes=(*_kept_out("kafka", ours), *_kept_out("schema_registry", theirs)),
        effective=nested(layers),
    )


def _pairs(given: Sequence[str], option: str) -> Iterator[tuple[str, str]]:
    for text in given:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise UsageError(f"{option} {text.split('=')[0]}: must be KEY=VALUE")
        yield key.strip(), value


def _layers(
    environment: Mapping[str, str], ours: Mapping[str, str], theirs: Mapping[str, str]
) -> Iterator[tuple[KeyPath, Given]]:
    """Yield what says how to reach the two, the weakest first."""
    found = list(from_secrets(Path(environment[SECRETS_DIR]))) if SECRETS_DIR in environment else []
    for path, given in (*found, *from_environment(environment)):
        if path[0] in FREE_NAMES and len(path) > 1:
            yield path, given
    for section, properties in (("kafka", ours), ("schema_registry", theirs)):
        for key, value in properties.items():
            yield dotted_path(f"{section}.{key}"), Given(value, "flag")


def _without_user(url: str) -> str:
    return hide_userinfo(url, "").replace("://@", "://")


def _kept_out(section: str, given: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each secret: where it belongs instead of the file."""
    for key, value in given.items():
        if is_secret(key):
            yield f"{section}.{key} is not written: set {_variable(section, key)}, or that with _FILE, for the service"
        elif _without_user(value) != value:
            variable = _variable(section, "basic.auth.user.info")
            yield f"the user in {section}.{key} is not written: set {variable} to name:password for the service"


def _variable(section: str, key: str) -> str:
    path = dotted_path(f"{section}.{key}")
    return PREFIX + "__".join(path).upper().replace(".", "_")
