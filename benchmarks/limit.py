"""The limit: the bare client in a transactional loop that looks at nothing and decides nothing.

Polls one record, drains what is there within the same bounds as the worker, produces one constant record of
the size of a score for each (``keyed``: with a key and a timestamp, as a score has them), and commits records
and offsets together. No decoding, no model, no look at a message. Prints one JSON line. Run by
``benchmarks.throughput``, in a process of its own.
"""

from __future__ import annotations

import gc
import sys
from itertools import cycle, islice
from pathlib import Path

import msgspec
import numpy as np
from confluent_kafka import Consumer, Producer

from benchmarks.project import FIRST_EVENT_MS, KEYS
from benchmarks.run import Clock, Order, Run, order_from
from models.base import Scores
from producer.encoding import ScoreColumns
from service.bootstrap import build_score_encoder
from service.clients import consumer_conf, producer_conf
from service.settings import Settings, load_settings


def main(order: Order) -> Run:
    """Answer ``order.events`` records with a constant each; return what it took."""
    settings = load_settings(Path(order.config)).settings
    most, linger = settings.batch.max_records, settings.batch.linger.total_seconds()
    constant, target = a_score(settings, event_id=f"e{order.events}"), order.target
    consumer = Consumer(
        {**consumer_conf(settings, client_id="limit"), "group.id": order.group, "auto.offset.reset": "earliest"}
    )
    producer = Producer(
        {
            **producer_conf(settings, client_id="limit"),
            "transactional.id": order.group,
            "delivery.report.only.error": True,
        }
    )
    producer.init_transactions()
    consumer.subscribe(list(settings.topics.features))
    gc.freeze()  # a bare loop has no modules of ours for the collector to walk
    done, clock = 0, Clock()
    keys = cycle([str(number).encode() for number in range(KEYS)])
    while done < order.events:
        messages = consumer.consume(1, 1.0)
        if not messages:
            continue
        clock.start()
        messages += consumer.consume(most - 1, linger)
        producer.begin_transaction()
        produce = producer.produce
        if order.keyed:
            for key in islice(keys, len(messages)):
                produce(target, constant, key, -1, None, None, FIRST_EVENT_MS)
        else:
            for _ in messages:
                produce(target, constant)
        producer.send_offsets_to_transaction(
            consumer.position(consumer.assignment()), consumer.consumer_group_metadata()
        )
        producer.commit_transaction()
        done += len(messages)
    taken = clock.stop(done)
    consumer.close()
    return taken


def a_score(settings: Settings, *, event_id: str) -> bytes:
    """Return a record as the service would write it."""
    score = ScoreColumns(
        event_ids=[event_id],
        event_times=np.array([1_700_000_000_000]),
        scores=Scores(score=np.array([0.123456789012345]), prediction=["1"]),
        classes=("0", "1"),
        model_version="v1",
        role="champion",
        scored_at=1_700_000_000_000,
        topics=[settings.topics.features[0]],
        partitions=np.array([1], dtype=np.int32),
        offsets=np.array([100_000]),
        passthrough={},
    )
    return build_score_encoder(settings).encode(score)[0]


if __name__ == "__main__":
    print(msgspec.json.encode(main(order_from(sys.argv[1]))).decode())
