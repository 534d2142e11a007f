from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.base import Scores
from producer import runs
from producer.encoding import JsonScoreEncoder, ScoreColumns
from producer.runs import EncodedInRuns

ENCODER = JsonScoreEncoder(service="fraud", model_name="cards", with_probabilities=True)


def columns(count: int) -> ScoreColumns:
    """Return scores of which no two are alike."""
    score = np.linspace(0, 1, count)
    return ScoreColumns(
        event_ids=[f"e{number}" for number in range(count)],
        event_times=np.arange(count),
        scores=Scores(score, ["no", "yes"] * (count // 2) + ["no"] * (count % 2), np.column_stack([1 - score, score])),
        classes=["no", "yes"],
        model_version="v7",
        role="champion",
        scored_at=3_000,
        topics=["in"] * count,
        partitions=np.arange(count, dtype=np.int32),
        offsets=np.arange(count),
        passthrough={"card": list(range(count))},
    )


@given(
    count=st.integers(0, 25), begin=st.integers(-30, 30), end=st.integers(-30, 30), step=st.sampled_from([1, 1, 2, -1])
)
def test_runs_are_the_whole_in_pieces(count: int, begin: int, end: int, step: int) -> None:
    """However a batch is gone through, its values are those of one encoding, in the same order."""
    said = columns(count)
    whole = ENCODER.encode(said)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "RUN_RECORDS", 7)
        assert list(EncodedInRuns(ENCODER, said)) == whole
        values = EncodedInRuns(ENCODER, said)
        assert (len(values), values[begin:end:step]) == (count, whole[begin:end:step])
        assert [values[at] for at in range(-count, count)] == whole + whole


@dataclass
class CountingEncoder:
    """Counts the records that it was given at a time."""

    given: list[int] = field(default_factory=list)

    def encode(self, columns: ScoreColumns) -> list[bytes]:
        """Return the ids."""
        self.given.append(len(columns.event_ids))
        return [text.encode() for text in columns.event_ids]


def test_runs_are_encoded_once_and_only_the_first_before_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """What can fail fails before anything is sent; the rest waits until the client has something to do."""
    monkeypatch.setattr(runs, "RUN_RECORDS", 10)
    encoder = CountingEncoder()
    values = EncodedInRuns(encoder, columns(25))
    assert encoder.given == [10]
    gone_through = iter(values)
    assert [next(gone_through) for _ in range(11)][-1] == b"e10"
    assert encoder.given == [10, 10]
    assert (len(list(values)), values[24], encoder.given) == (25, b"e24", [10, 10, 5])
