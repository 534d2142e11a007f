"""What `dead-letters list`, `show` and `replay` do, apart from their options."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import msgspec

from consumer.errors import ConsumerError
from consumer.kafka_reader import KafkaSnapshot
from consumer.kafka_replay import KafkaRehearsal, KafkaReplay, MarkingSink, committed_marks
from consumer.records import RecordBatch
from consumer.replay import Fate, LetterFilter, ReplayBook, Replayed, ReplayRules
from consumer.replay_marks import Marks
from consumer.replaying import replay
from features.errors import SchemasUnavailable
from producer.dead_letters import letter_facts
from producer.records import TopicPartition
from service.clients import consumer_conf, producer_conf
from service.dead_letter_view import (
    FullLetter,
    LetterRow,
    LetterTable,
    Standing,
    Summary,
    account_line,
    letter_json,
)
from service.decoders import event_decoder
from service.errors import UsageError
from service.identity import transactional_id
from service.progress import progress
from service.settings import Settings

READ_RECORDS = 500
READ_BYTES = 4 * 1024 * 1024
SLOT = "replay"  # one for all replays of a service: a second one takes over from the first
_PLACE = re.compile(r"(?:\S*\[(\d{1,9})\]|(\d{1,9}))@(\d{1,18})")


@dataclass(frozen=True, slots=True)
class Listing:
    """How letters are listed; ``width`` is the terminal's, None where lines are not to be cut."""

    wanted: LetterFilter
    limit: int | None
    as_json: bool
    only_summary: bool
    width: int | None


def list_letters(settings: Settings, listing: Listing, *, show: Callable[[str], None]) -> None:
    """Show the letters that there are now, the oldest of each partition first, and how many of each reason."""
    table = LetterTable(_only_topic(settings), listing.width)
    summary = Summary()
    shows_lines = not listing.only_summary
    for batch, found in _pages(settings, listing):
        if shows_lines and listing.as_json:
            for line in _json_lines(batch, found):
                show(line)
        elif shows_lines and found:
            letters = list(found.values())
            for line in [*([] if summary.counts else [table.heading(letters)]), *table.lines(letters)]:
                show(line)
        summary.add(found.values())
    if listing.only_summary and listing.as_json:
        show(msgspec.json.encode(summary.as_json()).decode())
    elif not listing.as_json:
        for line in (["", *summary.lines()] if shows_lines else summary.lines()) if summary.counts else ["no letters"]:
            show(line)


def find_letter(settings: Settings, place: str) -> FullLetter:
    """Return everything about the letter at a place such as ``0@41``.

    Raises:
        UsageError: It is no place, or there is no record.
        SchemasUnavailable: The registry that knows the value's schema does not answer.
    """
    match = _PLACE.fullmatch(place.strip())
    if match is None:
        raise UsageError(f"{place!r} is no place of a letter; give PARTITION@OFFSET, for instance 0@41")
    partition, offset = int(match[1] or match[2]), int(match[3])
    batch, row = _read_one(settings, TopicPartition(settings.topics.dead_letters, partition), offset)
    value, headers = batch.values[0], batch.headers(0)
    decoded, failure = None, None
    if value is not None:
        try:
            decoded = event_decoder(settings)(value, headers)
            msgspec.json.encode(decoded)  # shown as JSON, so it must be able to become that
        except SchemasUnavailable as error:
            failure = f"its schema is not to be had now: {error}"
        except (ValueError, TypeError, OverflowError) as error:
            decoded, failure = None, str(error)
    return FullLetter(row, batch.keys[0], value, headers, decoded, failure)


def write_raw(letter: FullLetter, file: Path) -> str:
    """Write the value byte for byte; return what was done."""
    if letter.value is None:
        raise UsageError(f"the letter at {letter.row.at.partition}@{letter.row.offset} has no value to be written")
    file.write_bytes(letter.value)
    return f"wrote {len(letter.value):,} bytes to {file}"


def replay_letters(settings: Settings, rules: ReplayRules, *, say: Callable[[str], None]) -> bool:
    """Send letters back; return whether all that were meant are sent.

    Raises:
        ConsumerError: The letters, or what is known of earlier replays, cannot be read.
        ProducerError: They cannot be sent; what was sent until then is, and a later run sends the rest.
    """
    identity = transactional_id(settings, SLOT)
    sink = MarkingSink(
        producer_conf(settings, client_id=identity),
        transactional_id=identity,
        transaction_timeout=settings.transaction.timeout.total_seconds(),
    )
    log = KafkaReplay(
        consumer_conf(settings, client_id=identity),
        sink,
        topic=settings.topics.dead_letters,
        group_id=settings.groups.replay,
    )
    try:
        with progress("Replaying", unit="letters looked at") as bar:
            book = replay(log, rules, advance=bar.advance)
    finally:
        log.close()
    say(account_line(_by_fate(book), sent="sent", target=_target(settings, rules)))
    return _tell_the_rest(book, say)


