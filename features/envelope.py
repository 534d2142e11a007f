"""Change-data envelopes, as Debezium writes them: the row before, the row after, and what was done to it."""

from __future__ import annotations

from collections.abc import Collection, Iterable

_PARTS = frozenset({"before", "after", "op"})
NOTE = (
    "these are change-data envelopes: the fields of {path}* are taken, and a delete, which has none, is a dead letter"
)


def is_envelope(names: Iterable[str]) -> bool:
    """Return whether the fields of these names make an envelope."""
    return _PARTS.issubset(names)


def inside(paths: Collection[str]) -> str | None:
    """Return how paths into the new row begin, or None where this is no envelope.

    >>> inside(["before", "after.amount", "op"]), inside(["amount"])
    ('after.', None)
    """
    for wrapper in ("", "payload."):  # JSON with its schema beside it is wrapped once more
        parts = (path.removeprefix(wrapper).split(".", 1)[0] for path in paths if path.startswith(wrapper))
        if is_envelope(parts) and any(path.startswith(f"{wrapper}after.") for path in paths):
            return f"{wrapper}after."
    return None
