"""Errors of the shell. Each message is one line that says what, where and what to do."""

from __future__ import annotations


class ServiceError(Exception):
    """The shell cannot do what was asked."""


class SettingsError(ServiceError):
    """The configuration is wrong: an unknown key, a wrong value, a dangerous setting."""


class UsageError(ServiceError):
    """The command was given something it cannot use."""


class PluginError(ServiceError):
    """A ``module:callable`` of the user's cannot be loaded."""


class Unreachable(ServiceError):
    """Something the command needs does not answer: the broker, the store."""


class Refused(ServiceError):
    """The cluster answers and says no: authorisation, an impossible topic."""


class IdentityClaimed(ServiceError):
    """No transactional identity could be claimed for this process."""
