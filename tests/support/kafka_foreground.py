"""`make kafka`: one broker in the foreground for a person; Ctrl-C ends it and removes what it kept."""

from __future__ import annotations

import argparse
import contextlib
import signal
import socket
import sys
import tempfile
from pathlib import Path

from tests.support.java import JavaMissing
from tests.support.kafka import KafkaCluster
from tests.support.kafka_broker import BrokerFailed
from tests.support.kafka_jars import KafkaJarsMissing


def main() -> int:
    """Run a broker until SIGINT or SIGTERM; end with 3 and one clear line where it cannot be started."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--port", type=int, default=9092)
    port = options.parse_args().port
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            print(f"error: port {port} is taken. Choose another one: make kafka PORT=9093", file=sys.stderr)
            return 3
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with (
            contextlib.suppress(KeyboardInterrupt),
            tempfile.TemporaryDirectory(prefix="tidemill-kafka-") as folder,
            KafkaCluster(Path(folder, "cluster"), port=port) as cluster,
        ):
            print(f"Apache Kafka is ready. bootstrap.servers: {cluster.bootstrap_servers}")
            print("Topics are not created by themselves: use `tidemill topics create`.")
            print("Ctrl-C ends it and removes its data.", flush=True)
            signal.pause()
    except (BrokerFailed, KafkaJarsMissing, JavaMissing) as error:
        print(f"error: {error}", file=sys.stderr)
        return 3
    print("\nKafka has ended; nothing is left behind.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
