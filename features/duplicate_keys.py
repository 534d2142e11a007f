"""Finding a key that stands twice in one JSON object, at a cost that a stream can bear.

RFC 8259 leaves open which of the two counts, and readers differ: a record that two systems read
differently must not be scored on one reading. The compiled decoder keeps the last in silence. But where
no space stands before a colon, every key's text ends in ``":``, so when the decoded event has as many
keys as its text has ``":``, none was lost. Only a record that cannot be cleared so is parsed again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

_SPACED_COLONS = (b" :", b"\t:", b"\n:", b"\r:")


class DuplicateKey(ValueError):
    """A key stands twice in one object."""


class UniqueKeys:
    """Clears the events of one batch of the suspicion of a doubled key."""

    def __init__(self, values: Sequence[bytes | None]) -> None:
        text = b"\n".join(value for value in values if value)
        self._spaced = any(colon in text for colon in _SPACED_COLONS)

    def hold(self, value: bytes, event: Mapping[str, Any]) -> bool:
        """Return whether no key is doubled for certain; False means that it is not known.

        >>> UniqueKeys([]).hold(b'{"a":1,"b":2}', {"a": 1, "b": 2})
        True
        >>> UniqueKeys([]).hold(b'{"a":1,"a":2}', {"a": 2})
        False
        """
        if self._spaced and any(colon in value for colon in _SPACED_COLONS):
            return False
        keys = len(event) if value.count(b"{") == 1 else _count_keys(event)
        return keys == value.count(b'":')


def _count_keys(event: Mapping[str, Any]) -> int:
    """Count the keys of an object and of all objects within it."""
    count = 0
    nodes: list[Any] = [event]
    while nodes:
        node = nodes.pop()
        if isinstance(node, dict):
            count += len(node)
            nodes.extend(child for child in node.values() if type(child) in (dict, list))
        else:
            nodes.extend(child for child in node if type(child) in (dict, list))
    return count


def parse_unique(text: str) -> Any:
    """Return what a JSON text holds, every key unique; numbers beyond a double become infinite.

    Raises:
        DuplicateKey: A key stands twice in one object.
        ValueError: It is not JSON, or holds an integer of more than 4300 digits.
        RecursionError: It is nested too deeply.
    """
    parsed = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    if "\\ud" in text.lower():  # json lets a lone surrogate through, which no UTF-8 can carry on
        json.dumps(parsed, ensure_ascii=False).encode()
    return parsed


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise DuplicateKey(f"the key {key[:60]!r} stands twice in one object")
            seen.add(key)
    return result


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")
