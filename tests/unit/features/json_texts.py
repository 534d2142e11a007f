"""JSON as it is written by many hands, and what becomes of it on a bad day."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

SEPARATORS = [(",", ":"), (", ", ": "), (" ,", " :"), (",\n", ":\t")]
PIECES = [
    *(b'"', b"\\", b":", b",", b"{", b"}", b"[", b"]", b" ", b"\n", b"0", b"-", b".", b"e9", b'":', b'" :'),
    *(b"null", b"true", b"NaN", b"Infinity", b"1e999", b"{}", b'{"id":1}', b"9" * 30, b"\xff", b"\xed\xa0\x80"),
    *(b"\xef\xbb\xbf", b"\x00", b"\\u0061", b"\\ud800", b'"count":1,', b',"total":2', b'"\\u0063ount":3,'),
]


def json_texts(values: st.SearchStrategy[Any]) -> st.SearchStrategy[bytes]:
    """Return texts of these values, spaced in one of several ways, in ASCII or in UTF-8."""

    def text(value: Any, separators: tuple[str, str], *, is_ascii: bool) -> bytes:
        return json.dumps(value, separators=separators, ensure_ascii=is_ascii).encode()

    return st.builds(text, values, st.sampled_from(SEPARATORS), is_ascii=st.booleans())


@st.composite
def mutations(draw: st.DrawFn, text: bytes) -> bytes:
    """Return the text with up to three pieces put in, taken out, or said twice."""
    for _ in range(draw(st.integers(0, 3))):
        start, end = sorted((draw(st.integers(0, len(text))), draw(st.integers(0, len(text)))))
        piece = draw(st.sampled_from(PIECES) | st.just(text[start:end]) | st.binary(max_size=3))
        text = draw(st.sampled_from([text[:start] + piece + text[start:], text[:start] + piece + text[end:]]))
    return text
