"""How long a schema registry is waited for: calls that end in time, whatever the other side does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar

MAX_HANGING: Final = 4  # calls that were left to themselves; with more of them no further one is made

_T = TypeVar("_T")


def longest_look_s(conf: Mapping[str, Any]) -> float:
    """Return the seconds that one question can take by the client's settings, all retries and urls counted.

    >>> longest_look_s({"url": "http://a,http://b", "timeout": 2, "max.retries": 1, "retries.max.wait.ms": 500})
    10.0
    """
    attempts = (1 + int(float(conf["max.retries"]))) * len(str(conf["url"]).split(","))
    return attempts * (float(conf["timeout"]) + float(conf["retries.max.wait.ms"]) / 1000)


class Patience:
    """Waits for each call so long and no longer.

    A client's own timeout is that of each read from the network: an answer that comes drop by drop, or a name that
    nobody resolves, outlasts it. So each call has a thread of its own, which is left to itself when it is late.
    """

    def __init__(self, seconds: float) -> None:
        """Set how long."""
        self.seconds = seconds
        self._lock = threading.Lock()
        self._hanging = 0

    def wait_for(self, call: Callable[[], _T]) -> _T:
        """Return what a call returns, or raise what it raises; from any thread.

        Raises:
            TimeoutError: It takes longer, or as many as may be left to themselves have not ended yet.
        """
        if self._hanging >= MAX_HANGING:
            raise TimeoutError(f"{self._hanging} earlier questions have no answer yet")
        outcome: SimpleQueue[Callable[[], _T]] = SimpleQueue()
        is_late = threading.Event()

        def run() -> None:
            try:
                tell = _returning(call())
            except BaseException as error:
                tell = _raising(error)
            with self._lock:
                outcome.put(tell)
                self._hanging -= is_late.is_set()

        threading.Thread(target=run, name="schema-registry", daemon=True).start()
        try:
            return outcome.get(timeout=self.seconds)()
        except Empty:
            with self._lock:
                if outcome.empty():  # it may have come at the last moment
                    is_late.set()
                    self._hanging += 1
            raise TimeoutError(f"no answer within {self.seconds:g} s") from None


def _returning(value: _T) -> Callable[[], _T]:
    return lambda: value


def _raising(error: BaseException) -> Callable[[], Any]:
    def tell() -> Any:
        raise error

    return tell
