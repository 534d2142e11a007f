"""The labels of the demo: late, some doubled, corrected, taken back, of events that are none, or no labels at all.

Which event has which fate is seeded, so what the buffer must make of it is known beforehand.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from producer.simulation import PaymentChunk

NEVER: Final = 0.4  # share of events that nobody ever labels
FATES: Final = {
    "matched": 0.5,
    "duplicate": 0.03,
    "corrected": 0.03,
    "retracted": 0.02,
    "refused": 0.01,
    "pending": 0.01,
}
LATEST_S: Final = 6.0  # how late a label may come; in the demo seconds stand for days
SECOND_S: Final = 0.5  # how long after the first label of an event another comes at least


class Label(NamedTuple):
    """One record of the labels topic."""

    key: bytes
    value: bytes


class LateLabels:
    """Labels that come some time after their event.

    Attributes:
        outcomes: How many rows of the labels table must become what, of all events told of so far.
        labels: The class of each event that is an example in the end.
        rows: How many labels there are in all.
    """

    def __init__(self, seed: int) -> None:
        """Draw nothing yet."""
        self._rng = np.random.default_rng([seed, 1])
        self._queue: list[tuple[float, int, Label]] = []
        self._numbers = itertools.count()
        self.outcomes: Counter[str] = Counter()
        self.labels: dict[str, str] = {}
        self.rows = 0

    def happened(self, chunk: PaymentChunk, *, now: float) -> None:
        """Plan the labels of events that are published now, in seconds of any clock; broken events have none."""
        fates = self._rng.choice(["never", *FATES], len(chunk), p=[NEVER, *FATES.values()]).tolist()
        delays = self._rng.uniform(0.0, LATEST_S, (len(chunk), 2))
        events = zip(chunk.ids, chunk.keys, chunk.is_fraud.tolist(), chunk.faults, strict=True)
        for (event_id, key, is_fraud, fault), fate, (first, second) in zip(events, fates, delays, strict=True):
            if fault is None and fate != "never":
                due = (now + first, now + first + SECOND_S + second)
                self._plan(str(fate), due, key.encode(), event_id, is_fraud=is_fraud)

    def due(self, now: float) -> Iterator[Label]:
        """Yield the labels whose time has come."""
        while self._queue and self._queue[0][0] <= now:
            yield heapq.heappop(self._queue)[2]

    def rest(self) -> Iterator[Label]:
        """Yield all that are still to come, in their order."""
        return self.due(float("inf"))

    def _plan(self, fate: str, due: tuple[float, float], key: bytes, event_id: str, *, is_fraud: bool) -> None:
        truth = is_fraud
        if fate == "pending":
            self._add(due[0], key, f"{event_id}-of-nobody", truth)
        elif fate == "refused":
            self._add(due[0], key, event_id, ["no", "label"])
        else:
            self._add(due[0], key, event_id, not truth if fate == "corrected" else truth)
            self.outcomes["matched"] += 1
            if fate != "retracted":
                self.labels[event_id] = str(truth).lower()
        if fate in {"duplicate", "corrected", "retracted"}:
            self._add(due[1], key, event_id, None if fate == "retracted" else truth)
        if fate != "matched":
            self.outcomes[fate] += 1

    def _add(self, due: float, key: bytes, event_id: str, label: Any) -> None:
        value = msgspec.json.encode({"event_id": event_id, "label": label})
        heapq.heappush(self._queue, (due, next(self._numbers), Label(key, value)))
        self.rows += 1
