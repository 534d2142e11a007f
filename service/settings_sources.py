"""The layers a setting can come from: flags, the environment, mounted secrets, the file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from service.errors import SettingsError
from service.settings_yaml import Document, KeyPath, parse_value

PREFIX: Final = "TIDEMILL_"
SECRETS_DIR: Final = "TIDEMILL_SECRETS_DIR"
OF_THE_PROCESS: Final = frozenset(
    {SECRETS_DIR, "TIDEMILL_CONFIG", "TIDEMILL_SLOT", "TIDEMILL_RUNTIME_DIR", "TIDEMILL_FAILPOINT"}
)  # these steer the process and are no settings
MAX_SECRET_BYTES: Final = 1024 * 1024
# Under these a name is a client's own property: `_` stands for a dot, and some take it for one kind of client.
FREE_NAMES: Final[Mapping[str, tuple[str, ...]]] = {"kafka": ("consumer", "producer"), "schema_registry": ()}
# What Kubernetes puts in every container for a Service called "tidemill" or "tidemill-something".
_SERVICE_LINK: Final = re.compile(
    r"^TIDEMILL_(?!.*__)(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)\w*)?)$"
)
# librdkafka properties that end in ".file" themselves.
_FILE_PROPERTIES: Final = re.compile(r"^KAFKA__\w*SASL_OAUTHBEARER_ASSERTION_(PRIVATE_KEY_|JWT_TEMPLATE_)?FILE$")


@dataclass(frozen=True, slots=True)
class Given:
    """One value and where it came from.

    Attributes:
        value: As it was given.
        origin: For a person: ``flag``, ``environment TIDEMILL_NAME``, ``secret /run/x``, ``tidemill.yaml:12``.
        is_hidden: Whether it came through a secret file and so must not be shown.
    """

    value: Any
    origin: str
    is_hidden: bool = False


def from_document(document: Document, *, name: str) -> Iterator[tuple[KeyPath, Given]]:
    """Yield every leaf of the file."""
    for path, value in leaves(document.data):
        if value is None and len(path) == 1:  # a section whose lines are all commented out
            continue
        line = document.lines.get(path)
        yield path, Given(value, f"{name}:{line}" if line else name)


def from_flags(flags: Mapping[str, str]) -> Iterator[tuple[KeyPath, Given]]:
    """Yield what was given on the command line, by dotted path."""
    for dotted, text in flags.items():
        path = dotted_path(dotted)
        yield from _expand(path, Given(parse_value(text, origin=f"flag {dotted}"), "flag"))


def from_environment(environment: Mapping[str, str]) -> Iterator[tuple[KeyPath, Given]]:
    """Yield every ``TIDEMILL_*`` variable that is a setting; ``…_FILE`` is read.

    Raises:
        SettingsError: A file that is missing or empty, or a setting given both ways.
    """
    names = {
        name: name.removeprefix(PREFIX).upper()
        for name in environment
        if name.startswith(PREFIX) and name not in OF_THE_PROCESS and not _SERVICE_LINK.match(name)
    }
    for name, short in names.items():
        text, origin = environment[name], f"environment {name}"
        if not short.endswith("_FILE") or _FILE_PROPERTIES.match(short):
            yield from _expand(variable_path(short), Given(parse_value(text, origin=origin), origin))
            continue
        plain = short.removesuffix("_FILE")
        if plain in names.values():
            raise SettingsError(f"{name} and {PREFIX}{plain} are both set; keep one")
        secret = _read_secret(Path(text), named_by=name)
        yield from _expand(variable_path(plain), Given(secret, f"{origin} ({text})", is_hidden=True))


def from_secrets(folder: Path) -> Iterator[tuple[KeyPath, Given]]:
    """Yield every file of a mounted secrets folder, named like a variable or like the path in the file.

    ``kafka__sasl_password``, ``TIDEMILL_KAFKA__SASL_PASSWORD`` and ``kafka.sasl.password`` are one setting.

    Raises:
        SettingsError: No such folder, or an empty file.
    """
    if not folder.is_dir():
        raise SettingsError(f"{SECRETS_DIR}={folder}: no such folder")
    for file in sorted(folder.iterdir()):
        if file.name.startswith(".") or not file.is_file():  # Kubernetes keeps its own links there
            continue
        short = file.name.upper().removeprefix(PREFIX)
        path = dotted_path(file.name) if "." in file.name else variable_path(short)
        secret = _read_secret(file, named_by=SECRETS_DIR)
        yield path, Given(secret, f"secret {file}", is_hidden=True)


def variable_path(short: str) -> KeyPath:
    """Return the path a variable's name (without the prefix) stands for.

    >>> variable_path("KAFKA__CONSUMER__FETCH_MIN_BYTES")
    ('kafka', 'consumer', 'fetch.min.bytes')
    """
    parts = short.lower().split("__")
    path = free_path(parts)
    is_free = parts[0] in FREE_NAMES and len(parts) > 1
    return (*path[:-1], path[-1].replace("_", ".")) if is_free else path


def dotted_path(dotted: str) -> KeyPath:
    """Return the path a dotted name stands for; under ``kafka`` the rest is one property.

    >>> dotted_path("kafka.sasl.password")
    ('kafka', 'sasl.password')
    """
    return free_path(dotted.split("."))


def free_path(parts: Sequence[str]) -> KeyPath:
    """Return the steps of a path with a client's own property as the one step it is.

    >>> free_path(["kafka", "consumer", "fetch", "min", "bytes"])
    ('kafka', 'consumer', 'fetch.min.bytes')
    """
    if parts[0] not in FREE_NAMES or len(parts) == 1:
        return tuple(parts)
    kind = tuple(parts[1:2]) if parts[1] in FREE_NAMES[parts[0]] and len(parts) > 2 else ()
    return (parts[0], *kind, ".".join(parts[1 + len(kind) :]))


def leaves(data: Mapping[str, Any], path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Yield every value that is not itself a non-empty mapping, with its path."""
    for key, value in data.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, (*path, str(key)))
        else:
            yield (*path, str(key)), value


