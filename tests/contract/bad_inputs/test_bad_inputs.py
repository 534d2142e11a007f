"""Every bad input has its stated outcome, through the real worker, and costs its neighbours nothing."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from features.avro_codec import AvroCodec
from features.codec import FeatureCodec
from features.errors import CodecError
from features.json_codec import JsonCodec
from features.rejection import MAX_DETAIL_CHARS, Reason
from producer.broker import InMemoryBroker
from producer.dead_letters import (
    MAX_ORIGINAL_HEADER_BYTES,
    MAX_ORIGINAL_HEADERS,
    REASON_HEADER,
    REPLAYS_HEADER,
    TRUNCATED_HEADER,
    TRUNCATED_VALUE_BYTES,
)
from tests.contract.bad_inputs import avro_inputs, json_inputs, registry_inputs
from tests.contract.bad_inputs.case import SCORED, Case
from tests.contract.bad_inputs.world import World
from tests.support.scoring import RecordingTelemetry

OUR_HEADERS = 10
GOOD_SCORE = 10.0


def json_codec() -> FeatureCodec:
    """Return the codec of a JSON topic."""
    return JsonCodec()


def avro_codec() -> FeatureCodec:
    """Return the codec of a topic of bare Avro."""
    return AvroCodec(avro_inputs.WRITER)


FORMATS: dict[str, tuple[Callable[[], FeatureCodec], Any]] = {
    "json": (json_codec, json_inputs),
    "avro": (avro_codec, avro_inputs),
    "registry": (registry_inputs.codec, registry_inputs),
}
EACH = [pytest.param(name, case, id=f"{name} {case}") for name, (_, m) in FORMATS.items() for case in m.DECODED]


def assert_outcome(world: World, case: Case, offset: int) -> None:
    """Check what became of the record at an offset, and that it is told nowhere else."""
    scores, dead = world.scores(), world.dead()
    assert (offset in scores) != (offset in dead)
    if case.outcome == SCORED:
        record, said = scores[offset]
        assert (record.key, record.timestamp_ms) == (case.key, case.timestamp_ms)
        assert case.score is None or said["score"] == case.score
        return
    record = dead[offset]
    assert (record.key, record.value, record.timestamp_ms) == (case.key, case.value, case.timestamp_ms)
    headers = dict(record.headers)
    assert headers[REASON_HEADER] == str(case.outcome).encode()
    assert 0 < len((headers["__connect.errors.exception.message"] or b"").decode()) <= MAX_DETAIL_CHARS


@pytest.mark.parametrize(("name", "case"), EACH)
def test_a_bad_input_has_its_stated_outcome(name: str, case: Case) -> None:
    """It is scored or buried as the page says, unchanged; those beside it are scored; the process goes on."""
    codec, inputs = FORMATS[name]
    world = World(inputs.GOOD)
    world.publish([case])
    worker = world.worker(codec())
    assert worker.run_once() == 3
    assert_outcome(world, case, 1)
    assert [world.scores()[offset][1]["score"] for offset in (0, 2)] == [GOOD_SCORE, GOOD_SCORE]
    world.publish([])
    assert (worker.run_once(), world.committed) == (1, 4)


@pytest.mark.parametrize("name", FORMATS)
def test_all_bad_inputs_in_one_batch_have_their_outcomes(name: str) -> None:
    """However many stand together, each is judged by itself, in one transaction."""
    codec, inputs = FORMATS[name]
    world = World(inputs.GOOD)
    world.publish(inputs.DECODED)
    count = 2 * len(inputs.DECODED) + 1
    assert world.worker(codec()).run_once() == count
    for position, case in enumerate(inputs.DECODED):
        assert_outcome(world, case, 2 * position + 1)
    assert {world.scores()[offset][1]["score"] for offset in range(0, count, 2)} == {GOOD_SCORE}


@pytest.mark.parametrize("case", json_inputs.TOO_LARGE_TO_ANSWER, ids=str)
def test_what_no_topic_takes_leaves_a_piece_of_itself(case: Case) -> None:
    """A record without room for its own headers is cut, marked with its true size, and holds nobody up."""
    world = World(json_inputs.GOOD, InMemoryBroker(max_record_bytes=1_000_000))
    world.publish([case])
    assert world.worker(json_codec()).run_once() == 3
    record = world.dead()[1]
    assert record.value == (case.value or b"")[:TRUNCATED_VALUE_BYTES]
    assert dict(record.headers)[TRUNCATED_HEADER] == b"%d" % len(case.value or b"")
    assert dict(record.headers)[REASON_HEADER] == str(case.outcome).encode()
    assert sorted(world.scores()) == [0, 2]


@pytest.mark.parametrize("case", json_inputs.REFUSED, ids=str)
def test_what_topics_refuse_for_its_timestamp_is_buried_whole(case: Case) -> None:
    """Nothing of it is cut, as its size is in order; the letter has the time of now and says what the broker said."""
    world = World(json_inputs.GOOD, InMemoryBroker(max_timestamp_ms=json_inputs.YEAR_9999_MS - 1))
    world.publish([replace(case, headers=((REPLAYS_HEADER, b"2"), ("trace", b"t")))])
    worker = world.worker(json_codec())
    while world.committed < 3:
        worker.run_once()
    record = world.dead()[1]
    assert (record.key, record.value, record.timestamp_ms < json_inputs.YEAR_9999_MS) == (case.key, case.value, True)
    headers = dict(record.headers)
    assert (headers[REASON_HEADER], headers[REPLAYS_HEADER], headers["trace"]) == (b"refused", b"2", b"t")
    assert b"INVALID_TIMESTAMP" in (headers["__connect.errors.exception.message"] or b"")
    assert (sorted(world.scores()), TRUNCATED_HEADER in headers) == ([0, 2], False)


def headers_of(case: Case) -> tuple[Sequence[tuple[str, bytes | None]], Sequence[tuple[str, bytes | None]]]:
    """Return the headers of what became of a case: the record's own, and ours."""
    world = World(json_inputs.GOOD)
    world.publish([case])
    world.worker(json_codec()).run_once()
    record = world.scores()[1][0] if case.outcome == SCORED else world.dead()[1]
    own = [header for header in record.headers if header in case.headers]
    return own, [header for header in record.headers if header not in case.headers]


