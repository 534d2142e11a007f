"""Reading JSON events by the shape that a stream repeats: compiled readers found out from the events themselves.

Most events of a stream hold the same keys. A reader that knows them makes no mapping for each record and
finds each value without looking a key up. It takes only a record that holds exactly the keys of its shape,
so that the number of keys in the record's text tells that none of them is doubled; every other record is
left to the reader that knows no shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from operator import attrgetter
from typing import Any, TypeAlias

import msgspec

from features.paths import Gathered, Path, gathered_by, split, value_at
from features.schema import FeatureSchema

MAX_SHAPES = 16  # streams of several kinds of event, or of keys that are left out where they are null
MAX_KEYS = 512  # of one event, at all depths
MAX_DEPTH = 16

Tree: TypeAlias = "Mapping[str, Tree | None]"
"""The keys of an object in their order; None under a key whose value is no object that has keys."""


class Shape:
    """One set of keys, and the reader of the events that hold exactly these.

    Attributes:
        read: Returns an event, or raises where the value is no such event, or no JSON at all.
        events: What was read in this batch.
        rows: The row of each.
        misses: How many values in this batch had as many keys and were no such events.
    """

    def __init__(self, tree: Tree) -> None:
        """Compile the reader.

        Raises:
            ValueError: A key holds a character that a compiled reader does not take.
        """
        self._tree = tree
        self.read = msgspec.json.Decoder(_struct(tree)).decode
        self.forget()

    def forget(self) -> None:
        """Let go of the events of a batch."""
        self.events: list[Any] = []
        self.rows: list[int] = []
        self.misses = 0

    def gather(self, schema: FeatureSchema) -> Gathered:
        """Return what a schema needs of the events read."""
        return gathered_by(self._column, schema, rows=self.rows)

    def _column(self, path: Path) -> list[Any]:
        """Return the value at a path of each event, as ``value_at`` gives it for the same event."""
        found = _locate(self._tree, path)
        if found is None:
            return [None] * len(self.events)
        attribute, depth = found
        values = map(attrgetter(attribute), self.events)
        if depth == len(path):
            return list(values)
        behind, rest = path[:depth], path[depth:]
        return [value_at(value, rest, behind=behind) for value in values]


class Shapes:
    """The shapes that a stream of events has shown so far, for one schema.

    A shape that misses more than it reads in a batch makes way for the next one with as many keys, and idle
    ones make way when there are many, so that no stream can spoil it for long.

    Attributes:
        schema: What is gathered.
        by_keys: One shape for each number of keys; ``learn`` adds to them.
    """

    def __init__(self, schema: FeatureSchema) -> None:
        """Know no shape yet."""
        self.schema = schema
        self.by_keys: dict[int, Shape] = {}
        self._tried: set[int] = set()

    @contextmanager
    def batch(self) -> Iterator[Shapes]:
        """Lend the shapes to read one batch by, and judge them at its end."""
        try:
            yield self
        finally:
            is_full = len(self.by_keys) >= MAX_SHAPES
            for keys, shape in list(self.by_keys.items()):
                if shape.misses > len(shape.events) or (is_full and not shape.events):
                    del self.by_keys[keys]
                shape.forget()
            self._tried.clear()

    def learn(self, event: Mapping[str, Any], keys: int) -> None:
        """Take the shape of an event that has so many keys, all different; one try a batch for each number."""
        is_known = keys in self.by_keys or keys in self._tried
        if is_known or keys > MAX_KEYS or max(len(self.by_keys), len(self._tried)) >= MAX_SHAPES:
            return  # a reader costs what hundreds of events do: few are compiled in a batch, even for nothing
        self._tried.add(keys)
        tree = _tree_of(event, MAX_DEPTH)
        if _size(tree) != keys or any(_is_object(tree, path) for path in _paths(self.schema)):
            return
        try:
            self.by_keys[keys] = Shape(tree)
        except ValueError:
            return  # such a key is rare, and the reader of any shape takes it

    def gather(self) -> list[Gathered]:
        """Return what the schema needs of the events read in this batch, shape by shape."""
        return [shape.gather(self.schema) for shape in self.by_keys.values() if shape.rows]


def _tree_of(event: Mapping[str, Any], room: int) -> Tree:
    return {
        key: _tree_of(value, room - 1) if type(value) is dict and value and room else None
        for key, value in event.items()
    }


def _size(tree: Tree) -> int:
    return len(tree) + sum(_size(child) for child in tree.values() if child is not None)


def _struct(tree: Tree) -> type[msgspec.Struct]:
    """Return a type that takes an object of exactly these keys; its values are read as any value is."""
    names = [f"f{position}" for position in range(len(tree))]
    types = [Any if child is None else _struct(child) for child in tree.values()]
    return msgspec.defstruct(
        "Event",
        list(zip(names, types, strict=True)),
        rename=dict(zip(names, tree, strict=True)),
        forbid_unknown_fields=True,
        gc=False,
    )


def _locate(tree: Tree, path: Path) -> tuple[str, int] | None:
    """Return the attribute that holds a path's value and how many steps lead to it; None: it is absent.

    Fewer steps than the path has: what stands there is a plain value, in which the path may go on.

    >>> _locate({"a": {"b": None}}, ("a", "b"))
    ('f0.f0', 2)
    """
    names: list[str] = []
    node: Tree | None = tree
    for depth, step in enumerate(path):
        if node is None:
            return ".".join(names), depth
        if step not in node:
            return None
        names.append(f"f{list(node).index(step)}")
        node = node[step]
    return ".".join(names), len(path)


def _is_object(tree: Tree, path: Path) -> bool:
    """Return whether a path ends at an object, which a compiled reader would not give as a plain value."""
    node: Tree | None = tree
    for step in path:
        if node is None:
            return False
        node = node.get(step)
    return node is not None


def _paths(schema: FeatureSchema) -> list[Path]:
    roles = schema.roles
    named = [roles.id, roles.time, roles.label, *roles.passthrough]
    return [*(field.path for field in schema.fields), *(split(dotted) for dotted in named if dotted is not None)]
