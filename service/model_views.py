"""How stored models look: the list and one version, for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from learning.text_table import aligned
from models.artifact import MANIFEST_FILE
from models.errors import ArtifactRefused
from models.manifest import Manifest
from models.manifest_json import encode_manifest
from models.store import CHALLENGER, CHAMPION, LogEntry, ModelStore
from service.model_history import forced_by, last_gate


def list_models(store: ModelStore, *, metric: str) -> list[dict[str, Any]]:
    """Return what there is to say of each version, the oldest first; a damaged one is listed as such."""
    log = store.log()
    aliases = _aliases(store)
    return [_row(store, version, aliases=aliases, log=log, metric=metric) for version in store.versions()]


def list_as_text(rows: Sequence[Mapping[str, Any]], *, metric: str) -> str:
    """Return the list for a terminal."""
    if not rows:
        return "no models yet: 'tidemill train --data FILE' makes one, 'tidemill models import FILE' brings one in"
    cells = [
        (
            row["version"],
            row["alias"] or "",
            row["created"] or "",
            row["kind"] or "",
            "" if row["metric"] is None else f"{row['metric']:.4f}",
            row["parent"] or "",
            row["note"] or "",
        )
        for row in rows
    ]
    return "\n".join(aligned([("version", "alias", "created", "kind", metric, "parent", "note"), *cells]))


def show_model(store: ModelStore, version: str) -> dict[str, Any]:
    """Return everything known of a version without opening the model.

    Raises:
        VersionNotFound: No such version.
        ArtifactRefused: Its manifest cannot be read.
    """
    import json

    manifest = store.manifest(version)
    log = store.log()
    return {
        "manifest": json.loads(encode_manifest(manifest)),
        "aliases": _aliases(store).get(version, []),
        "gate": last_gate(log, version),
        "log": [_entry(entry) for entry in log if entry.version == version],
    }


def show_as_text(shown: Mapping[str, Any]) -> str:
    """Return one version for a terminal."""
    manifest = shown["manifest"]
    facts = [
        ("version", f"{manifest['name']} {manifest['version']}"),
        ("alias", ", ".join(shown["aliases"]) or "none"),
        ("created", _instant(manifest["created_ms"])),
        ("kind", f"{manifest['kind']}, {manifest['task']}, input {manifest['input']}"),
        ("fields", ", ".join(f"{f['name']} ({f['type']})" for f in manifest["fields"])),
        ("fingerprint", manifest["fingerprint"]),
    ]
    if manifest["classes"]:
        positive = manifest["positive"] or "none"
        facts.append(("classes", f"{', '.join(manifest['classes'])}; positive {positive}"))
        facts.append(("threshold", f"{manifest['threshold']:g}"))
    facts += [(key, _pairs(manifest[key])) for key in ("training_data", "validation", "libraries") if manifest[key]]
    facts.append(("parent", manifest["parent"] or "none"))
    facts += [(name, f"{value:.6g}") for name, value in manifest["metrics"].items()]
    blocks = [aligned(facts), _gate_lines(shown["gate"]), _log_lines(shown["log"])]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _row(
    store: ModelStore, version: str, *, aliases: Mapping[str, Sequence[str]], log: Sequence[LogEntry], metric: str
) -> dict[str, Any]:
    manifest: Manifest | None = None
    note: str | None = None
    try:
        manifest = store.manifest(version)
    except ArtifactRefused as error:
        note = f"{MANIFEST_FILE} is refused: {error}"
    forced = forced_by(log, version)
    if forced is not None:
        note = f"forced by {forced.actor}: {forced.reason}"
    return {
        "version": version,
        "alias": ", ".join(aliases.get(version, [])) or None,
        "created": None if manifest is None else _instant(manifest.created_ms),
        "kind": None if manifest is None else manifest.kind,
        "metric": None if manifest is None else manifest.metrics.get(f"holdout.{metric}"),
        "parent": None if manifest is None else manifest.parent,
        "note": note,
    }


def _aliases(store: ModelStore) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for alias in (CHAMPION, CHALLENGER):
        version = store.alias(alias)
        if version is not None:
            found.setdefault(version, []).append(alias)
    return found


def _gate_lines(gate: Mapping[str, Any] | None) -> list[str]:
    if gate is None:
        return ["gate: never judged"]
    word = "passed" if gate.get("promote") else "FAILED"
    rows = [(c["name"], "passed" if c["passed"] else "FAILED", c["detail"]) for c in gate.get("checks", [])]
    return [f"gate: {word}", *(aligned(rows) if rows else [])]


def _log_lines(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [(entry["at"], entry["event"], entry["actor"], entry["reason"]) for entry in entries]
    return ["log", *aligned(rows)] if rows else []


def _entry(entry: LogEntry) -> dict[str, Any]:
    return {
        "at": _instant(entry.at_ms),
        "event": entry.event,
        "actor": entry.actor,
        "reason": entry.reason,
        "details": dict(entry.details),
    }


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items())


def _instant(epoch_ms: int) -> str:
    return datetime.fromtimestamp(epoch_ms / 1000, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
