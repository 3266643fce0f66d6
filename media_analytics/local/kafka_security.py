"""Passwords and certificates of the secured event log.

Belongs here: making and reading them (all in one folder of the home, 0600), which user a service is. Does not belong
here: what a user may do (`migrations.access`), the brokers' configuration (`kafka`).
"""

import hashlib
import ipaddress
import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from media_analytics.errors import ServiceError
from media_analytics.local.files import private_folder, write_atomically
from media_analytics.local.home import Home
from media_analytics.local.services import SERVICES, service

ADMIN, BROKER, OPERATOR, REPLAY = "admin", "broker", "operator", "replay"
# The user of Dagster's processes, which replay dead letters as another one.
DAGSTER = "dagster"
# Written into each storage when it is formatted: without them nobody could be let in to create the others.
FIRST_USERS = (ADMIN, BROKER)
BROKER_NAME = "media-analytics-broker"
_VALID = timedelta(days=825)
_RENEWED_BEFORE = timedelta(days=60)


def users() -> tuple[str, ...]:
    """Every user of the event log: brokers, migrations, the shell's commands, replays, one a service that uses it."""
    of_services = {s.kafka_user for s in SERVICES if s.kafka_user}
    return (*FIRST_USERS, OPERATOR, REPLAY, *sorted(of_services))


def folder(home: Home) -> Path:
    """Where passwords and certificates are."""
    return home.path / "kafka-access"


def ca_file(home: Home) -> Path:
    """The certificate that clients trust."""
    return folder(home) / "ca.pem"


def broker_file(home: Home) -> Path:
    """The brokers' key and certificate."""
    return folder(home) / "broker.pem"


def ensure(home: Home) -> None:
    """Make the passwords that are missing and, for a secured log, certificates that do not run out soon."""
    private_folder(folder(home))
    known = _read(home)
    missing = [user for user in users() if user not in known]
    if missing:
        known |= {user: secrets.token_urlsafe(24) for user in missing}
        write_atomically(_passwords_file(home), json.dumps(known, indent=2) + "\n")
    until = valid_until(home)
    if home.kafka.secure and (until is None or not is_valid(until)):
        _make_certificates(home)


def valid_until(home: Home) -> datetime | None:
    """When the certificates run out; None when there are none."""
    file = ca_file(home)
    return x509.load_pem_x509_certificate(file.read_bytes()).not_valid_after_utc if file.is_file() else None


def is_valid(until: datetime) -> bool:
    """Whether certificates that run out then are kept at a start now."""
    return until - _RENEWED_BEFORE > datetime.now(UTC)


def password(home: Home, user: str) -> str:
    """The password of a user.

    Raises:
        ServiceError: it was never made.
    """
    try:
        return _read(home)[user]
    except KeyError:
        raise ServiceError(
            f"{_passwords_file(home)} holds no password of {user!r}; run `media-analytics down && media-analytics up`"
        ) from None


def settings(home: Home) -> dict[str, object]:
    """The values of the section `kafka` that the shell's commands use: the operator, and the admin for migrations."""
    found: dict[str, object] = {"replication_factor": home.kafka.replication_factor}
    if home.kafka.secure:
        found |= {
            "security_protocol": "SASL_SSL",
            "ssl_ca_location": ca_file(home),
            "sasl_username": OPERATOR,
            "sasl_password": password(home, OPERATOR),
            "users": {ADMIN: {"username": ADMIN, "password": password(home, ADMIN)}},
        }
    return found


def service_variables(home: Home, name: str, variables: Mapping[str, str]) -> dict[str, str]:
    """A service's own user in place of the shell's; no service may act as admin.

    Args:
        home: of the stack.
        name: of the service.
        variables: of the stack; a log elsewhere has users that only the caller knows, and they stay.
    """
    prefix = "MEDIA_ANALYTICS_KAFKA__"
    if not home.kafka.secure or variables.get(f"{prefix}SSL_CA_LOCATION") != str(ca_file(home)):
        return dict(variables)
    kept = {name: value for name, value in variables.items() if not name.startswith(f"{prefix}USERS__")}
    user = service(name).kafka_user
    if user is None:
        return kept
    kept |= {f"{prefix}SASL_USERNAME": user, f"{prefix}SASL_PASSWORD": password(home, user)}
    if user == DAGSTER:
        own = f"{prefix}USERS__REPLAY__"
        kept |= {f"{own}USERNAME": REPLAY, f"{own}PASSWORD": password(home, REPLAY)}
    return kept


def first_users(home: Home) -> str:
    """Identifies the first users' passwords without giving them away."""
    text = "\n".join(f"{user} {password(home, user)}" for user in FIRST_USERS)
    return hashlib.sha256(text.encode()).hexdigest()


def _passwords_file(home: Home) -> Path:
    return folder(home) / "passwords.json"


def _read(home: Home) -> dict[str, str]:
    file = _passwords_file(home)
    return dict(json.loads(file.read_text("utf-8"))) if file.is_file() else {}


def _make_certificates(home: Home) -> None:
    """An authority whose key is forgotten at once, and one certificate of it for all brokers."""
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = _certificate("media-analytics local authority", authority_key, None, authority_key)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate(BROKER_NAME, key, authority, authority_key)
    key_text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    texts = [one.public_bytes(serialization.Encoding.PEM) for one in (certificate, authority)]
    write_atomically(broker_file(home), b"".join((key_text, *texts)).decode())
    write_atomically(ca_file(home), texts[1].decode())


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate | None,
    issuer_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    """An authority when there is no issuer, else a certificate for a server and client on this machine."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _VALID)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
        )
    )
    if issuer is not None:
        uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        loopback = ipaddress.ip_address("127.0.0.1")
        names = [x509.DNSName("localhost"), x509.IPAddress(loopback)]
        made = made.add_extension(x509.ExtendedKeyUsage(uses), critical=False).add_extension(
            x509.SubjectAlternativeName(names), critical=False
        )
    return made.sign(issuer_key, hashes.SHA256())
