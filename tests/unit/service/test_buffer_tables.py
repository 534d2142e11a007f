from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from buffer.errors import TableRefused
from buffer.layout import LABELS_SCHEMA
from buffer.table import TableName
from service.buffer_tables import build_tables
from service.errors import ServiceError
from service.settings import Settings, settings_from
from tests.support.buffer_delta import append


def settings(folder: Path, **buffer: Any) -> Settings:
    """Return settings of a service file in this folder."""
    fields = [{"name": "amount", "type": "double"}, {"name": "country", "type": "string"}]
    return settings_from(
        {"name": "fraud", "features": {"id": "txn", "fields": fields}, "buffer": buffer}, folder=folder
    )


@pytest.mark.parametrize("uri", ["./data/buffer", "data/buffer/", "file://data/buffer"])
def test_tables_stand_beside_the_service_file(tmp_path: Path, uri: str) -> None:
    """It matters where the file is, not where a command is run."""
    build_tables(settings(tmp_path, uri=uri)).prepare()
    assert sorted(path.name for path in (tmp_path / "data" / "buffer").iterdir()) == ["features", "labels", "scores"]


def test_tables_have_the_columns_of_the_fields(tmp_path: Path) -> None:
    """Features as they are decoded, in columns of their names."""
    tables = build_tables(settings(tmp_path))
    tables.prepare()
    columns = tables.of(TableName.FEATURES).snapshot().dataset().schema
    assert [str(columns.field(name).type) for name in ("amount", "country")] == ["double", "string"]
    assert set(tables.labels.snapshot().dataset().schema.names) == set(LABELS_SCHEMA.names)


def test_tables_of_an_object_store_keep_their_address(tmp_path: Path) -> None:
    """Nothing is looked up until a table is used."""
    tables = build_tables(settings(tmp_path, uri="s3://bucket/fraud/"))
    assert [table.uri for table in tables] == [f"s3://bucket/fraud/{name}" for name in ("features", "scores", "labels")]


def test_versions_are_kept_as_long_as_the_settings_say(tmp_path: Path) -> None:
    """Training may read an old version until then."""
    tables = build_tables(settings(tmp_path, keep_versions="2d"))
    tables.prepare()
    properties = tables.scores.handle().metadata().configuration
    kept = {name: value for name, value in properties.items() if "etention" in name}
    assert kept == {
        "delta.logRetentionDuration": "interval 172800 seconds",
        "delta.deletedFileRetentionDuration": "interval 172800 seconds",
    }


def test_failpoints_are_told_table_and_step(tmp_path: Path) -> None:
    """A test that kills at a step can choose the table."""
    steps: list[tuple[str, str]] = []
    tables = build_tables(settings(tmp_path), reached=lambda table, step: steps.append((table, step)))
    tables.prepare()
    append(tables.labels, 0, None, 1)
    assert steps == [("labels", step) for step in ("before_check", "before_commit", "after_commit")]


def test_missing_library_is_named_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The buffer is an extra; who left it out reads how to get it."""
    monkeypatch.setattr("service.buffer_tables.find_spec", lambda name: None if name == "deltalake" else object())
    with pytest.raises(ServiceError, match=r"needs deltalake.*pip install 'tidemill\[buffer\]'"):
        build_tables(settings(tmp_path))


def test_a_folder_of_source_code_is_refused(tmp_path: Path) -> None:
    """A service file in a checkout of this very project never has tables made among its sources."""
    (tmp_path / "buffer").mkdir()
    (tmp_path / "buffer" / "__init__.py").touch()
    with pytest.raises(TableRefused, match="a folder of its own"):
        build_tables(settings(tmp_path, uri="./buffer"))
