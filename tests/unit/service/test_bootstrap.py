from __future__ import annotations

from pathlib import Path

import pytest

from service.bootstrap import max_batch_records
from service.settings import settings_from


@pytest.mark.parametrize(("length", "records"), [(20, 10_000), (65_536, 256)])
def test_a_batch_has_no_more_values_than_it_may_have_bytes(length: int, records: int) -> None:
    """Events of a few bytes, each with a null in the place of a long sequence, must not take all memory."""
    fields = {"fields": [{"name": "v", "type": "double", "length": length, "null": "keep"}]}
    assert max_batch_records(settings_from({"name": "fraud", "features": fields}, folder=Path())) == records