WITH_HEADERS = [case for case in json_inputs.DECODED if case.number == 40]


@pytest.mark.parametrize("case", WITH_HEADERS, ids=str)
def test_headers_are_kept_up_to_a_limit(case: Case) -> None:
    """A score takes the trace along and nothing else; a dead letter takes the first headers, all as they came."""
    own, ours = headers_of(case)
    if case.outcome == SCORED:
        assert (list(own), list(ours)) == ([h for h in case.headers if h[0] == "traceparent"], [])
        return
    assert list(own) == list(case.headers[: len(own)])
    assert len(ours) == OUR_HEADERS
    kept = sum(len(name) + len(value or b"") for name, value in own)
    assert len(own) == MAX_ORIGINAL_HEADERS or len(own) == len(case.headers) or kept == 0
    assert kept <= MAX_ORIGINAL_HEADER_BYTES


@pytest.mark.parametrize("crowd", [(), json_inputs.MANY_HEADERS, json_inputs.LARGE_HEADER], ids=["", "many", "large"])
def test_a_replayed_record_that_fails_again_keeps_its_count(crowd: Sequence[tuple[str, bytes | None]]) -> None:
    """The hops of a dead letter that was replayed are never forgotten, so that nobody replays it without end."""
    replayed = Case(46, "replayed", b"{", Reason.UNDECODABLE, headers=(*crowd, (REPLAYS_HEADER, b"2")))
    own, ours = headers_of(replayed)
    assert [header for header in (*own, *ours) if header[0] == REPLAYS_HEADER] == [(REPLAYS_HEADER, b"2")]


def test_a_registry_without_an_answer_buries_nothing() -> None:
    """Down, slow or wrong (8, 9): the worker waits, says for what, and goes on by itself when it is back."""
    schemas, telemetry = registry_inputs.registry(), RecordingTelemetry()
    schemas.is_away = True
    world = World(registry_inputs.GOOD)
    world.publish([])
    worker = world.worker(registry_inputs.codec(schemas), telemetry=telemetry)
    worker.stop()  # so that it does not sleep between its rounds
    assert [worker.run_once(), worker.run_once(), world.committed] == [0, 0, 0]
    assert telemetry.waiting_for == "schema_registry"
    schemas.is_away = False
    assert (worker.run_once(), telemetry.waiting_for, world.dead()) == (1, "", {})


@pytest.mark.parametrize("schema", [avro_inputs.RECURSIVE, avro_inputs.BOMB], ids=["recursive", "no size"])
def test_a_topic_of_bare_avro_refuses_a_dangerous_schema_at_the_start(schema: dict[str, Any]) -> None:
    """Where one schema is for all (12, 14), it is refused before the first record is read."""
    with pytest.raises(CodecError, match=r"recursive|no size"):
        AvroCodec(schema)


BOMBS = [
    (name, case)
    for name, (_, inputs) in FORMATS.items()
    for case in inputs.DECODED
    if case.number in (12, 13, 14, 17, 32, 33, 35, 36)
]
ROOM = 24 << 20  # of working memory, for values that say they hold terabytes


@pytest.mark.parametrize(("name", "case"), [pytest.param(n, c, id=f"{n} {c}") for n, c in BOMBS])
def test_a_value_costs_memory_in_proportion_to_its_bytes(name: str, case: Case) -> None:
    """What a value says of its size is not believed: nothing is set aside for bytes that are not there."""
    codec, inputs = FORMATS[name]
    world = World(inputs.GOOD)
    world.publish([case])
    worker = world.worker(codec())
    tracemalloc.start()
    try:
        assert worker.run_once() == 3
        assert tracemalloc.get_traced_memory()[1] < ROOM
    finally:
        tracemalloc.stop()
