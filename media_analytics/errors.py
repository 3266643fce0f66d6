"""Errors a person reads.

Belongs here: the exception types that rooms share. Every message says what was given, what was expected and what
to do. Does not belong here: errors of one module only.
"""


class MediaAnalyticsError(Exception):
    """Base of every error the platform raises on purpose. The command line prints it without a traceback."""


class SettingsError(MediaAnalyticsError):
    """A setting is missing, unknown or contradicts another."""


class ContractError(MediaAnalyticsError):
    """A contract is wrong, or a change to one would break readers."""


class ServiceError(MediaAnalyticsError):
    """A service could not be started, reached, or is not ours."""


class DataLossError(MediaAnalyticsError):
    """Going on would lose or repeat data; the process stops and leaves everything as it is."""
