"""The mail server and the Slack webhook.

Belongs here: sending one message by each, and what a failure to send means. Does not belong here: what is said and to
whom (`media_analytics.automation.notices`).
"""

import smtplib
import ssl
from collections.abc import Mapping, Sequence
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

import httpx

from media_analytics.environments.channels import Channels as ChannelSettings
from media_analytics.environments.channels import Smtp
from media_analytics.errors import ServiceError
from media_analytics.settings import Settings


class ChannelDownError(ServiceError):
    """The channel takes nothing now: whatever waits is tried again later."""


class MessageRefusedError(ServiceError):
    """The channel works and refuses this very message."""


class Channels:
    """What notices are sent with. Connects for each message; keeps nothing open."""

    def __init__(self, settings: Settings) -> None:
        """Keep the addresses; connect later."""
        self._settings: ChannelSettings = settings.channels

    @property
    def has_mail(self) -> bool:
        """Whether a mail server is set."""
        return self._settings.smtp is not None

    @property
    def has_slack(self) -> bool:
        """Whether a webhook is set."""
        return self._settings.slack_webhook is not None

    def mail(self, to: Sequence[str], subject: str, text: str, message_id: str, at: datetime) -> None:
        """Send one e-mail; it was taken when this returns.

        Raises:
            ChannelDownError: the server cannot be reached, is not who it should be, or refuses us.
            MessageRefusedError: the server refuses every address or the text.
        """
        smtp = self._settings.smtp
        if smtp is None:
            raise ChannelDownError(
                "no mail server is set; set MEDIA_ANALYTICS_CHANNELS__SMTP__HOST and __SENDER"
            )
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = smtp.sender, ", ".join(to), subject
        message["Message-ID"], message["Date"] = message_id, format_datetime(at)
        # Mailing lists and absent people must not answer.
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text)
        where = f"mail server {smtp.host}:{smtp.port}"
        try:
            with _connected(smtp) as server:
                server.send_message(message)
        except (smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError) as error:
            if _is_for_now(error):
                raise ChannelDownError(f"{where} is busy: {_said(error)}") from error
            raise MessageRefusedError(
                f"{where} refuses a message to {', '.join(to)}: {_said(error)}"
            ) from error
        except (smtplib.SMTPException, OSError) as error:
            raise ChannelDownError(f"{where} cannot be used: {_said(error)}") from error

    def slack(self, message: Mapping[str, Any]) -> None:
        """Post one message to the webhook; it was taken when this returns.

        Raises:
            ChannelDownError: the webhook cannot be reached, is busy or gone.
            MessageRefusedError: it refuses this text.
        """
        webhook = self._settings.slack_webhook
        if webhook is None:
            raise ChannelDownError("no webhook is set; set MEDIA_ANALYTICS_CHANNELS__SLACK_WEBHOOK")
        try:
            answer = httpx.post(
                webhook.get_secret_value(), json=dict(message), timeout=self._settings.slack_timeout_seconds
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # The address of a webhook is a secret, and errors quote it.
            raise ChannelDownError(f"the Slack webhook cannot be used: {type(error).__name__}") from None
        if answer.status_code == httpx.codes.BAD_REQUEST:
            raise MessageRefusedError(f"the Slack webhook refuses a message: {answer.text[:100]}")
        if not answer.is_success:
            raise ChannelDownError(f"the Slack webhook answers {answer.status_code}: {answer.text[:100]}")


def _connected(smtp: Smtp) -> smtplib.SMTP:
    """A session with the server, encrypted and logged in as the settings say."""
    tls = ssl.create_default_context()
    server = (
        smtplib.SMTP_SSL(smtp.host, smtp.port, timeout=smtp.timeout_seconds, context=tls)
        if smtp.encryption == "tls"
        else smtplib.SMTP(smtp.host, smtp.port, timeout=smtp.timeout_seconds)
    )
    try:
        if smtp.encryption == "starttls":
            server.starttls(context=tls)
        if smtp.username is not None and smtp.password is not None:
            server.login(smtp.username, smtp.password.get_secret_value())
    except BaseException:
        server.close()
        raise
    return server


def _is_for_now(error: smtplib.SMTPRecipientsRefused | smtplib.SMTPDataError) -> bool:
    """Whether the server only refuses for now (4xx), at least for one address."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return any(code < 500 for code, _ in error.recipients.values())
    return error.smtp_code < 500


def _said(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return " ".join(text.split())[:200]
