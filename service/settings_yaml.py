"""Read a YAML mapping that may come from anywhere: size, aliases, doubled keys and types are checked first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

from service.errors import SettingsError

MAX_FILE_BYTES: Final = 1024 * 1024
MAX_NODES: Final = 100_000  # after aliases are written out; a large honest file has a few thousand
KeyPath: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed mapping and the line on which each of its keys stands, counted from 1."""

    data: Mapping[str, Any]
    lines: Mapping[KeyPath, int]


def read_yaml(path: Path) -> Document:
    """Return the mapping in a file.

    Raises:
        SettingsError: Not there, not readable, too large, not YAML, or not a mapping.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise SettingsError(f"{path}: larger than {MAX_FILE_BYTES} bytes; this cannot be a service file")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SettingsError(
            f"{path}: no such file; name it with -c FILE, or make one with 'tidemill init --from FILE.csv'"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}") from None
    return parse_yaml(text, origin=str(path))


def parse_yaml(text: str, *, origin: str) -> Document:
    """Return the mapping in a text; ``origin`` names it in messages.

    Keys are taken as they are written: ``null:``, ``on:`` and ``1:`` are texts, not YAML's own values.
    Tags (``!!python/object``) are refused.

    Raises:
        SettingsError: Not YAML, not a mapping, a doubled key, or more than it seems (aliases).
    """
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return Document({}, {})
        _refuse_bomb(node, origin)
        lines = dict(_keys(node, (), origin))
        data = loader.construct_document(node)
    except yaml.YAMLError as error:
        raise SettingsError(f"{origin}{_where(error)}: not valid YAML: {_problem(error)}") from None
    except RecursionError:
        raise SettingsError(f"{origin}: nested too deeply") from None
    finally:
        loader.dispose()
    if not isinstance(data, dict):
        raise SettingsError(f"{origin}: must hold keys and values, not a {type(data).__name__}")
    return Document(data, lines)


def parse_value(text: str, *, origin: str) -> Any:
    """Return a value given as one text: a list or a map where it is written as one, else the text itself.

    Raises:
        SettingsError: It begins like a list or a map and is not one.
    """
    if not text.startswith(("[", "{")):
        return text
    return parse_yaml(f"value: {text}", origin=origin).data["value"]


def _refuse_bomb(root: yaml.Node, origin: str) -> None:
    """Refuse a document whose aliases, written out, make it huge or endless."""
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()

    def size(node: yaml.Node) -> int:
        if id(node) in open_nodes:
            raise SettingsError(f"{origin}:{node.start_mark.line + 1}: an alias that contains itself")
        if id(node) not in sizes:
            open_nodes.add(id(node))
            sizes[id(node)] = 1 + sum(size(child) for child in _children(node))
            open_nodes.discard(id(node))
        return sizes[id(node)]

    if size(root) > MAX_NODES:
        raise SettingsError(f"{origin}: holds more than {MAX_NODES} values once its aliases are written out")


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        yield from node.value
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key
            yield value


def _keys(node: yaml.Node, path: KeyPath, origin: str) -> Iterator[tuple[KeyPath, int]]:
    """Make every key a text, refuse doubled ones, and yield where each stands."""
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _keys(item, (*path, str(index)), origin)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: set[str] = set()
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise SettingsError(f"{origin}:{line}: a key must be a plain text")
        if key.tag != "tag:yaml.org,2002:merge":
            key.tag = "tag:yaml.org,2002:str"
            if key.value in seen:
                raise SettingsError(f"{origin}:{line}: {'.'.join((*path, key.value))} is given twice")
            seen.add(key.value)
        yield (*path, key.value), line
        yield from _keys(value, (*path, key.value), origin)


def _where(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return "" if mark is None else f":{mark.line + 1}"


def _problem(error: yaml.YAMLError) -> str:
    return " ".join(str(getattr(error, "problem", None) or error).split())
