"""The bare client that reads a topic and looks at nothing, within the bounds of the worker. Prints one JSON line."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import msgspec
from confluent_kafka import Consumer

from benchmarks.run import Clock, Order, Run, order_from
from consumer.buffering_limits import BufferingLimits
from service.bootstrap import max_batch_records
from service.clients import consumer_conf
from service.settings import load_settings


def main(order: Order) -> Run:
    """Read ``order.events`` records; return what it took."""
    settings = load_settings(Path(order.config)).settings
    consumer = Consumer(
        {**consumer_conf(settings, client_id="bare"), "group.id": order.group, "auto.offset.reset": "earliest"}
    )
    consumer.subscribe(list(settings.topics.features))
    most, linger = max_batch_records(settings), BufferingLimits().linger
    gc.freeze()
    done, clock = 0, Clock()
    while done < order.events:
        messages = consumer.consume(1, 1.0)
        if messages:
            clock.start()
            done += len(messages) + len(consumer.consume(min(most, order.events - done) - 1, linger))
    taken = clock.stop(done)
    consumer.close()
    return taken


if __name__ == "__main__":
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    print(msgspec.json.encode(main(order_from(sys.argv[1]))).decode())
