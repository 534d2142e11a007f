"""Our worker on the same records: decode, score, encode, one transaction a batch. Prints one JSON line."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

from consumer.kafka import KafkaSource
from consumer.telemetry import NullTelemetry
from consumer.watchdog import Watchdog
from service.bootstrap import build_champion, build_sink, build_worker
from service.clients import consumer_conf
from service.settings import load_settings


class FirstRecord(NullTelemetry):
    """Starts the clock at the first record, as the limit does."""

    began = 0.0
    cpu_began = 0.0

    def records_consumed(self, topic: str, count: int) -> None:  # noqa: ARG002 - only the moment matters
        """Note the moment."""
        if not self.began:
            self.began, self.cpu_began = time.perf_counter(), time.process_time()


def main(order: dict[str, Any]) -> dict[str, float]:
    """Score ``order["events"]`` records with the champion of a project; return what it took."""
    settings = load_settings(
        Path(order["config"]), {"groups.score": order["group"], "topics.scores": order["target"]}
    ).settings
    champion = build_champion(settings)
    champion.refresh()
    clock = FirstRecord()
    worker = build_worker(
        settings,
        source=KafkaSource(
            consumer_conf(settings, client_id="bench"),
            group_id=order["group"],
            topics=settings.topics.features,
        ),
        sink=build_sink(settings, transactional_id=order["group"]),
        champion=champion,
        telemetry=clock,
        watchdog=Watchdog(),
    )
    done = 0
    while done < order["events"]:
        done += worker.run_once()
    taken = {"seconds": time.perf_counter() - clock.began, "cpu_seconds": time.process_time() - clock.cpu_began}
    worker.close()
    return {"events": done, **taken, "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
