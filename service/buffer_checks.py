"""What the doctor says of labels and the buffer. Warnings at most: scoring needs neither."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from buffer.errors import BufferingError
from service.buffer_tables import buffer_root, build_tables, require_libraries
from service.checks import Check, KafkaFacts, Status, group_check, topic_checks
from service.cluster import TopicFacts
from service.errors import ServiceError
from service.settings import Settings
from service.units import format_duration, milliseconds

LOW_DISK_BYTES: Final = 1024**3
STANDSTILL: Final = timedelta(days=1)  # how long buffering should be able to stand still without losing anything
FLUSHES_KEPT: Final = 10  # a topic keeps this many flushes at least, or one slow moment may be too long
_PROBE: Final = ".tidemill-doctor-"


def buffer_checks(settings: Settings) -> Iterator[Check]:
    """Yield whether the tables can be there: what they are made with, their columns, their folder."""
    root = buffer_root(settings)
    name = f"buffer {root}"
    try:
        require_libraries()
    except ServiceError as error:
        yield Check(name, Status.WARN, str(error), "needed only to buffer events and learn from them")
        return
    try:
        build_tables(settings)
    except BufferingError as error:
        yield Check(name, Status.WARN, str(error), "events are scored, and cannot be buffered before that is mended")
    if "://" in root:
        yield Check(name, Status.OK, "in object storage, which is not tried here; see 'tidemill buffer status'")
    else:
        yield _folder(name, Path(root))


def buffer_kafka_checks(settings: Settings, facts: KafkaFacts) -> Iterator[Check]:
    """Yield what the cluster says of labels and of what the buffer reads."""
    yield from _as_warnings(_labels(settings, facts))
    yield from _retention(settings, facts)
    shadow = facts.topics[settings.topics.shadow_scores]
    if shadow is not None:  # none is needed before there is a challenger
        yield from _as_warnings(topic_checks(f"shadow scores {settings.topics.shadow_scores}", shadow, needs="WRITE"))
    yield group_check(f"buffer group {settings.groups.buffer}", facts.buffer_group, lacking=Status.WARN)


def _labels(settings: Settings, facts: KafkaFacts) -> Iterator[Check]:
    name, found = f"labels {settings.topics.labels}", facts.topics[settings.topics.labels]
    if found is None and settings.labels.inline is not None:
        yield Check(name, Status.OK, f"no such topic; labels come inline, at {settings.labels.inline!r}")
    elif found is None:
        remedy = "run 'tidemill topics create', or name labels.inline if the events carry their label"
        yield Check(name, Status.WARN, "no such topic and no inline label: nothing is learnt from the stream", remedy)
    else:
        yield from topic_checks(name, found, needs="READ")
        if isinstance(found, TopicFacts) and "compact" in found.settings.get("cleanup.policy", ""):
            remedy = "set cleanup.policy of the topic to delete"
            yield Check(name, Status.WARN, "compaction drops all labels of a key but the last", remedy)


def _retention(settings: Settings, facts: KafkaFacts) -> Iterator[Check]:
    """What is deleted before it was buffered is lost to learning."""
    topics = settings.topics
    needed = max(milliseconds(STANDSTILL), FLUSHES_KEPT * milliseconds(settings.buffer.flush_interval))
    kept = {name: _retention_ms(facts, name) for name in (*topics.features, topics.scores, topics.labels)}
    short = {name: ms for name, ms in kept.items() if ms is not None and 0 <= ms < needed}
    for name, ms in short.items():
        lasts = format_duration(timedelta(milliseconds=ms))
        detail = f"{name} keeps records for {lasts}: what buffering misses in that time is lost to it"
        yield Check("retention", Status.WARN, detail, f"set retention.ms of {name} to {needed} at least")
    if not short and any(ms is not None for ms in kept.values()):
        yield Check(
            "retention",
            Status.OK,
            f"topics keep records for {format_duration(timedelta(milliseconds=needed))} or longer",
        )


def _retention_ms(facts: KafkaFacts, name: str) -> int | None:
    found = facts.topics[name]
    if not isinstance(found, TopicFacts) or "delete" not in found.settings.get("cleanup.policy", "delete"):
        return None
    text = found.settings.get("retention.ms", "")
    return int(text) if text.lstrip("-").isdigit() else None


def _folder(name: str, folder: Path) -> Check:
    place = next(place for place in (folder, *folder.parents) if place.exists())
    try:
        _write_there(place)
        free = shutil.disk_usage(place).free
    except OSError as error:
        remedy = "make it writable for this user, or correct buffer.uri; needed only to buffer"
        return Check(name, Status.WARN, f"{place}: {(error.strerror or str(error)).lower()}", remedy)
    detail = f"can be written, {free / 1024**3:.1f} GiB free" + ("" if place == folder else "; is made when needed")
    if free < LOW_DISK_BYTES:
        return Check(name, Status.WARN, detail, "free some space, or buffering comes to a stop; scoring does not")
    return Check(name, Status.OK, detail)


def _write_there(folder: Path) -> None:
    """Make a file, append to it and remove it."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix=_PROBE) as file:
        file.write(b"tidemill")
        file.flush()
        with Path(file.name).open("ab") as again:
            again.write(b" doctor")


def _as_warnings(checks: Iterable[Check]) -> Iterator[Check]:
    for check in checks:
        yield replace(check, status=Status.WARN) if check.status is Status.FAIL else check
