"""Judge whether each input record has exactly one outcome; knows topics, offsets and bytes, nothing of Tidemill.

The rules follow Kafka's own ``EosTestDriver`` and ``transactions_test``: what went in, what a
``read_committed`` reader sees, and what the group has committed are compared as multisets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class Source(NamedTuple):
    """Where a record stood in the input."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class InputRecord:
    """One input record as a reader of the topic sees it."""

    source: Source
    value: bytes | None


@dataclass(frozen=True, slots=True)
class OutputRecord:
    """One output record and the input record it says it answers."""

    source: Source
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that was read when the dust had settled.

    ``committed`` holds the group's next offsets and ``unfinished`` the output partitions on which a
    transaction is still open.
    """

    inputs: Sequence[InputRecord]
    scores: Sequence[OutputRecord]
    dead_letters: Sequence[OutputRecord]
    committed: Mapping[tuple[str, int], int]
    unfinished: Sequence[tuple[str, int]] = ()


@dataclass(slots=True)
class Verdict:
    """Violations by rule; empty means the promise was kept."""

    violations: dict[str, list[str]] = field(default_factory=dict)

    def add(self, rule: str, lines: Iterable[str]) -> None:
        """Note violations of a rule."""
        found = list(lines)
        if found:
            self.violations[rule] = found

    def __str__(self) -> str:
        """Return a few lines per broken rule."""
        return "\n".join(
            f"{rule}: {len(lines)} violations, e.g. {'; '.join(lines[:5])}" for rule, lines in self.violations.items()
        )


def judge(evidence: Evidence, *, expected_dead: Iterable[Source] | None = None) -> Verdict:
    """Return every violation found; ``expected_dead`` are the planted bad records, if they are known."""
    verdict = Verdict()
    inputs = {record.source: record.value for record in evidence.inputs}
    outcomes = Counter(record.source for record in (*evidence.scores, *evidence.dead_letters))
    verdict.add("lost", (str(s) for s in inputs if s not in outcomes))
    verdict.add("doubled", (f"{s} has {n} outcomes" for s, n in outcomes.items() if n > 1))
    verdict.add("invented", (str(s) for s in outcomes if s not in inputs))
    verdict.add(
        "changed",
        (str(r.source) for r in evidence.dead_letters if r.source in inputs and r.value != inputs[r.source]),
    )
    if expected_dead is not None:
        expected, dead = set(expected_dead), {record.source for record in evidence.dead_letters}
        verdict.add("bad record scored", map(str, sorted(expected - dead)))
        verdict.add("good record refused", map(str, sorted(dead - expected)))
    verdict.add("reordered", _reorderings(evidence.scores))
    verdict.add("reordered dead letter", _reorderings(evidence.dead_letters))
    verdict.add("split key", _split_keys(evidence.scores))
    verdict.add("not committed", _uncommitted(evidence))
    verdict.add("unfinished transaction", (f"{topic}[{partition}]" for topic, partition in evidence.unfinished))
    return verdict


def _reorderings(records: Sequence[OutputRecord]) -> Iterable[str]:
    """Yield records of one input partition that stand in an output partition behind a later one."""
    last: dict[tuple[str, int, str, int], int] = {}
    for record in sorted(records, key=lambda r: (r.topic, r.partition, r.offset)):
        lane = (record.source.topic, record.source.partition, record.topic, record.partition)
        if record.source.offset < last.get(lane, -1):
            yield f"{record.source} after offset {last[lane]} in {record.topic}[{record.partition}]"
        last[lane] = max(record.source.offset, last.get(lane, -1))


def _split_keys(records: Sequence[OutputRecord]) -> Iterable[str]:
    """Yield keys whose records stand in more than one output partition."""
    homes: dict[bytes, set[int]] = {}
    for record in records:
        if record.key is not None:
            homes.setdefault(record.key, set()).add(record.partition)
    return (f"key {key!r} in partitions {sorted(found)}" for key, found in homes.items() if len(found) > 1)


def _uncommitted(evidence: Evidence) -> Iterable[str]:
    """Yield input partitions whose last record is not behind the group's committed offset."""
    last: dict[tuple[str, int], int] = {}
    for record in evidence.inputs:
        lane = (record.source.topic, record.source.partition)
        last[lane] = max(last.get(lane, -1), record.source.offset)
    for lane, offset in last.items():
        committed = evidence.committed.get(lane, -1)
        if committed <= offset:
            yield f"{lane[0]}[{lane[1]}] committed {committed}, last record {offset}"
