"""What `tail` does, apart from its options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from consumer.kafka_reader import KafkaReader
from service.clients import consumer_conf
from service.decoders import Decode, event_decoder, label_decoder, score_decoder
from service.settings import Settings
from service.tail_view import LineOf

READ_RECORDS = 500
READ_TIMEOUT_S = 0.5


def follow(  # noqa: PLR0913 - what, from where, how many and how are four different things
    settings: Settings,
    stream: str,
    *,
    start: Literal["earliest", "latest"],
    limit: int | None,
    line: LineOf,
    show: Callable[[str], None],
) -> None:
    """Show records of a stream as they are committed, until ``limit`` or an interrupt."""
    decode = _decoder(settings, stream)
    reader = KafkaReader(
        consumer_conf(settings, client_id=f"{settings.name}-tail"), topics=_topics(settings, stream), start=start
    )
    shown = 0
    try:
        while limit is None or shown < limit:
            wanted = READ_RECORDS if limit is None else min(READ_RECORDS, limit - shown)
            batch = reader.read(max_records=wanted, timeout=READ_TIMEOUT_S)
            for row in range(0 if batch is None else len(batch)):
                if batch is not None:
                    show(line(batch, row, decode))
                shown += 1
    finally:
        reader.close()


def _topics(settings: Settings, stream: str) -> list[str]:
    topics = settings.topics
    return {
        "features": list(topics.features),
        "scores": [topics.scores],
        "labels": [topics.labels],
        "dead-letters": [topics.dead_letters],
        "shadow-scores": [topics.shadow_scores],
    }[stream]


def _decoder(settings: Settings, stream: str) -> Decode:
    if stream in {"scores", "shadow-scores"}:
        return score_decoder(settings)
    return label_decoder(settings) if stream == "labels" else event_decoder(settings)  # a dead letter was an event
