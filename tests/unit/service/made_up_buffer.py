"""A service file beside tables with a made-up history."""

from __future__ import annotations

import random
from pathlib import Path

from buffer.delta_tables import DeltaTables
from service.settings import Settings, settings_from
from tests.unit.buffer.histories import History, at, fill, random_history, tables_in

NOW_MS = int(at(40).timestamp() * 1000)


def settings_in(folder: Path) -> Settings:
    """Return settings whose fields are those of the made-up histories."""
    fields = [{"name": "amount", "type": "double"}, {"name": "Last amounts", "type": "float", "length": 2}]
    return settings_from({"name": "fraud", "features": {"id": "txn", "fields": fields}}, folder=folder)


def filled(folder: Path, history: History | None = None) -> DeltaTables:
    """Return the tables of the settings, with this history or a random one."""
    tables = tables_in(folder / "buffer")
    fill(tables, random_history(random.Random(5)) if history is None else history)
    return tables
