"""Start a scoring process, end it on a signal, and leave cleanly."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import structlog

from service.bootstrap import ScoringService
from service.process import settle_process
from service.signals import ending_signals

EXIT_FORCED = 1
FIRST_LOOK_S = 60.0  # a slower store is waited for by the worker, which says so
GLANCE_S = 0.1  # how soon a signal is noticed meanwhile


class Stoppable(Protocol):
    """A worker that ends when it is asked to."""

    @property
    def is_stopping(self) -> bool:
        """Return whether it was asked to."""
        ...

    def stop(self) -> None:
        """Ask it; safe from a signal handler."""
        ...


def run_scoring_service(service: ScoringService) -> None:
    """Run until SIGTERM or SIGINT; the batch in hand is finished first. A second signal ends the process at once.

    Raises:
        SettingsError: The schema registry does not have the schema of the scores.
        ConsumerError: The worker cannot go on.
        ProducerError: The cluster refuses what the worker needs.
    """
    log = structlog.stdlib.get_logger("tidemill")
    if service.score_schema is not None:
        service.score_schema.look_up()
    with signals_stop(service.worker):
        service.watchdog.start()
        service.admin.start()
        service.champion.start()
        log.info("Scoring service started", admin_port=service.admin.port)
        try:
            _wait_for_first_look(service)
            settle_process()
            service.worker.run()
        finally:
            service.champion.stop()
            service.admin.stop()
            service.watchdog.stop()
    log.info("Scoring service stopped")


def _wait_for_first_look(service: ScoringService) -> None:
    """Give the champion time to load, so that a worker that begins before it does not take it for missing."""
    deadline = time.monotonic() + FIRST_LOOK_S
    while time.monotonic() < deadline and not service.worker.is_stopping:
        service.watchdog.beat()
        if service.champion.wait_for_first_look(GLANCE_S):
            return


@contextmanager
def signals_stop(worker: Stoppable) -> Iterator[None]:
    """Let SIGTERM and SIGINT stop the worker while the block runs; the handlers only set a flag."""

    def stop() -> None:
        if worker.is_stopping:
            os._exit(EXIT_FORCED)  # correctness never needs a clean exit
        worker.stop()

    with ending_signals(stop):
        yield
