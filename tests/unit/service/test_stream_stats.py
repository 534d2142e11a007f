from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from consumer.source import PartitionStatus
from features.rejection import Reason
from models.champion import LiveModel
from producer.records import TopicPartition
from service.stream_stats import HISTORY_S, KEPT_SAMPLES, StreamSnapshot, StreamStats, Swap

P0, P1 = TopicPartition("payments", 0), TopicPartition("payments", 1)


class Stream:
    """Statistics on a clock that the test moves."""

    def __init__(self) -> None:
        self.now = 500.0
        self.stats = StreamStats(clock=lambda: self.now, wall_clock=lambda: self.now)

    def batch(self, records: int, version: str = "v1", delay: float = 0.01, score: float = 0.5) -> None:
        """Let a batch be committed, with one delay and one score as its sample."""
        self.stats.records_scored(records, version=version, role="champion", sample=[score])
        self.stats.batch_done(records, stages={}, end_to_end=[delay])

    def snapshot(self) -> StreamSnapshot:
        """Return the state now."""
        return self.stats.snapshot()


@pytest.fixture
def stream() -> Stream:
    """Return statistics of a stream that begins now."""
    return Stream()


def live(version: str) -> LiveModel:
    """Return what the statistics look at in a live model."""
    return cast("LiveModel", SimpleNamespace(version=version))


def test_stream_stats_know_nothing_at_first(stream: Stream) -> None:
    """What is unknown is not shown as zero."""
    now = stream.snapshot()
    assert (now.p50_s, now.p99_s, now.lag_records, now.lag_s, now.bins, now.version) == (None, None, None, None, (), "")


def test_stream_stats_count_records_by_whole_seconds(stream: Stream) -> None:
    """The second under way is left out, so that the rate does not dip at each look; idle seconds are zero."""
    for records, passing in ((100, 0.5), (50, 1.0), (300, 2.0), (999, 0.0)):
        stream.batch(records)
        stream.now += passing
    now = stream.snapshot()
    assert (now.per_second, now.rate, now.scored) == ((150, 300, 0), 150.0, 1449)


def test_stream_stats_stay_small(stream: Stream) -> None:
    """A view left open for a week holds a minute of history and a bounded sample."""
    for _ in range(5 * HISTORY_S):
        stream.now += 1.0
        stream.stats.batch_done(1, stages={}, end_to_end=[0.0] * 1000)
        stream.stats.records_scored(1, version="v1", role="champion", sample=[0.0] * 1000)
    now, inside = stream.snapshot(), stream.stats
    sizes = [len(now.per_second), len(inside._per_second), sum(count for _, count in now.bins), len(inside._delays)]
    assert sizes == [HISTORY_S, HISTORY_S + 1, KEPT_SAMPLES, KEPT_SAMPLES]


def test_stream_stats_tell_the_percentiles_of_recent_delays(stream: Stream) -> None:
    """The median and the 99th percentile, in seconds."""
    stream.stats.batch_done(101, stages={}, end_to_end=[i / 100 for i in range(101)])
    now = stream.snapshot()
    assert [now.p50_s, now.p99_s] == pytest.approx([0.5, 0.99])


@pytest.mark.parametrize(
    ("scores", "first_edge", "counts"),
    [
        ([0.0, 0.05, 0.55, 1.0], 0.0, [2, 0, 0, 0, 0, 1, 0, 0, 0, 1]),
        ([-50.0, 0.0, 50.0], -50.0, [1, 0, 0, 0, 0, 1, 0, 0, 0, 1]),
    ],
)
def test_stream_stats_bin_scores(stream: Stream, scores: list[float], first_edge: float, counts: list[int]) -> None:
    """Probabilities are binned from 0 to 1 whatever their range; values of a regression over theirs."""
    for score in scores:
        stream.batch(1, score=score)
    bins = stream.snapshot().bins
    assert (bins[0][0], [count for _, count in bins]) == (first_edge, counts)


def test_stream_stats_mark_a_swap_at_the_first_scores_of_the_version(stream: Stream) -> None:
    """The version before may still commit a batch after the swap; that is no swap back."""
    stream.batch(10)
    stream.now += 3.0
    stream.stats.model_swapped(live("v1"), live("v2"))
    stream.batch(10, version="v1")
    stream.now += 1.0
    stream.batch(10, version="v2")
    now = stream.snapshot()
    assert (now.version, now.swaps) == ("v2", (Swap(4, "v2"),))


def test_stream_stats_leave_the_challenger_out(stream: Stream) -> None:
    """Scores in shadow are not what the stream gives."""
    stream.stats.records_scored(10, version="v2", role="challenger", sample=[0.9])
    now = stream.snapshot()
    assert (now.scored, now.bins, now.version) == (0, (), "")


def test_stream_stats_sum_up_the_lag(stream: Stream) -> None:
    """Records behind add up over partitions; the longest wait counts."""
    ahead = PartitionStatus(P0, 8, 8, 8, 10, 10, int(stream.now * 1000) - 1000)
    behind = PartitionStatus(P1, 5, 5, 5, 10, 10, int(stream.now * 1000) - 4000)
    stream.stats.partitions([ahead, behind], stalled=[P1], blocked=[])
    now = stream.snapshot()
    assert (now.lag_records, now.lag_s, now.standing) == (7, 4.0, (P1,))


def test_stream_stats_tell_what_goes_wrong(stream: Stream) -> None:
    """Dead letters by reason, transactions that did not commit, what is waited for, a refused model."""
    stats = stream.stats
    stats.dead_lettered(Reason.MISSING, 1)
    stats.dead_lettered(Reason.EMPTY, 2)
    stats.transaction("committed")
    stats.transaction("aborted", "stale generation")
    stats.waiting("no_champion")
    stats.model_load_failed("v3", "digest", "model.skops differs")
    stats.model_load_failed("", "unreadable", "the store is away")
    now = stream.snapshot()
    letters = (list(now.dead_letters.items()), now.dead)
    assert letters == ([("empty", 2), ("missing", 1)], 3)
    assert (now.not_committed, now.waiting_for, now.failure) == (1, "no_champion", "v3 not taken live: digest")
