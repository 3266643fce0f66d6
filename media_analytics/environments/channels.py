"""How notices reach people: the mail server and the Slack webhook of one installation.

Belongs here: their addresses, credentials and limits. Does not belong here: who is told of what
(`media_analytics.environments.operations`), sending (`media_analytics.notices`).
"""

from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from media_analytics.environments.operations import Address, Section


class Smtp(Section):
    """The server that takes our mail."""

    host: str
    port: int = Field(default=587, ge=1, le=65535)
    # `starttls`: plain until the server offers TLS, refused without; `tls` from the first byte; `none` within one host.
    encryption: Literal["starttls", "tls", "none"] = "starttls"
    username: str | None = None
    password: SecretStr | None = None
    sender: Address
    # A server that does not answer by then is tried again at the next tick.
    timeout_seconds: float = Field(default=10.0, gt=0, le=60)

    @model_validator(mode="after")
    def _credentials_are_whole_and_hidden(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together; set both or neither")
        if self.password is not None and self.encryption == "none":
            raise ValueError("a password is not sent in plain text; set encryption to `starttls` or `tls`")
        return self


class Channels(Section):
    """Where notices go. On a laptop none need be set: then nobody is told."""

    smtp: Smtp | None = None
    slack_webhook: SecretStr | None = None
    slack_timeout_seconds: float = Field(default=10.0, gt=0, le=60)
    # Where readers of a notice find `docs/runbooks`: a web address, or the folder in the repository.
    runbooks_url: str
    # Seconds between two looks at runs and tables.
    interval_seconds: int = Field(default=30, ge=5)

    @property
    def are_set(self) -> bool:
        """Whether anybody can be told."""
        return self.smtp is not None or self.slack_webhook is not None

    def missing(self) -> list[str]:
        """Names of what is not set, as settings."""
        found = [name for name in ("smtp", "slack_webhook") if getattr(self, name) is None]
        return [f"channels.{name}" for name in found]
