"""The limit: the bare client passing records through a transaction, with nothing done to them.

Reads a topic from its beginning in a new group, produces each value as it is, commits offsets and records together.
Prints one JSON line. Run by ``benchmarks.throughput``, in a process of its own.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

BATCH = 10_000
LINGER_S = 0.005


def main(order: dict[str, Any]) -> dict[str, float]:
    """Pass ``order["events"]`` records from one topic to another; return what it took."""
    consumer = Consumer({**order["consumer"], "group.id": order["group"], "auto.offset.reset": "earliest"})
    producer = Producer({**order["producer"], "transactional.id": order["group"]})
    producer.init_transactions()
    consumer.subscribe([order["source"]])
    done, began, cpu = 0, 0.0, 0.0
    while done < order["events"]:
        messages = consumer.consume(1, 1.0)
        if not messages:
            continue
        if not began:
            began, cpu = time.perf_counter(), time.process_time()
        messages += consumer.consume(BATCH - 1, LINGER_S)
        producer.begin_transaction()
        offsets: dict[tuple[str, int], int] = {}
        for message in messages:
            topic, partition, offset = message.topic() or "", message.partition() or 0, message.offset() or 0
            producer.produce(order["target"], message.value(), message.key())
            offsets[topic, partition] = offset + 1
        producer.send_offsets_to_transaction(
            [TopicPartition(topic, partition, offset) for (topic, partition), offset in offsets.items()],
            consumer.consumer_group_metadata(),
        )
        producer.commit_transaction()
        done += len(messages)
    taken = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu}
    consumer.close()
    return {"events": done, **taken, "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
