from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

from producer.simulation import PaymentStream
from service.demo_labels import LateLabels


def replayed(labels: LateLabels) -> dict[str, list[Any]]:
    """Return the labels of each event id in the order they come."""
    found: dict[str, list[Any]] = defaultdict(list)
    for label in labels.rest():
        record = json.loads(label.value)
        found[record["event_id"]].append(record["label"])
    return found


def test_truth_of_the_demo_is_what_its_labels_say() -> None:
    """The demo holds the buffer against it, so it must not be wrong itself: here it is counted anew, label by label."""
    chunk = PaymentStream(7, 0, malformed_ratio=0.05).take(4_000)
    labels = LateLabels(7)
    labels.happened(chunk, now=100.0)
    found, good = replayed(labels), {i for i, fault in zip(chunk.ids, chunk.faults, strict=True) if fault is None}
    assert sum(map(len, found.values())) == labels.rows
    last = {event_id: given[-1] for event_id, given in found.items() if event_id in good and given[-1] is not None}
    truth = dict(zip(chunk.ids, chunk.is_fraud.tolist(), strict=True))
    right = {event_id: label for event_id, label in last.items() if isinstance(label, bool)}
    assert labels.labels == {event_id: str(label).lower() for event_id, label in right.items()}
    assert all(truth[event_id] == label for event_id, label in right.items())
    assert labels.outcomes["pending"] == len(found.keys() - good)
    seconds = [given[1] == given[0] for given in found.values() if len(given) > 1 and given[1] is not None]
    assert (labels.outcomes["duplicate"], labels.outcomes["corrected"]) == (sum(seconds), len(seconds) - sum(seconds))


def test_labels_come_when_they_are_due() -> None:
    """None before its event, all in the end, each once."""
    labels = LateLabels(7)
    labels.happened(PaymentStream(7, 0).take(500), now=100.0)
    assert list(labels.due(100.0)) == []
    early = list(labels.due(103.0))
    assert 0 < len(early) < labels.rows == len(early) + len(list(labels.rest()))
