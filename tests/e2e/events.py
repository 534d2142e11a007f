"""Events sent by somebody who is not Tidemill, as long as a block runs."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pandas as pd
from confluent_kafka import Producer

from tests.e2e.stream import Stream

CHUNK = 50
PAUSE_S = 0.05


class Load:
    """About a thousand JSON events a second made of a frame's rows; which columns they carry can change."""

    def __init__(self, stream: Stream, frame: pd.DataFrame, *, without: frozenset[str] = frozenset()) -> None:
        """Take the rows; each event has an id of its own in ``sample``."""
        self._stream = stream
        self._rows = frame.drop(columns=["sample", "target"]).to_dict("records")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._send)
        self.without = without
        self.sent = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Send while the block runs; all of it is delivered at its end."""
        self._thread.start()
        try:
            yield
        finally:
            self.stop()

    def stop(self) -> None:
        """Send no more; all that was sent is delivered when this returns."""
        self._stopping.set()
        self._thread.join()

    def _send(self) -> None:
        producer = Producer(self._stream.kafka.client_settings)
        while not self._stopping.wait(PAUSE_S):
            for _ in range(CHUNK):
                row = self._rows[self.sent % len(self._rows)]
                event = {name: value for name, value in row.items() if name not in self.without}
                event["sample"] = f"e{self.sent}"
                producer.produce(self._stream.features, json.dumps(event).encode(), key=str(self.sent % 97).encode())
                self.sent += 1
            producer.poll(0)
        producer.flush()
