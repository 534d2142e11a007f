from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import structlog

from service.logs import LogFormat, Repeats, client_logger, configure_logs, hush_client


class Terminal(io.StringIO):
    """Text in memory that says it is a terminal."""

    def isatty(self) -> bool:
        """Return that it is one."""
        return True


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_logs_are_json_when_nobody_watches() -> None:
    """One object per line with the documented keys and the fields given."""
    stream = io.StringIO()
    configure_logs(stream=stream)
    structlog.stdlib.get_logger("tidemill").info("Batch committed", records=3)
    line = json.loads(stream.getvalue())
    written = datetime.fromisoformat(line.pop("timestamp"))
    expected = {"event": "Batch committed", "level": "info", "logger": "tidemill", "records": 3}
    assert (line, written.tzinfo) == (expected, UTC)


def test_logs_of_libraries_look_like_ours() -> None:
    """The Kafka client logs through the standard library and comes out as the same JSON."""
    stream = io.StringIO()
    configure_logs(LogFormat.JSON, stream=stream)
    client_logger().warning("FAIL [%s]: connect refused", "broker-1")
    line = json.loads(stream.getvalue())
    assert (line["event"], line["level"], line["logger"]) == (
        "FAIL [broker-1]: connect refused",
        "warning",
        "kafka.client",
    )


@pytest.mark.parametrize(
    ("format_", "stream", "coloured", "is_json"),
    [
        (LogFormat.AUTO, Terminal(), True, False),
        (LogFormat.CONSOLE, io.StringIO(), False, False),
        (LogFormat.JSON, Terminal(), False, True),
    ],
)
def test_logs_follow_the_format_and_the_terminal(
    format_: LogFormat, stream: io.StringIO, *, coloured: bool, is_json: bool
) -> None:
    """Colour is for terminals only, and JSON can be asked for there too."""
    configure_logs(format_, stream=stream)
    structlog.stdlib.get_logger("tidemill").info("Model swapped")
    written = stream.getvalue()
    assert ("\x1b[" in written, written.startswith("{")) == (coloured, is_json)


def test_client_logger_says_the_same_once() -> None:
    """A broker that is down is one line, not one for each attempt."""
    stream = io.StringIO()
    configure_logs(LogFormat.JSON, stream=stream)
    for attempt in range(20):
        client_logger().error("%s: refused (after %sms in state CONNECT)", "broker-down", attempt)
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["event"] == "broker-down: refused (after 0ms in state CONNECT)"


def test_client_is_silent_until_logs_are_set_up_again() -> None:
    """A command that ends says by itself what went wrong; a service after it in the process is heard again."""
    stream = io.StringIO()
    configure_logs(LogFormat.JSON, stream=stream)
    hush_client()
    client_logger().error("the broker is down")
    assert stream.getvalue() == ""
    configure_logs(LogFormat.JSON, stream=stream)
    client_logger().error("the broker is still down")
    assert stream.getvalue().count("\n") == 1


def test_logs_keep_an_exception_on_its_line() -> None:
    """A traceback is a field of the JSON line, not text between lines."""
    stream = io.StringIO()
    configure_logs(LogFormat.JSON, stream=stream)
    try:
        int("down")
    except ValueError:
        structlog.stdlib.get_logger("tidemill").exception("Store not readable")
    (line,) = stream.getvalue().splitlines()
    assert "ValueError: invalid literal" in json.loads(line)["exception"]


def test_logs_drop_what_is_below_the_level() -> None:
    """The level holds for our lines and for those of libraries."""
    stream = io.StringIO()
    configure_logs(LogFormat.JSON, "warning", stream=stream)
    structlog.stdlib.get_logger("tidemill").info("quiet")
    client_logger().info("quiet")
    assert stream.getvalue() == ""


def test_logs_refuse_an_unknown_level() -> None:
    """A misspelt level is an error, not silence."""
    with pytest.raises(ValueError, match="LOUD"):
        configure_logs(level="loud")


def test_repeats_sum_up_what_they_hold_down() -> None:
    """The next line after the quiet time tells how many there were."""
    now = [0.0]
    repeats = Repeats(interval_s=10, clock=lambda: now[0])
    first, second = repeats.due("bad", 2), repeats.due("bad", 3)
    other = repeats.due("worse")
    now[0] = 10.0
    assert (first, second, other, repeats.due("bad", 4)) == (2, None, 1, 7)
