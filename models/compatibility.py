"""Whether a model fits a service: its fields are a subset of the service's, with the same types."""

from __future__ import annotations

from features.schema import FeatureSchema, Field
from models.errors import ModelMismatch
from models.manifest import Manifest


def check_fits(manifest: Manifest, service_schema: FeatureSchema) -> FeatureSchema:
    """Return the model's fields as the service knows them: with its paths, policies and roles.

    Raises:
        ModelMismatch: A line that names every field which is absent or of another type.
    """
    have = {field.name: field for field in service_schema.fields}
    problems: list[str] = []
    for wanted in manifest.schema.fields:
        found = have.get(wanted.name)
        if found is None:
            problems.append(f"{wanted.name} ({_shape(wanted)}) is not in features.fields")
        elif (found.type, found.length) != (wanted.type, wanted.length):
            problems.append(f"{wanted.name} is {_shape(wanted)} in the model and {_shape(found)} in features.fields")
    if problems:
        raise ModelMismatch(f"model {manifest.name} {manifest.version} does not fit: {'; '.join(problems)}".strip())
    return service_schema.subset(manifest.schema.names)


def _shape(field: Field) -> str:
    return field.type.value if field.length is None else f"{field.type.value}[{field.length}]"
