"""From a writer schema and the paths that are wanted to the steps that read just those, built once for both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from features.avro_fixed import (
    MAX_RUN_WIDTH,
    MAX_TAGGED_WIDTH,
    FixedRun,
    FromBytes,
    Layout,
    Pick,
    Step,
    booleans,
    decimals,
    float_items,
    floats,
    raw_bytes,
    uuids,
)
from features.avro_logical import DAY_MS, Logical, LogicalKind, logical_type
from features.avro_reader import build_reader
from features.avro_steps import (
    Branches,
    Nullable,
    PassBlocks,
    ReadBytes,
    ReadCarefully,
    ReadDecimal,
    ReadEnum,
    ReadNumber,
    ReadText,
    ReadVector,
)
from features.avro_types import AvroType, NamedTypes
from features.paths import Path

MAX_ITEMS_ONE_BY_ONE = 256  # of a sequence whose items have no fixed width
MAX_PLANNED_WIDTH = 1 << 31  # of a fixed; no record has as many bytes, and one of none has no place in a run
_PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
_SCALARS = (*_PRIMITIVES, "enum", "fixed")
_PLAIN_WIDTHS = {"double": 8, "float": 4, "boolean": 1}
_PLAIN_READS: Mapping[str, FromBytes | None] = {"double": None, "float": floats, "boolean": booleans}


@dataclass(slots=True)
class Want:
    """What is wanted at a step of a path and behind it.

    Attributes:
        slot: Where the value itself goes; None where only something behind it is wanted.
        length: It is wanted only as a sequence of so many numbers.
        children: What is wanted behind it, by the next step of the path.
    """

    slot: int | None = None
    length: int | None = None
    children: dict[str, Want] = field(default_factory=dict)

    def picks(self, behind: Path = ()) -> list[tuple[int, Path]]:
        """Return the slots here and below, each with the rest of its path."""
        own = [] if self.slot is None else [(self.slot, behind)]
        below = [pick for step, child in self.children.items() for pick in child.picks((*behind, step))]
        return own + below


@dataclass(frozen=True, slots=True)
class _Part:
    """Some steps; with a layout where they can be taken in one go with their neighbours."""

    steps: tuple[Step, ...]
    layout: Layout | None = None


def compile_steps(node: AvroType, named: NamedTypes, want: Want) -> list[Step]:
    """Return the steps that read records of an audited schema (see ``features.avro_types``)."""
    return _finished(_Compiler(named).parts(node, want, ()))


class _Compiler:
    def __init__(self, named: NamedTypes) -> None:
        self._named = named

    def parts(self, node: AvroType, want: Want | None, path: Path) -> list[_Part]:  # noqa: PLR0911 - one per kind
        """Return how a type is read that stands at a path."""
        if isinstance(node, str):
            node = {"type": node} if node in _PRIMITIVES else self._named[node]
        if isinstance(node, list):
            return self._union(node, want, path)
        kind = node["type"]
        if kind in ("record", "error"):
            return self._record(node, want, path)
        if want is not None and want.children:
            return self._carefully(node, want, path)
        if kind == "array":
            return self._array(node, want, path)
        if kind == "map":
            return self._carefully(node, want, path) if want else self._blocks(node, ["string", node["values"]])
        if kind in _SCALARS:
            return self._scalar(node, kind, want, path)
        return self.parts(kind, want, path)

    def _record(self, node: dict[str, Any], want: Want | None, path: Path) -> list[_Part]:
        if want is not None and want.slot is not None:
            return self._carefully(node, want, path)
        children = {} if want is None else want.children
        parts: list[_Part] = []
        for f in node["fields"]:
            parts += self.parts(f["type"], children.get(f["name"]), (*path, f["name"]))
        return _merged(parts)

    def _union(self, node: list[Any], want: Want | None, path: Path) -> list[_Part]:
        others = [branch for branch in node if branch not in ("null", {"type": "null"})]
        if want is not None and len(others) != 1:
            return self._carefully(node, want, path)
        if len(node) != 2 or len(others) != 1:
            return [_Part((Branches([_finished(self.parts(branch, want, path)) for branch in node]),))]
        null_first = node[1] is others[0]
        parts = self.parts(others[0], want, path)
        nullable = Nullable(null_first=null_first, steps=_finished(parts))
        layout = parts[0].layout if len(parts) == 1 else None
        if layout is None or layout.tags or layout.width > MAX_TAGGED_WIDTH:
            return [_Part((nullable,))]
        tag = Layout(1, tags=((0, 2 if null_first else 0),))
        return [_Part((nullable,), tag.followed_by(layout))]

    def _array(self, node: dict[str, Any], want: Want | None, path: Path) -> list[_Part]:
        items = node["items"]
        if want is None:
            return self._blocks(node, [items])
        if want.slot is None or want.length is None:
            return self._carefully(node, want, path)
        if items in ("double", "float"):
            width = want.length * _PLAIN_WIDTHS[items]
            run = FixedRun(Layout(width, (Pick(0, 0, width, _ITEMS[items]),)))
            return [_Part((ReadVector(want.slot, want.length, [run]),))]
        if items not in _ITEMS_ONE_BY_ONE or want.length > MAX_ITEMS_ONE_BY_ONE:
            return self._carefully(node, want, path)
        parts = [part for slot in range(want.length) for part in self.parts(items, Want(slot), path)]
        return [_Part((ReadVector(want.slot, want.length, _finished(_merged(parts))),))]

    def _blocks(self, node: AvroType, item: Sequence[AvroType]) -> list[_Part]:
        """Pass over an array or a map; where its items hold further ones, no bound on the turns would hold."""
        if any(self._has_blocks(kind) for kind in item):
            return self._carefully(node, None, ())
        parts = _merged([part for kind in item for part in self.parts(kind, None, ())])
        return [_Part((PassBlocks(_finished(parts), parts[0].layout if len(parts) == 1 else None),))]

    def _has_blocks(self, node: AvroType) -> bool:
        if isinstance(node, str):
            return node not in _PRIMITIVES and self._has_blocks(self._named[node])
        if isinstance(node, list):
            return any(map(self._has_blocks, node))
        kind = node["type"]
        if kind in ("record", "error"):
            return any(self._has_blocks(f["type"]) for f in node["fields"])
        return kind in ("array", "map") or (kind not in _SCALARS and self._has_blocks(kind))

    def _carefully(self, node: AvroType, want: Want | None, path: Path) -> list[_Part]:
        picks = [] if want is None else want.picks()
        return [_Part((ReadCarefully(build_reader(node, self._named), path, picks),))]

    def _scalar(self, node: dict[str, Any], kind: str, want: Want | None, path: Path) -> list[_Part]:
        slot = None if want is None else want.slot
        logical = None if slot is None else logical_type(node)
        if kind == "null":
            return []
        if kind == "fixed" and not 0 < node["size"] <= MAX_PLANNED_WIDTH:
            return self._carefully(node, want, path)
        if kind in _PLAIN_WIDTHS:
            return [_fixed(slot, _PLAIN_WIDTHS[kind], _PLAIN_READS[kind], is_boolean=kind == "boolean")]
        if kind == "fixed":
            return [_fixed(slot, node["size"], _fixed_read(logical), is_boolean=False)]
        return [_Part((_variable(node, kind, slot, logical),))]


_ITEMS: Mapping[str, FromBytes] = {
    "double": lambda block: block.view("<f8").copy(),
    "float": float_items,
}
_ITEMS_ONE_BY_ONE: tuple[AvroType, ...] = (
    "int",
    "long",
    *([a, b] for a, b in (("null", "double"), ("double", "null"), ("null", "float"), ("float", "null"))),
)


def _variable(node: dict[str, Any], kind: str, slot: int | None, logical: Logical | None) -> Step:
    if kind == "string":
        return ReadText(slot)
    if kind == "enum":
        return ReadEnum(slot, node["symbols"])
    if kind == "bytes":
        if slot is None or logical is None:
            return ReadBytes(slot)
        return ReadDecimal(slot, logical.divisor)
    return ReadNumber(
        slot,
        is_int=kind == "int",
        factor=DAY_MS if logical is not None and logical.kind is LogicalKind.DATE else 1,
        divisor=1 if logical is None else logical.divisor,
        zoneless=logical is not None and logical.kind is LogicalKind.LOCAL,
    )


def _fixed(slot: int | None, width: int, read: FromBytes | None, *, is_boolean: bool) -> _Part:
    picks = () if slot is None else (Pick(slot, 0, width, read),)
    layout = Layout(width, picks, booleans=(0,) if is_boolean else ())
    return _Part((FixedRun(layout),), layout)


def _fixed_read(logical: Logical | None) -> FromBytes:
    if logical is not None and logical.kind is LogicalKind.DECIMAL:
        return decimals(logical.divisor)
    return uuids if logical is not None and logical.kind is LogicalKind.UUID else raw_bytes


def _merged(parts: Sequence[_Part]) -> list[_Part]:
    """Bring neighbours together that can be read in one go."""
    merged: list[_Part] = []
    for part in parts:
        last = merged[-1].layout if merged else None
        if last is not None and part.layout is not None and last.width + part.layout.width <= MAX_RUN_WIDTH:
            merged[-1] = _Part(merged[-1].steps + part.steps, last.followed_by(part.layout))
        else:
            merged.append(part)
    return merged


def _finished(parts: Sequence[_Part]) -> list[Step]:
    steps: list[Step] = []
    for part in parts:
        if part.layout is None or (len(part.steps) == 1 and not part.layout.tags):
            steps += part.steps
        else:
            steps.append(FixedRun(part.layout, part.steps))
    return steps
