"""What every command shares: the service file that was named, and how it is loaded."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

if TYPE_CHECKING:
    from service.settings import Loaded, Settings

DEFAULT_FILE: Final = "tidemill.yaml"


def help_of(command: Callable[..., None]) -> str:
    """Return the docstring of a command with each paragraph on one line, so that the terminal's width breaks it."""
    paragraphs = inspect.cleandoc(command.__doc__ or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


@dataclass(frozen=True, slots=True)
class Invocation:
    """The options given before the command."""

    config: Path


def config_path(context: typer.Context) -> Path:
    """Return the service file that was named, or the default one."""
    invocation = context.find_root().obj
    return invocation.config if isinstance(invocation, Invocation) else Path(DEFAULT_FILE)


def load(context: typer.Context, overrides: Mapping[str, str] | None = None) -> Settings:
    """Return the effective settings; ``overrides`` are flags by dotted path. Warnings go to stderr, logs are set up.

    Raises:
        SettingsError: Anything is wrong with them.
    """
    from service.logs import LogFormat, configure_logs

    loaded = load_with_origins(context, overrides)
    for warning in loaded.warnings:
        typer.echo(f"warning: {warning}", err=True)
    configure_logs(LogFormat(loaded.settings.logs.format), loaded.settings.logs.level)
    return loaded.settings


def load_quietly(context: typer.Context) -> Settings:
    """Return the effective settings for a command that ends: the Kafka client is silent, errors speak for it.

    Raises:
        SettingsError: Anything is wrong with them.
    """
    from service.logs import hush_client

    settings = load(context)
    hush_client()
    return settings


def load_with_origins(context: typer.Context, overrides: Mapping[str, str] | None = None) -> Loaded:
    """Return the effective settings with the origin of each, and say nothing.

    Raises:
        SettingsError: Anything is wrong with them.
    """
    from service.settings import load_settings

    return load_settings(config_path(context), overrides)
