from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.records import RecordBatch
from producer.records import TopicPartition

PLACES = [TopicPartition("a", 0), TopicPartition("a", 7), TopicPartition("b", 0)]


def batch_of(places: list[TopicPartition]) -> RecordBatch:
    """Return a batch of records at these places, with offsets that ascend by three."""
    return RecordBatch(
        topics=[at.topic for at in places],
        partitions=np.array([at.partition for at in places], dtype=np.int32),
        offsets=np.arange(len(places), dtype=np.int64) * 3,
        timestamps_ms=np.zeros(len(places), dtype=np.int64),
        keys=[None] * len(places),
        values=[b""] * len(places),
        headers=lambda _row: (),
    )


@pytest.mark.parametrize("places", [PLACES, PLACES[:2]], ids=["topics", "one-topic"])
@given(data=st.data())
def test_next_offsets_are_those_behind_the_last_record_of_each_partition(
    places: list[TopicPartition], data: st.DataObject
) -> None:
    """A commit covers exactly what is in the batch, however partitions and topics are mixed."""
    drawn = data.draw(st.lists(st.sampled_from(places), min_size=1, max_size=20))
    expected = {at: row * 3 + 1 for row, at in enumerate(drawn)}
    assert expected == batch_of(drawn).next_offsets()
