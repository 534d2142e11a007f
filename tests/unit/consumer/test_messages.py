from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from consumer.messages import columns_of


@dataclass
class Stub:
    """A client message; ``hostile`` ones behave as the client does with a header name that is no UTF-8."""

    hostile: bool = False
    given: Any = None
    asked: int = 0

    def topic(self) -> str:
        """Return a topic."""
        return "in"

    def partition(self) -> int:
        """Return a partition."""
        return 1

    def offset(self) -> int:
        """Return an offset."""
        return 7

    def timestamp(self) -> tuple[int, int]:
        """Return that there is none."""
        return 0, -1

    def key(self) -> None:
        """Return no key."""

    def value(self) -> bytes:
        """Return a value."""
        return b"{}"

    def headers(self) -> Any:
        """Return no header; when hostile, raise once and then give a list with a hole."""
        self.asked += 1
        if self.hostile and self.asked == 1:
            raise SystemError("returned a result with an exception set")
        return [("ok", b"1"), None] if self.hostile else self.given

    def set_headers(self, headers: Any) -> None:
        """Take other headers."""
        self.hostile, self.given = False, headers


def test_columns_pass_over_headers_that_cannot_be_read() -> None:
    """A header name that is no UTF-8 does not stop the stream, and the client's broken list is never touched."""
    message = Stub(hostile=True)
    batch = columns_of([message])
    assert batch is not None
    assert [list(batch.headers(0)), list(batch.headers(0)), message.asked] == [[], [], 1]


def test_headers_that_cannot_be_read_can_be_asked_for_again() -> None:
    """The list with a hole must not wait for whoever comes next: it would end the process."""
    message = Stub(hostile=True)
    batches = [columns_of([message]), columns_of([message])]
    assert [*(list(batch.headers(0)) for batch in batches if batch), message.headers()] == [[], [], []]


def test_columns_keep_what_a_record_lacks() -> None:
    """No key, no header and no timestamp are no errors."""
    batch = columns_of([Stub()])
    assert batch is not None
    assert [batch.keys, batch.headers(0), batch.timestamps_ms.tolist()] == [[None], (), [-1]]


def test_columns_keep_the_headers_around_one_that_cannot_be_read() -> None:
    """One hostile record costs no other record its headers, and the rows that have some are named."""
    headers = [("a", b"1")]
    batch = columns_of([Stub(), Stub(hostile=True), Stub(given=headers), Stub(hostile=True)], topic="in")
    assert batch is not None
    assert ([batch.headers(row) for row in range(4)], batch.headed) == ([(), (), headers, ()], [2])
