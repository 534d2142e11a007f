"""Simulated card payments with fraud that changes its ways: for the demo, tours and tests.

Everything here is made up. Cards have a home country and a habit of spending; two fraud patterns are
mixed into it. A *stolen card* spends much, far away, at night. *Card testing* tries small amounts at
digital merchants, many within an hour. Before the drift every fraud is of the first kind, after it two in
ten, so that a model trained before loses much of its quality.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from features.batch import Column, FeatureBatch
from features.rejection import Reason
from features.schema import FeatureSchema, Field, FieldType, NullPolicy, Roles
from producer.malformed import FAULTS, spoil

BLOCK = 2048  # events are drawn in blocks of this size, so that how many are taken at once changes nothing
HISTORY = 5  # amounts remembered for each card
COUNTRIES = np.array(["AT", "BR", "CH", "DE", "ES", "FR", "GB", "IT", "NL", "PL", "SE", "US"], dtype=object)
MERCHANTS = np.array(["grocery", "fuel", "restaurant", "travel", "fashion", "electronics", "digital"], dtype=object)
_MERCHANT_SHARES = (0.34, 0.12, 0.20, 0.06, 0.13, 0.06, 0.09)
_STOLEN_MERCHANT_SHARES = (0.04, 0.04, 0.06, 0.22, 0.22, 0.32, 0.10)
_DIGITAL = len(MERCHANTS) - 1
STOLEN_SHARE, STOLEN_SHARE_AFTER_DRIFT = 1.0, 0.2


def payments_schema() -> FeatureSchema:
    """Return the schema of the simulated events."""
    double, whole, text = FieldType.DOUBLE, FieldType.INT, FieldType.STRING
    return FeatureSchema(
        fields=(
            Field("amount", double, "payment.amount", minimum=0.0),
            Field("country", text, "country", null=NullPolicy.DEFAULT, default="unknown"),
            Field("merchant_category", text, "payment.merchant_category", null=NullPolicy.DEFAULT, default="unknown"),
            Field("hour", whole, "hour", minimum=0, maximum=23),
            Field("distance_from_home", double, "distance_from_home", minimum=0.0),
            Field("n_last_hour", whole, "n_last_hour", minimum=0),
            Field("last_amounts", double, "last_amounts", length=HISTORY),
        ),
        roles=Roles(id="payment.transaction_id", key="card_id", time="event_time", label="is_fraud"),
    )


@dataclass(frozen=True, slots=True)
class PaymentChunk:
    """Payments in the order they happen, as columns of one length.

    Attributes:
        ids: Event ids; unique within a stream.
        keys: Card ids: the record keys.
        timestamps_ms: When each happened, ascending, epoch milliseconds.
        is_fraud: The truth; not part of the events, as it becomes known later.
        columns: The features by field name, shaped as ``FeatureBatch.columns``; never malformed.
        faults: For each event the reason why ``values`` holds it broken, or None.
    """

    ids: list[str]
    keys: list[str]
    timestamps_ms: npt.NDArray[np.int64]
    is_fraud: npt.NDArray[np.bool_]
    columns: Mapping[str, Column]
    faults: list[Reason | None]

    def __len__(self) -> int:
        """Return the number of payments."""
        return len(self.ids)

    def events(self) -> list[dict[str, Any]]:
        """Return each payment as a plain mapping, all of them well formed."""
        columns = [self.columns[name].tolist() for name in _EVENT_COLUMNS]
        rows = zip(self.ids, self.keys, self.timestamps_ms.tolist(), *columns, strict=True)
        return [
            {
                "card_id": card,
                "event_time": time,
                "payment": {"transaction_id": id_, "amount": amount, "merchant_category": merchant},
                "country": country,
                "hour": hour,
                "distance_from_home": distance,
                "n_last_hour": n_last_hour,
                "last_amounts": last_amounts,
            }
            for id_, card, time, amount, country, merchant, hour, distance, n_last_hour, last_amounts in rows
        ]

    def values(self) -> list[bytes | None]:
        """Return each payment as the JSON of a record, the planted faults in place."""
        encode = msgspec.json.Encoder().encode
        return [
            encode(event) if fault is None else spoil(event, fault)
            for event, fault in zip(self.events(), self.faults, strict=True)
        ]

    def to_batch(self) -> FeatureBatch:
        """Return the payments as a decoded batch with the truth as labels: examples to train on."""
        return FeatureBatch(
            schema=payments_schema(),
            rows=np.arange(len(self), dtype=np.int64),
            columns=self.columns,
            ids=self.ids,
            times=self.timestamps_ms,
            labels=self.is_fraud.tolist(),
        )


_EVENT_COLUMNS = (
    "amount",
    "country",
    "merchant_category",
    "hour",
    "distance_from_home",
    "n_last_hour",
    "last_amounts",
)


class PaymentStream:
    """An endless stream of payments; the same arguments give the same payments, however they are taken.

    Keeps what each card spent last. Not thread-safe.
    """

    def __init__(  # noqa: PLR0913 - each is a property of the simulated world
        self,
        seed: int,
        start_ms: int,
        *,
        events_per_s: float = 1000.0,
        cards: int = 5000,
        fraud_ratio: float = 0.02,
        drift_at: int | None = None,
        malformed_ratio: float = 0.0,
    ) -> None:
        """Set the world up.

        Args:
            seed: Decides everything that is drawn.
            start_ms: When the first payment happens, epoch milliseconds.
            events_per_s: Mean rate in simulated time; it only spaces the timestamps.
            cards: Number of cards that pay.
            fraud_ratio: Share of frauds.
            drift_at: Number of the first payment, counted from 0, after which fraud changes; None: never.
            malformed_ratio: Share of events that ``PaymentChunk.values`` holds broken.
        """
        self._seed = seed
        drawn, faults = np.random.SeedSequence(seed).spawn(2)
        self._rng = np.random.default_rng(drawn)
        self._fault_rng = np.random.default_rng(faults)  # of its own: the good events stay as they are
        self._events_per_s = events_per_s
        self._fraud_ratio = fraud_ratio
        self._drift_at = drift_at
        self._malformed_ratio = malformed_ratio
        self._home = self._rng.integers(0, len(COUNTRIES), cards)
        self._habit = self._rng.normal(3.2, 0.6, cards)  # mean of the logarithm of an ordinary amount
        habits = self._habit[:, None] + self._rng.normal(0.0, 0.7, (cards, HISTORY))
        self._history = np.round(np.exp(habits), 2)
        self._drawn = 0
        self._now_ms = float(start_ms)
        self._rest = self._next_block()

    def take(self, count: int) -> PaymentChunk:
        """Return the next ``count`` payments."""
        pieces = []
        while count > len(self._rest):
            pieces.append(self._rest)
            count -= len(self._rest)
            self._rest = self._next_block()
        pieces.append(_cut(self._rest, slice(0, count)))
        self._rest = _cut(self._rest, slice(count, None))
        return _join(pieces) if len(pieces) > 1 else pieces[0]

    def _next_block(self) -> PaymentChunk:
        rng, numbers = self._rng, np.arange(self._drawn, self._drawn + BLOCK)
        cards = rng.integers(0, len(self._home), BLOCK)
        is_fraud = rng.random(BLOCK) < self._fraud_ratio
        has_drifted = np.zeros(BLOCK, np.bool_) if self._drift_at is None else numbers >= self._drift_at
        stolen_share = np.where(has_drifted, STOLEN_SHARE_AFTER_DRIFT, STOLEN_SHARE)
        stolen = is_fraud & (rng.random(BLOCK) < stolen_share)
        columns = self._draw_features(cards, stolen=stolen, tested=is_fraud & ~stolen)
        gaps_ms = rng.exponential(1000.0 / self._events_per_s, BLOCK)
        times = self._now_ms + np.cumsum(gaps_ms)
        self._now_ms = float(times[-1])
        self._drawn += BLOCK
        return PaymentChunk(
            ids=[f"pay-{self._seed}-{number}" for number in numbers.tolist()],
            keys=[f"card-{card}" for card in cards.tolist()],
            timestamps_ms=times.astype(np.int64),
            is_fraud=is_fraud,
            columns=columns,
            faults=self._draw_faults(),
        )

    def _draw_features(
        self, cards: npt.NDArray[np.int64], *, stolen: npt.NDArray[np.bool_], tested: npt.NDArray[np.bool_]
    ) -> dict[str, Column]:
        rng = self._rng
        spread = self._habit[cards] + rng.normal(0.0, 0.7, BLOCK)
        logs = np.select([stolen, tested], [spread + rng.normal(1.3, 0.5, BLOCK), rng.normal(0.6, 0.5, BLOCK)], spread)
        amounts = np.round(np.exp(logs), 2)
        # People travel: one ordinary payment in twenty is made abroad, and far from home.
        abroad = rng.random(BLOCK) < np.where(stolen, 0.7, 0.05)
        distance = np.where(abroad, rng.gamma(3.0, 500.0, BLOCK), rng.gamma(1.5, 8.0, BLOCK))
        ordinary = rng.choice(len(MERCHANTS), BLOCK, p=_MERCHANT_SHARES)
        by_thief = rng.choice(len(MERCHANTS), BLOCK, p=_STOLEN_MERCHANT_SHARES)
        merchant = np.select(
            [stolen, tested & (rng.random(BLOCK) < 0.7)], [by_thief, np.full(BLOCK, _DIGITAL)], ordinary
        )
        # Local hours are drawn, not taken from the clock: the whole stream may last a minute.
        hour = np.where(
            stolen & (rng.random(BLOCK) < 0.6), rng.integers(0, 6, BLOCK), rng.normal(14.5, 4.5, BLOCK) % 24
        )
        n_last_hour = rng.poisson(np.select([stolen, tested], [1.2, 3.5], 0.4))
        return {
            "amount": amounts,
            "country": COUNTRIES[np.where(abroad, rng.integers(0, len(COUNTRIES), BLOCK), self._home[cards])],
            "merchant_category": MERCHANTS[merchant],
            "hour": hour.astype(np.int32),
            "distance_from_home": np.round(distance, 1),
            "n_last_hour": n_last_hour.astype(np.int32),
            "last_amounts": self._remember(cards, amounts),
        }

    def _remember(self, cards: npt.NDArray[np.int64], amounts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the last amounts of each card before each payment, oldest first, and keep the new ones."""
        order = np.argsort(cards, kind="stable")
        card, amount = cards[order], amounts[order]
        position = np.arange(len(card))
        is_first = np.r_[True, card[1:] != card[:-1]]
        rank = position - np.maximum.accumulate(np.where(is_first, position, 0))
        before = np.empty((len(card), HISTORY))
        for back in range(1, HISTORY + 1):  # the payment so many back: in this block, or from before it
            in_block = rank >= back
            older = self._history[card, np.minimum(HISTORY - back + rank, HISTORY - 1)]
            before[:, HISTORY - back] = np.where(in_block, amount[position - back], older)
        is_last = np.r_[is_first[1:], True]
        self._history[card[is_last]] = np.c_[before[is_last, 1:], amount[is_last]]
        result = np.empty_like(before)
        result[order] = before
        return result

    def _draw_faults(self) -> list[Reason | None]:
        broken = self._fault_rng.random(BLOCK) < self._malformed_ratio
        kinds = self._fault_rng.integers(0, len(FAULTS), BLOCK)
        return [FAULTS[kind] if bad else None for bad, kind in zip(broken.tolist(), kinds.tolist(), strict=True)]


def _cut(chunk: PaymentChunk, rows: slice) -> PaymentChunk:
    return PaymentChunk(
        ids=chunk.ids[rows],
        keys=chunk.keys[rows],
        timestamps_ms=chunk.timestamps_ms[rows],
        is_fraud=chunk.is_fraud[rows],
        columns={name: column[rows] for name, column in chunk.columns.items()},
        faults=chunk.faults[rows],
    )


def _join(chunks: list[PaymentChunk]) -> PaymentChunk:
    return PaymentChunk(
        ids=[id_ for chunk in chunks for id_ in chunk.ids],
        keys=[key for chunk in chunks for key in chunk.keys],
        timestamps_ms=np.concatenate([chunk.timestamps_ms for chunk in chunks]),
        is_fraud=np.concatenate([chunk.is_fraud for chunk in chunks]),
        columns={name: np.concatenate([chunk.columns[name] for chunk in chunks]) for name in chunks[0].columns},
        faults=[fault for chunk in chunks for fault in chunk.faults],
    )
