"""Which of a service's fields a model trained elsewhere was fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from features.schema import FeatureSchema
from models.errors import ModelMismatch
from models.estimators import needed_columns, selects_by_name
from models.inputs import column_names, names_of


def fields_of(estimator: Any, service_schema: FeatureSchema) -> FeatureSchema:
    """Return the model's fields, in the order it was fitted on, as the service knows them.

    By name where the estimator was fitted on named columns (sequences spelled ``name_0``, ``name_1``, …),
    else all fields of the service, whose columns must then be as many as the estimator has.

    Raises:
        ModelMismatch: A line that names the differences.
    """
    wanted = needed_columns(estimator)
    if wanted is None:
        return _by_count(estimator, service_schema)
    owner = {name: field.name for field in service_schema.fields for name in names_of(field)}
    absent = [name for name in wanted if name not in owner]
    if absent:
        raise ModelMismatch(
            f"the model was fitted on {', '.join(absent)}, which features.fields does not have "
            f"(it has {', '.join(service_schema.names)}): {_mend(absent, service_schema)}"
        )
    schema = service_schema.subset(dict.fromkeys(owner[name] for name in wanted))
    have = list(column_names(schema))
    if not selects_by_name(estimator) and have != wanted:
        raise ModelMismatch(
            f"the model was fitted on the columns {', '.join(wanted)}; a sequence needs all of its own, "
            f"side by side and in order: {', '.join(have)}"
        )
    return schema


def _mend(absent: Sequence[str], service_schema: FeatureSchema) -> str:
    """Return what to do; whoever fitted on the columns of a file used the paths where the service has names."""
    by_path = {field.source: field.name for field in service_schema.fields}
    path = next((name for name in absent if name in by_path), None)
    if path is None:
        return "add or rename the fields"
    return f"a model knows fields by name, so write 'name: {path}' where the service file has 'name: {by_path[path]}'"


def _by_count(estimator: Any, service_schema: FeatureSchema) -> FeatureSchema:
    width = getattr(estimator, "n_features_in_", None)
    have = column_names(service_schema)
    if width is not None and width != len(have):
        raise ModelMismatch(
            f"the model was fitted on {width} columns without names, features.fields makes {len(have)} "
            f"({', '.join(have)}): name exactly its fields, in its order, or fit it on a DataFrame"
        )
    return service_schema
