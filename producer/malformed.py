"""Broken copies of good events, one kind for each way in which real producers break them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from features.rejection import Reason

Event = dict[str, Any]


def spoil(event: Event, reason: Reason) -> bytes | None:
    """Return the value of ``event`` broken so that a reader must turn it away for ``reason``.

    ``event`` is a simulated payment; it is left as it was.

    Raises:
        KeyError: Not one of ``FAULTS``.
    """
    return _SPOILERS[reason](event)


def _with_payment(event: Event, **changes: Any) -> bytes:
    return msgspec.json.encode({**event, "payment": {**event["payment"], **changes}})


def _without_amount(event: Event) -> bytes:
    payment = {name: value for name, value in event["payment"].items() if name != "amount"}
    return msgspec.json.encode({**event, "payment": payment})


def _cut_in_half(event: Event) -> bytes:
    value = msgspec.json.encode(event)
    return value[: len(value) // 2]


def _short_sequence(event: Event) -> bytes:
    return msgspec.json.encode({**event, "last_amounts": event["last_amounts"][:-2]})


_SPOILERS: Mapping[Reason, Callable[[Event], bytes | None]] = {
    Reason.EMPTY: lambda _event: None,
    Reason.UNDECODABLE: _cut_in_half,
    Reason.MISSING: _without_amount,
    Reason.WRONG_TYPE: lambda event: _with_payment(event, amount="a lot"),
    Reason.OUT_OF_RANGE: lambda event: _with_payment(event, amount=-event["payment"]["amount"] - 1.0),
    Reason.WRONG_LENGTH: _short_sequence,
}

FAULTS = tuple(_SPOILERS)
"""The kinds of fault, each named for the reason of the dead letter it must become."""