def merge(layers: Iterator[tuple[KeyPath, Given]]) -> dict[KeyPath, Given]:
    """Return the leaves with the later layers on top; a map written over a value replaces it, and the reverse."""
    merged: dict[KeyPath, Given] = {}
    for path, given in layers:
        covered = [known for known in merged if known[: len(path)] == path or path[: len(known)] == known]
        for known in covered:
            if known != path and known[: len(path)] == path and given.value in ({}, None):
                break  # an empty map adds nothing and takes nothing away
            del merged[known]
        else:
            merged[path] = given
    return merged


def nested(merged: Mapping[KeyPath, Given]) -> dict[str, Any]:
    """Return the tree that the leaves make."""
    tree: dict[str, Any] = {}
    for path, given in merged.items():
        node = tree
        for step in path[:-1]:
            node = node.setdefault(step, {})
        node[path[-1]] = given.value
    return tree


def _expand(path: KeyPath, given: Given) -> Iterator[tuple[KeyPath, Given]]:
    if isinstance(given.value, Mapping) and given.value:
        for below, value in leaves(given.value, path):
            yield below, Given(value, given.origin, is_hidden=given.is_hidden)
    else:
        yield path, given


def _read_secret(file: Path, *, named_by: str) -> str:
    """Return the text of a secret file without its trailing newline.

    Raises:
        SettingsError: Missing, unreadable, empty or far too large.
    """
    try:
        if file.stat().st_size > MAX_SECRET_BYTES:
            raise SettingsError(f"{named_by}: {file} is larger than {MAX_SECRET_BYTES} bytes; this is no secret")
        text = file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{named_by}: {file} cannot be read: {error}") from None
    if not text:
        raise SettingsError(f"{named_by}: {file} is empty; a secret cannot be")
    return text
