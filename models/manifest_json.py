"""The manifest as ``manifest.json``: written with a digest of itself, read without trusting a byte of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, TypeVar

from features.errors import SchemaError
from features.schema import FeatureSchema, Field, FieldType
from models.base import Task
from models.errors import ArtifactRefused
from models.manifest import FORMAT_VERSION, Manifest

MAX_MANIFEST_BYTES = 4 << 20  # thousands of fields and all metrics; what is longer is not a manifest
_DIGEST = "digest"
_T = TypeVar("_T")


def encode_manifest(manifest: Manifest) -> bytes:
    """Return the manifest as JSON, with the fingerprint of its fields and a digest over everything else.

    The digest finds damage and hand edits (a changed threshold changes every prediction); it is no
    signature.

    Raises:
        ArtifactRefused: ``format``: a value in it is not plain JSON.
    """
    content: dict[str, Any] = {
        "format": manifest.format,
        "name": manifest.name,
        "version": manifest.version,
        "kind": manifest.kind,
        "task": manifest.task.value,
        "fields": [{"name": f.name, "type": f.type.value, "length": f.length} for f in manifest.schema.fields],
        "fingerprint": manifest.schema.fingerprint,
        "input": manifest.input,
        "classes": list(manifest.classes),
        "positive": manifest.positive,
        "threshold": manifest.threshold,
        "created_ms": manifest.created_ms,
        "parent": manifest.parent,
        "digests": dict(manifest.digests),
        "metrics": dict(manifest.metrics),
        "training_data": dict(manifest.training_data),
        "validation": dict(manifest.validation),
        "libraries": dict(manifest.libraries),
    }
    try:
        # once there and back: the digest must be of what a reader will parse (text keys, lists)
        content = json.loads(json.dumps(content, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ArtifactRefused("format", f"the manifest holds something that is not JSON: {error}") from error
    content[_DIGEST] = _digest(content)
    return json.dumps(content, indent=2).encode()


def decode_manifest(data: bytes) -> Manifest:
    """Return the manifest in these bytes. Keys it does not know are ignored: a newer writer may add some.

    Raises:
        ArtifactRefused: ``format`` for anything that is not as it must be, ``digest`` when it was changed,
            ``too_large``.
    """
    if len(data) > MAX_MANIFEST_BYTES:
        raise ArtifactRefused("too_large", f"manifest.json has {len(data)} bytes, at most {MAX_MANIFEST_BYTES}")
    try:
        content = json.loads(data, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ArtifactRefused("format", f"manifest.json is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ArtifactRefused("format", "manifest.json is not a JSON object")
    layout = _take(content, "format", int)
    if layout != FORMAT_VERSION:
        raise ArtifactRefused(
            "format", f"manifest.json has the format {layout}, this version of Tidemill reads {FORMAT_VERSION}"
        )
    if _take(content, _DIGEST, str) != _digest({k: v for k, v in content.items() if k != _DIGEST}):
        raise ArtifactRefused("digest", "manifest.json was changed after it was written: publish the model anew")
    return _manifest(content)


def _manifest(content: Mapping[str, Any]) -> Manifest:
    try:
        task = Task(_take(content, "task", str))
        schema = FeatureSchema(tuple(_field(entry) for entry in _take(content, "fields", list)))
    except (ValueError, SchemaError) as error:
        raise ArtifactRefused("format", f"manifest.json: {error}") from error
    if schema.fingerprint != _take(content, "fingerprint", str):
        raise ArtifactRefused("format", "manifest.json: the fingerprint is not that of the fields")
    return Manifest(
        name=_take(content, "name", str),
        version=_take(content, "version", str),
        kind=_take(content, "kind", str),
        task=task,
        schema=schema,
        input=_take(content, "input", str),
        classes=tuple(_items(_take(content, "classes", list), "classes", of=str)),
        positive=_take_optional(content, "positive", str),
        threshold=float(_take(content, "threshold", (int, float))),
        created_ms=_take(content, "created_ms", int),
        parent=_take_optional(content, "parent", str),
        digests=_mapping(content, "digests", of=str),
        metrics={name: float(value) for name, value in _mapping(content, "metrics", of=(int, float)).items()},
        training_data=_take(content, "training_data", dict),
        validation=_take(content, "validation", dict),
        libraries=_mapping(content, "libraries", of=str),
    )


def _field(entry: Any) -> Field:
    if not isinstance(entry, dict):
        raise ArtifactRefused("format", "manifest.json: each of 'fields' must be an object")
    name = _take(entry, "name", str)
    kind = FieldType(_take(entry, "type", str))
    # The path is the service's affair; the name stands in, so that the field is complete.
    return Field(name, kind, source=_as_path(name), length=_take_optional(entry, "length", int))


def _as_path(name: str) -> str:
    return name if name and ".." not in f".{name}." else "_"


def _take(content: Mapping[str, Any], key: str, kind: type[_T] | tuple[type, ...]) -> Any:
    if key not in content:
        raise ArtifactRefused("format", f"manifest.json lacks {key!r}")
    value = content[key]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ArtifactRefused("format", f"manifest.json: {key!r} is of the wrong type ({type(value).__name__})")
    return value


def _take_optional(content: Mapping[str, Any], key: str, kind: type[_T]) -> Any:
    return None if content.get(key) is None else _take(content, key, kind)


def _items(values: list[Any], key: str, *, of: type | tuple[type, ...]) -> list[Any]:
    if not all(isinstance(value, of) and not isinstance(value, bool) for value in values):
        raise ArtifactRefused("format", f"manifest.json: an item of {key!r} is of the wrong type")
    return values


def _mapping(content: Mapping[str, Any], key: str, *, of: type | tuple[type, ...]) -> dict[str, Any]:
    mapping: dict[str, Any] = _take(content, key, dict)
    _items(list(mapping.values()), key, of=of)
    return mapping


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode()).hexdigest()


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")
