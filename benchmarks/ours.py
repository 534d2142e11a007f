"""Our worker on the same records: decode, score, encode, one transaction a batch. Prints one JSON line."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from benchmarks.run import Clock, Order, Run, order_from
from consumer.kafka import KafkaSource
from consumer.telemetry import NullTelemetry
from consumer.watchdog import Watchdog
from features.rejection import Reason
from service.bootstrap import build_champion, build_event_codec, build_score_encoder, build_sink, build_worker
from service.clients import consumer_conf
from service.process import settle_process
from service.settings import load_settings


class BenchTelemetry(NullTelemetry):
    """Starts the clock at the first record, as the limit does, and adds up the stages."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.clock = Clock()
        self.stages: defaultdict[str, float] = defaultdict(float)
        self.dead = 0

    def records_consumed(self, topic: str, count: int) -> None:  # noqa: ARG002 - only the moment matters
        """Note the moment of the first record."""
        self.clock.start()

    def dead_lettered(self, reason: Reason, count: int) -> None:  # noqa: ARG002 - none is expected
        """Count what was not scored."""
        self.dead += count

    def batch_done(
        self,
        records: int,  # noqa: ARG002 - the worker returns it
        *,
        stages: Mapping[str, float],
        end_to_end: Sequence[float],  # noqa: ARG002 - the records are old
    ) -> None:
        """Add the seconds up; the first poll, which joins the group, is before the clock and left out."""
        is_first = not self.stages
        for name, seconds in stages.items():
            self.stages[name] += 0.0 if is_first and name == "poll" else seconds


def main(order: Order) -> Run:
    """Score ``order.events`` records with the champion of a project; return what it took."""
    overrides = {"groups.score": order.group, "topics.scores": order.target}
    settings = load_settings(Path(order.config), overrides).settings
    champion = build_champion(settings)
    champion.refresh()
    telemetry = BenchTelemetry()
    worker = build_worker(
        settings,
        source=KafkaSource(
            consumer_conf(settings, client_id="bench"), group_id=order.group, topics=settings.topics.features
        ),
        sink=build_sink(settings, transactional_id=order.group),
        champion=champion,
        telemetry=telemetry,
        watchdog=Watchdog(),
        codec=build_event_codec(settings),
        encoder=build_score_encoder(settings),
    )
    settle_process()
    done = 0
    while done < order.events:
        done += worker.run_once()
    taken = telemetry.clock.stop(done, stages=dict(telemetry.stages))
    worker.close()
    if telemetry.dead:
        raise SystemExit(f"{telemetry.dead} of {done} events became dead letters: this is no measurement")
    return taken


if __name__ == "__main__":
    print(msgspec.json.encode(main(order_from(sys.argv[1]))).decode())
