"""Mail with encryption and login, on a real server; what a refusal means."""

import ipaddress
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from media_analytics.resources.channels import ChannelDownError, Channels, MessageRefusedError
from media_analytics_tests.builders import settings as builder
from media_analytics_tests.services.post import MailServer, mail_server, webhook_server

NOW = datetime(2026, 3, 10, tzinfo=UTC)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file with a key and a certificate of 127.0.0.1 that is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "mail.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.fixture
def secured(certificate: Path) -> Iterator[MailServer]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with mail_server(tls) as server:
        yield server


def channels(folder: Path, server: MailServer, **smtp: str) -> Channels:
    values = {"HOST": "127.0.0.1", "PORT": str(server.port), "SENDER": "platform@example.org"} | smtp
    return Channels(builder.make(folder, **{f"CHANNELS__SMTP__{name}": v for name, v in values.items()}))


def send(found: Channels) -> None:
    found.mail(["one@example.org"], "Ärger", "Größe: 3\n", "<1@media-analytics>", NOW)


def test_mail_is_encrypted_and_logged_in(
    tmp_path: Path, secured: MailServer, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    send(channels(tmp_path, secured, USERNAME="me", PASSWORD="right"))
    (mail,) = secured.mails
    assert secured.logins == ["me"]
    assert (str(mail["Subject"]), mail["Message-ID"], str(mail.get_content()).splitlines()) == (
        "Ärger",
        "<1@media-analytics>",
        ["Größe: 3"],
    )
    assert mail["Auto-Submitted"] == "auto-generated"


def test_a_server_that_is_not_who_it_should_be_gets_neither_mail_nor_password(
    tmp_path: Path, secured: MailServer
) -> None:
    with pytest.raises(ChannelDownError, match="certificate"):
        send(channels(tmp_path, secured, USERNAME="me", PASSWORD="right"))
    assert (secured.mails, secured.logins) == ([], [])


def test_a_server_without_tls_gets_no_mail_unless_the_settings_say_so(tmp_path: Path) -> None:
    """Catches a mail that goes out in plain text because the server did not offer more."""
    with mail_server() as plain:
        with pytest.raises(ChannelDownError, match="STARTTLS"):
            send(channels(tmp_path, plain))
        assert plain.mails == []


def test_a_wrong_password_is_said(
    tmp_path: Path, secured: MailServer, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with pytest.raises(ChannelDownError, match="535") as caught:
        send(channels(tmp_path, secured, USERNAME="me", PASSWORD="not-it"))
    assert "not-it" not in str(caught.value)


def test_a_refusal_for_ever_is_of_the_message_one_for_now_of_the_server(tmp_path: Path) -> None:
    with mail_server() as server:
        found = channels(tmp_path, server, ENCRYPTION="none")
        server.answer = "554 no"
        with pytest.raises(MessageRefusedError, match="554"):
            send(found)
        server.answer = "452 full"
        with pytest.raises(ChannelDownError, match="452"):
            send(found)


def test_nobody_listens(tmp_path: Path) -> None:
    with mail_server() as server:
        found = channels(tmp_path, server, ENCRYPTION="none")
    with pytest.raises(ChannelDownError, match="cannot be used"):
        send(found)


@pytest.mark.parametrize(("status", "error"), [(400, MessageRefusedError), (429, ChannelDownError)])
def test_the_address_of_the_webhook_stands_in_no_error(
    status: int, error: type[Exception], tmp_path: Path
) -> None:
    with webhook_server() as server:
        found = Channels(builder.make(tmp_path, CHANNELS__SLACK_WEBHOOK=server.url))
        server.status = status
        with pytest.raises(error) as caught:
            found.slack({"text": "x"})
        assert "secret" not in str(caught.value)
    with pytest.raises(ChannelDownError) as caught:
        found.slack({"text": "x"})
    assert "secret" not in str(caught.value)
