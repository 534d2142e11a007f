from __future__ import annotations

import dataclasses

import pytest

from tests.faults.judge import Evidence, InputRecord, OutputRecord, Source, judge


def clean() -> Evidence:
    """Return evidence of a run that kept every promise: six scores and one dead letter of two partitions."""
    inputs = [InputRecord(Source("in", p, o), b"%d-%d" % (p, o)) for p in (0, 1) for o in range(4)]
    bad = inputs[5]
    scores = [
        OutputRecord(r.source, "out", r.source.partition, i, b"k%d" % r.source.partition, b"score")
        for i, r in enumerate(inputs)
        if r is not bad
    ]
    dead = [OutputRecord(bad.source, "dead", 0, 0, None, bad.value)]
    return Evidence(inputs, scores, dead, committed={("in", 0): 4, ("in", 1): 4})


def test_judge_finds_nothing_in_a_clean_run() -> None:
    """A run without fault is not accused."""
    assert judge(clean(), expected_dead=[Source("in", 1, 1)]).violations == {}


def test_judge_knows_that_a_marker_is_not_an_uncommitted_record() -> None:
    """A committed offset right behind the last record is the end, whatever the log end offset says."""
    assert "not committed" not in judge(clean()).violations


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("lost", lambda e: {"scores": e.scores[1:]}),
        ("doubled", lambda e: {"scores": [*e.scores, dataclasses.replace(e.scores[0], offset=99)]}),
        ("doubled", lambda e: {"dead_letters": [*e.dead_letters, dataclasses.replace(e.scores[0], topic="dead")]}),
        ("invented", lambda e: {"inputs": e.inputs[1:]}),
        ("changed", lambda e: {"dead_letters": [dataclasses.replace(e.dead_letters[0], value=b"else")]}),
        ("reordered", lambda e: {"scores": [dataclasses.replace(e.scores[0], offset=50), *e.scores[1:]]}),
        ("split key", lambda e: {"scores": [dataclasses.replace(e.scores[0], partition=7), *e.scores[1:]]}),
        ("not committed", lambda _: {"committed": {("in", 0): 3, ("in", 1): 4}}),
        ("unfinished transaction", lambda _: {"unfinished": [("out", 0)]}),
    ],
)
def test_judge_finds_the_planted_fault(rule: str, change: object) -> None:
    """Each rule accuses exactly when its promise is broken."""
    evidence = clean()
    assert callable(change)
    planted = dataclasses.replace(evidence, **change(evidence))
    assert rule in judge(planted).violations


def test_judge_tells_refused_good_records_from_scored_bad_ones() -> None:
    """Planted bad records must be the dead letters, and nothing else may be."""
    found = judge(clean(), expected_dead=[Source("in", 0, 0)]).violations
    assert {"bad record scored", "good record refused"} <= found.keys()
