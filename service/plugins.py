"""Users' own code: found by ``module:name``, and never able to stand in for ours."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from service.errors import PluginError

OUR_PACKAGES: Final = ("features", "models", "buffer", "learning", "producer", "consumer", "service")
RESERVED: Final = frozenset({*OUR_PACKAGES, "tests"})


def refuse_our_own(reference: str, *, where: str) -> Iterator[str]:
    """Yield a line when the module of ``module:name`` carries the name of one of our packages."""
    top = reference.split(":", 1)[0].split(".", 1)[0]
    if top in RESERVED:
        yield (
            f"{where}: {reference!r} is refused: Tidemill has a package {top!r} of its own; rename your module,"
            f" for instance to 'my_{top}'"
        )


def load_callable(reference: str, *, where: str, path: Path | None = None) -> Any:
    """Return what ``module:name`` names; ``where`` says which setting or flag asks for it.

    ``path`` (the setting ``plugins.path``) is searched after everything else, so it cannot replace a library.

    Raises:
        PluginError: A name of ours, no such module or name, not callable, or the module fails on import.
    """
    for refusal in refuse_our_own(reference, where=where):
        raise PluginError(refusal)
    module_name, _, name = reference.partition(":")
    if not module_name or not name.isidentifier():
        raise PluginError(f"{where}: {reference!r} must be written module:name, for instance 'fraud_code:make_model'")
    add_folder(path)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name != module_name.split(".", 1)[0]:
            raise PluginError(
                f"{where}: {module_name} needs the module {error.name!r}, which is not installed"
            ) from error
        raise PluginError(
            f"{where}: no module {module_name!r}; install it, or set plugins.path to its folder"
        ) from None
    except Exception as error:
        raise PluginError(f"{where}: importing {module_name} fails with {type(error).__name__}: {error}") from error
    found = getattr(module, name, None)
    if not callable(found):
        raise PluginError(f"{where}: {module.__file__} has no callable {name!r}")
    return found


def add_folder(path: Path | None) -> None:
    """Let modules of this folder (``plugins.path``) be imported, after everything else; None does nothing."""
    if path is not None and str(path) not in sys.path:
        sys.path.append(str(path))


def put_our_packages_first() -> None:
    """Mend ``sys.path`` so that no folder of the user's can stand in for one of our packages.

    The working folder leaves the path; any other entry before ours that holds a package of one of our names
    goes behind it. Called once, by the entry point, before anything of ours but this module is imported.
    """
    root = Path(__file__).resolve().parent.parent
    here = Path.cwd().resolve()
    first: list[str] = []
    behind: list[str] = []
    passed_ours = False
    for entry in sys.path:
        place = Path(entry or os.curdir).resolve()
        passed_ours = passed_ours or place == root
        if place == here and place != root:
            continue
        (behind if not passed_ours and _holds_our_names(place) else first).append(entry)
    sys.path[:] = [*first, *([] if passed_ours else [str(root)]), *behind]


def _holds_our_names(place: Path) -> bool:
    return any((place / name).is_dir() or (place / f"{name}.py").is_file() for name in OUR_PACKAGES)
