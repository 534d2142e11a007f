from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema
import pytest
import yaml

from tests.helm.chart import CHART, FULL_VALUES

VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())


def paths(schema: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield every value the schema knows by name."""
    for key, part in schema["properties"].items():
        if "properties" in part:
            yield from paths(part, f"{prefix}{key}.")
        elif key != "global":  # helm's own
            yield prefix + key


def value_paths(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield every value of values.yaml; `resources` is one."""
    for key, value in values.items():
        if isinstance(value, dict) and value and key != "resources":
            yield from value_paths(value, f"{prefix}{key}.")
        else:
            yield prefix + key


def test_values_and_schema_know_the_same_names() -> None:
    """A value that can be set has a default and a type, and nothing else has."""
    assert sorted(value_paths(VALUES)) == sorted(paths(SCHEMA))


def test_every_value_is_explained() -> None:
    """Each value stands under a comment that begins with its name."""
    explained = set(re.findall(r"^ *# ([a-z][\w.]*):", (CHART / "values.yaml").read_text(), re.MULTILINE))

    assert explained >= set(value_paths(VALUES))


@pytest.mark.parametrize("values", [VALUES, yaml.safe_load(FULL_VALUES.read_text())], ids=["defaults", "full"])
def test_schema_takes_what_the_chart_ships(values: dict[str, Any]) -> None:
    """The defaults, and every value used at once, are valid."""
    assert list(jsonschema.Draft7Validator(SCHEMA).iter_errors(values)) == []


@pytest.mark.parametrize(
    "wrong",
    [{"replicas": 3}, {"image": {"name": "x"}}, {"modelStore": {"readonly": True}}, {"image": {"digest": "latest"}}],
    ids=str,
)
def test_schema_refuses_what_the_chart_does_not_know(wrong: dict[str, Any]) -> None:
    """A misspelt value is an error at once, never a silent default."""
    assert list(jsonschema.Draft7Validator(SCHEMA).iter_errors(wrong)) != []
