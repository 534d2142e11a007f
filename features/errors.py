"""What can be wrong with a schema or a value, as a small tree of errors."""

from __future__ import annotations


class FeatureError(Exception):
    """The features of an event cannot be used as asked."""


class SchemaError(FeatureError):
    """The feature schema contradicts itself or asks for something that is not supported."""


class CodecError(FeatureError):
    """A codec cannot be built for this format and schema."""


class EncodeError(FeatureError):
    """An event cannot be written in this format: its values do not fit the schema."""


class TableError(FeatureError):
    """A file of events cannot be read at all; a bad line alone is a problem of that line instead."""


class SchemasUnavailable(FeatureError):
    """The schema registry gave no definite answer: down, slow, wrong, or it does not let us in.

    Policy: pause and ask again. No record is at fault, so none becomes a dead letter.
    """


class SchemaIncompatible(FeatureError):
    """A subject's rule of compatibility refuses a schema."""