def rehearse(settings: Settings, rules: ReplayRules, *, width: int | None, say: Callable[[str], None]) -> bool:
    """Show what a replay would send now, and change nothing; return whether that is all that is meant."""
    table = LetterTable(_only_topic(settings), width)
    headed = False

    def show(letters: Sequence[Replayed]) -> None:
        nonlocal headed
        found = [LetterRow(m.at, m.letter_offset, m.timestamp_ms, m.facts, Standing.WAITS) for m in letters]
        for line in [*([] if headed else [table.heading(found)]), *table.lines(found)]:
            say(line)
        headed = True

    conf = consumer_conf(settings, client_id=transactional_id(settings, SLOT))
    log = KafkaRehearsal(conf, topic=settings.topics.dead_letters, group_id=settings.groups.replay, show=show)
    try:
        book = replay(log, rules, advance=lambda _count: None)
    finally:
        log.close()
    say(account_line(_by_fate(book), sent="would send", target=_target(settings, rules)))
    return _tell_the_rest(book, say)


def _tell_the_rest(book: ReplayBook, say: Callable[[str], None]) -> bool:
    """Say what to do about letters that were meant and stay; return whether there are none."""
    if book.is_finished:
        say("stopped at the limit; run again for more")
    if book.fates[Fate.NO_ROOM]:
        places = ", ".join(str(at) for at in sorted(book.full))
        say(
            f"{places}: the letters sent are scattered among so many that stay that there is no more room to note "
            "them. Replay the rest without a filter, or repeat this with --pass-over, which never offers again what "
            "stays before the last letter sent"
        )
    return not (book.fates[Fate.NO_ROOM] or book.fates[Fate.REFUSED])


def _pages(settings: Settings, listing: Listing) -> Iterator[tuple[RecordBatch, dict[int, LetterRow]]]:
    """Yield records with the rows of those that are meant, up to the limit."""
    left = listing.limit
    snapshot = _snapshot(settings)
    try:
        marks = _marks(snapshot)
        snapshot.begin({at: low for at, (low, _) in snapshot.ends.items()})
        for batch in snapshot.batches(max_records=READ_RECORDS, max_bytes=READ_BYTES):
            rows = ((row, _row_of(settings, batch, row, marks)) for row in range(len(batch)))
            meant = ((row, found) for row, found in rows if listing.wanted.matches(found.facts, found.timestamp_ms))
            found = dict(islice(meant, left))
            yield batch, found
            left = None if left is None else left - len(found)
            if left == 0:
                return
    finally:
        snapshot.close()


def _read_one(settings: Settings, at: TopicPartition, offset: int) -> tuple[RecordBatch, LetterRow]:
    snapshot = _snapshot(settings)
    try:
        if at not in snapshot.ends:
            raise UsageError(f"topic {at.topic} has no partition {at.partition}; it has {len(snapshot.ends)}")
        low, end = snapshot.ends[at]
        if low <= offset < end:
            snapshot.begin({at: offset})
            batch = next(snapshot.batches(max_records=1, max_bytes=1), None)
            if batch is not None and batch.offsets[0] == offset:
                return batch, _row_of(settings, batch, 0, _marks(snapshot))
        known = f"its records are between {low} and {end - 1}" if low < end else "it is empty"
        raise UsageError(f"{at} has no record at offset {offset}: {known}; see 'tidemill dead-letters list'")
    finally:
        snapshot.close()


def _snapshot(settings: Settings) -> KafkaSnapshot:
    conf = consumer_conf(settings, client_id=f"{settings.name}-dead-letters")
    return KafkaSnapshot(conf, settings.topics.dead_letters, group_id=settings.groups.replay)


def _marks(snapshot: KafkaSnapshot) -> Mapping[TopicPartition, Marks] | None:
    """Return what replays have dealt with, None where that cannot be told: looking needs no rights on the group."""
    try:
        return committed_marks(snapshot)
    except ConsumerError:
        return None


def _row_of(
    settings: Settings, batch: RecordBatch, row: int, marks: Mapping[TopicPartition, Marks] | None
) -> LetterRow:
    at, offset, facts = batch.at(row), int(batch.offsets[row]), letter_facts(batch.headers(row))
    if facts is None or facts.service != settings.name or facts.full_bytes is not None:
        now = Standing.STAYS
    elif marks is None:
        now = Standing.UNKNOWN
    else:
        now = Standing.DONE if offset in marks[at] else Standing.WAITS
    return LetterRow(at, offset, int(batch.timestamps_ms[row]), facts, now)


def _json_lines(batch: RecordBatch, rows: Mapping[int, LetterRow]) -> Iterator[str]:
    for row, found in rows.items():
        yield msgspec.json.encode(letter_json(found, key=batch.keys[row], value=batch.values[row])).decode()


def _only_topic(settings: Settings) -> str | None:
    return settings.topics.features[0] if len(settings.topics.features) == 1 else None


def _target(settings: Settings, rules: ReplayRules) -> str:
    return rules.to or _only_topic(settings) or "their topics"


def _by_fate(book: ReplayBook) -> dict[str, int]:
    return {fate.value: book.fates[fate] for fate in Fate}
