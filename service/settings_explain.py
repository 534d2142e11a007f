"""Turn what pydantic found into one line: the path, the fault, where it was given, the nearest known key."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from service.settings_sources import Given, free_path
from service.settings_yaml import KeyPath

MAX_SHOWN = 3  # faults in one line; the rest is counted


def explain(error: ValidationError, root: type[BaseModel], given: Mapping[KeyPath, Given]) -> str:
    """Return every fault of a validation in one line, unknown keys with the nearest known one."""
    faults = list(dict.fromkeys(_line(fault, root, given) for fault in error.errors()))
    more = f"; and {len(faults) - MAX_SHOWN} more" if len(faults) > MAX_SHOWN else ""
    return "; ".join(faults[:MAX_SHOWN]) + more


def _line(fault: ErrorDetails, root: type[BaseModel], given: Mapping[KeyPath, Given]) -> str:
    path = tuple(str(step) for step in fault["loc"])
    where = _origin(path, given)
    if fault["type"] == "extra_forbidden":
        return f"{_dotted(path)}{where}: unknown key{_suggestion(path, root)}"
    if fault["type"] == "missing":
        return f"{_dotted(path)}{where}: is missing"
    message = fault["msg"].removeprefix("Value error, ")
    if not path:  # a check of the whole file names its own path
        named = tuple(message.split(":", 1)[0].split("."))
        return message.replace(":", f"{_origin(free_path(named), given)}:", 1)
    shown = "" if fault["type"] == "value_error" else f", not {_short(fault['input'])}"
    return f"{_dotted(path)}{where}: {message[:1].lower()}{message[1:]}{shown}"


def _origin(path: KeyPath, given: Mapping[KeyPath, Given]) -> str:
    """Return where the value was given, in brackets; of the nearest thing above where it is part of a list."""
    for end in range(len(path), 0, -1):
        if path[:end] in given:
            return f" ({given[path[:end]].origin})"
    below = next((item for known, item in given.items() if path and known[: len(path)] == path), None)
    return f" ({below.origin})" if below else ""


def _dotted(path: KeyPath) -> str:
    return "".join(f"[{step}]" if step.isdigit() else f".{step}" for step in path).removeprefix(".")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _suggestion(path: KeyPath, root: type[BaseModel]) -> str:
    """Return the nearest known key: first among its neighbours, then anywhere in the file."""
    siblings = list(_keys(_model_at(path[:-1], root)))
    near = difflib.get_close_matches(path[-1], siblings, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {_dotted((*path[:-1], near[0]))!r}?"
    elsewhere = [other for other in _all_paths(root, ()) if other[-1] == path[-1]]
    if elsewhere:
        return f"; did you mean {_dotted(elsewhere[0])!r}?"
    return f"; known here: {', '.join(siblings)}" if siblings else ""


def _keys(model: type[BaseModel] | None) -> Iterator[str]:
    for name, info in (model.model_fields if model else {}).items():
        yield info.alias or name


def _model_at(path: KeyPath, root: type[BaseModel]) -> type[BaseModel] | None:
    """Return the section a path leads to, through lists."""
    model: type[BaseModel] | None = root
    for step in path:
        if model is None:
            return None
        if not step.isdigit():
            model = dict(_sections(model)).get(step)
    return model


def _sections(model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield the fields of a section that are sections themselves, or tuples of them."""
    for name, info in model.model_fields.items():
        for kind in (info.annotation, *getattr(info.annotation, "__args__", ())):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield info.alias or name, kind


def _all_paths(model: type[BaseModel], above: KeyPath) -> Iterator[KeyPath]:
    yield from ((*above, key) for key in _keys(model))
    for name, section in _sections(model):
        yield from _all_paths(section, (*above, name))
