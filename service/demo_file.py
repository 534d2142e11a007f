"""The user's own file through the user's own model, on the broker in memory."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from features.tables import read_events
from producer.publishing import Event
from service.decoders import score_decoder
from service.embedded import EmbeddedService
from service.errors import ServiceError
from service.live_view import LiveView
from service.publish_command import encode_chunk, key_reader, publish_encoder
from service.schemas import build_schemas
from service.settings import Settings

CHUNK_ROWS = 500
SHOWN_SCORES = 5


@dataclass(frozen=True, slots=True)
class FileResult:
    """What came of a file: rows, scores, dead letters by reason, and the first few scores."""

    published: int
    left_out: int
    scored: int
    dead_letters: Mapping[str, int]
    first: Sequence[Mapping[str, Any]]


def run_file(settings: Settings, file: Path, *, seconds: float, console: Console) -> FileResult:
    """Publish the rows of a file over about ``seconds`` seconds at most and score them.

    Raises:
        ServiceError: There is no champion yet.
        FeatureError: The file cannot be read as events.
    """
    service = EmbeddedService(settings)
    service.champion.refresh()
    if service.champion.current() is None:
        raise ServiceError(f"{service.champion.state().problem}; train one first: tidemill train --data {file}")
    events, left_out = _events(settings, file)
    pause = seconds / (len(events) / CHUNK_ROWS + 1)
    title = f"Tidemill · {file.name} · in memory, not Kafka"
    with service.running(), LiveView(service.stats, title=title, console=console):
        for start in range(0, len(events), CHUNK_ROWS):
            service.publish((event.key, event.value) for event in events[start : start + CHUNK_ROWS])
            time.sleep(min(pause, 0.25))
        service.wait_until_done()
    decode = score_decoder(settings)
    scores = [decode(value or b"", ()) for value, _ in service.read(settings.topics.scores)]
    reasons = [headers["tidemill.reason"] or b"" for _, headers in service.read(settings.topics.dead_letters)]
    return FileResult(
        published=service.published,
        left_out=left_out,
        scored=len(scores),
        dead_letters=Counter(reason.decode() for reason in reasons),
        first=scores[:SHOWN_SCORES],
    )


def _events(settings: Settings, file: Path) -> tuple[list[Event], int]:
    encoder, key_of = publish_encoder(settings, build_schemas(settings)), key_reader(settings)
    events: list[Event] = []
    left_out = 0
    for chunk in read_events(file, settings.feature_schema()):
        encoded, problems = encode_chunk(chunk, encoder, key_of)
        events += encoded
        left_out += len(problems)
    return events, left_out
