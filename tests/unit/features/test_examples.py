from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import features

MODULES = [module.name for module in pkgutil.iter_modules(features.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_hold(name: str) -> None:
    """An example in a docstring is a promise like any other."""
    assert doctest.testmod(importlib.import_module(f"features.{name}")).failed == 0
