"""The tables of the buffer, as the service file describes them."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from service.errors import ServiceError
from service.settings import Settings

if TYPE_CHECKING:
    from buffer.delta_tables import DeltaTables

_LIBRARIES = ("pyarrow", "deltalake", "duckdb")


def build_tables(settings: Settings, *, reached: Callable[[str, str], None] | None = None) -> DeltaTables:
    """Return the three tables under ``buffer.uri``; nothing is opened or made yet.

    Args:
        settings: The service file.
        reached: Told the table's name and the step of each append, for failpoints.

    Raises:
        ServiceError: The libraries of the tables are not installed.
        TableRefused: ``buffer.uri`` cannot be an address, or a field is called like a column of the buffer's own.
    """
    require_libraries()
    from buffer.delta import DeltaBufferTable
    from buffer.delta_tables import DeltaTables
    from buffer.errors import TableRefused
    from buffer.layout import table_schemas
    from buffer.table import TableName

    schemas = table_schemas(settings.feature_schema())
    root = buffer_root(settings)
    if Path(root, "__init__.py").exists():  # the service file lies in a checkout, where buffer/ is source code
        raise TableRefused(f"{root}: holds Python code; give buffer.uri a folder of its own")

    def table(name: TableName) -> DeltaBufferTable:
        def tell(step: str) -> None:
            if reached is not None:
                reached(name, step)

        return DeltaBufferTable(
            name,
            f"{root}/{name}",
            schema=schemas[name],
            options=settings.buffer.storage,
            keep_versions=settings.buffer.keep_versions,
            reached=tell,
        )

    return DeltaTables(
        features=table(TableName.FEATURES), scores=table(TableName.SCORES), labels=table(TableName.LABELS)
    )


def buffer_root(settings: Settings) -> str:
    """Return the address the tables stand under: as given for an object store, else an absolute folder."""
    uri = settings.buffer.uri.rstrip("/")
    return uri if "://" in uri and not uri.startswith("file://") else str(settings.resolve(uri))


def require_libraries() -> None:
    """See that what the tables need is installed.

    Raises:
        ServiceError: It is not.
    """
    missing = [name for name in _LIBRARIES if find_spec(name) is None]
    if missing:
        raise ServiceError(f"the buffer needs {', '.join(missing)} (not installed): pip install 'tidemill[buffer]'")
