"""The seeded truth of a stream whose labels come late: what is published, and what the examples have to be."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

HOUR_MS = 3_600_000
COUNTRIES = np.array(["AT", "BR", "CH", "DE"], dtype=object)
CARDS = 500
CLASSES = {"CB_LOST": "fraud", "CB_WON": "ok"}  # as the bank writes them, and what they are called here
SETTINGS: dict[str, Any] = {
    "features": {
        "id": "txn",
        "key": "card",
        "time": "at",
        "fields": [
            {"name": "amount", "from": "payment.amount", "type": "double", "min": 0},
            {"name": "hour", "type": "int"},
            {"name": "distance", "type": "double"},
            {"name": "country", "type": "string", "null": "default", "default": "unknown"},
        ],
    },
    "labels": {"inline": "verdict", "id": "about", "label": "verdict", "time": "at", "map": CLASSES},
    "model": {"positive": "fraud"},
}
FIELDS = [str(field["name"]) for field in SETTINGS["features"]["fields"]]


@dataclass
class LateLabels:
    """Events, and a stream of label records about them; all of it follows from the seed.

    Attributes:
        events: One row for each event in the order of publishing; ``verdict`` is an inline label or None.
        labels: One row for each label record in the order of publishing: about, verdict, at.
        early: The first so many labels are published before any event.
    """

    seed: int
    n_events: int
    n_labelled: int
    events: pd.DataFrame = field(init=False)
    labels: pd.DataFrame = field(init=False)
    early: int = field(init=False)

    def __post_init__(self) -> None:
        """Draw everything."""
        rng = np.random.default_rng(self.seed)
        self.events = draw_events(rng, self.n_events, now_ms=time.time_ns() // 1_000_000)
        self._draw_labels(rng)

    def event_values(self, first: int, last: int) -> Iterator[tuple[bytes, bytes]]:
        """Yield key and value of these events, nested as their owner has them."""
        rows = self.events.iloc[first:last].to_dict("records")
        for row in rows:
            event = {name: row[name] for name in ("txn", "card", "at", "hour", "distance")}
            event |= {name: row[name] for name in ("country", "verdict") if isinstance(row[name], str)}
            yield row["card"].encode(), json.dumps({**event, "payment": {"amount": row["amount"]}}).encode()

    def label_values(self, first: int, last: int) -> Iterator[tuple[bytes, bytes]]:
        """Yield key and value of these label records; each of an event has that event's key."""
        cards = dict(zip(self.events["txn"], self.events["card"], strict=True))
        part = self.labels.iloc[first:last]
        for about, verdict, at in zip(part["about"], part["verdict"], part["at"].tolist(), strict=True):
            value = {"about": about, "verdict": verdict, "at": at}
            yield cards.get(about, "nobody").encode(), json.dumps(value).encode()

    def examples(self) -> pd.DataFrame:
        """Return event id and time, features, label and its time of every example, by a plain script."""
        is_label = [verdict is None or verdict in CLASSES for verdict in self.labels["verdict"]]
        last = self.labels[is_label].sort_values("at", kind="stable").groupby("about").tail(1)
        joined = self.events.merge(last, how="left", left_on="txn", right_on="about", suffixes=("", "_said"))
        # The event's own label has the event's time; of two with one time the later arrival wins.
        is_late = joined["about"].notna() & (joined["verdict"].isna() | (joined["at_said"] >= joined["at"]))
        joined["label"] = joined["verdict_said"].where(is_late, joined["verdict"]).map(CLASSES)
        joined["label_time"] = joined["at_said"].where(is_late, joined["at"])
        joined["country"] = joined["country"].fillna("unknown")
        examples = joined[joined["label"].notna()].rename(columns={"txn": "event_id", "at": "event_time"})
        return examples[["event_id", "event_time", *FIELDS, "label", "label_time"]].astype({"label_time": "int64"})

    def _draw_labels(self, rng: np.random.Generator) -> None:
        events = self.events
        chosen = rng.permutation(self.n_events)[: self.n_labelled]
        first = pd.DataFrame(
            {
                "about": events["txn"].to_numpy()[chosen],
                "verdict": _verdicts(rng, self.n_labelled),
                "at": events["at"].to_numpy()[chosen] + rng.integers(HOUR_MS, 24 * HOUR_MS, self.n_labelled),
            }
        )

        def some(share: float, **changes: Any) -> pd.DataFrame:
            """Return some of the first labels again, changed."""
            picked: pd.DataFrame = first.sample(int(share * self.n_labelled), random_state=rng)
            return picked.assign(**{name: change(picked) for name, change in changes.items()})

        def another(picked: pd.DataFrame) -> Any:
            return _verdicts(rng, len(picked))

        later = [
            some(0.07),  # doubled
            some(0.07, verdict=another, at=lambda p: p["at"] + HOUR_MS),  # corrected
            some(0.02, verdict=another, at=lambda p: p["at"] - HOUR_MS // 2),  # a correction that is overtaken already
            some(0.02, verdict=another),  # corrected within the same millisecond: the later arrival wins
            some(0.04, verdict=lambda _: None, at=lambda p: p["at"] + 2 * HOUR_MS),  # retracted
            some(0.02, verdict=another, at=lambda p: p["at"] + 3 * HOUR_MS),  # some of these labelled again
            some(0.03, about=lambda p: "nobody-" + p["about"]),  # orphaned
            some(0.02, verdict=lambda _: "PENDING", at=lambda p: p["at"] + 4 * HOUR_MS),  # refused: no class
            some(0.01, verdict=lambda _: float("nan"), at=lambda p: p["at"] + 4 * HOUR_MS),  # refused: no JSON, even
        ]
        self.early = self.n_labelled // 30
        rest = pd.concat([first[self.early :], *later]).sample(frac=1.0, random_state=rng)
        self.labels = pd.concat([first[: self.early], rest], ignore_index=True).astype({"verdict": object})


def draw_events(rng: np.random.Generator, count: int, *, now_ms: int) -> pd.DataFrame:
    """Return events of the last days; in a hundred, one has the id of another, three have an inline label."""
    inline = _verdicts(rng, count)
    inline[rng.random(count) >= 0.03] = None
    country = COUNTRIES[rng.integers(0, len(COUNTRIES), count)]
    country[rng.random(count) < 0.1] = None
    number = np.arange(count)
    number[rng.random(count) < 0.01] //= 2
    return pd.DataFrame(
        {
            "txn": [f"t{n}" for n in number],
            "card": [f"c{n % CARDS}" for n in number],
            "at": now_ms - 72 * HOUR_MS + np.arange(count),
            "amount": rng.lognormal(3, 1, count),
            "hour": rng.integers(0, 24, count),
            "distance": rng.exponential(50, count),
            "country": country,
            "verdict": inline,
        }
    )


def _verdicts(rng: np.random.Generator, count: int) -> Any:
    return np.where(rng.random(count) < 0.2, "CB_LOST", "CB_WON").astype(object)
