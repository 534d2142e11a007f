"""The model store of a service; light, so that a listing need not load what scores."""

from __future__ import annotations

from models.store import ModelStore
from models.stores import open_store
from service.settings import Settings


def build_store(settings: Settings) -> ModelStore:
    """Open the model store of the service; nothing is read yet."""
    return open_store(str(settings.model_store_path), settings.model.name)
