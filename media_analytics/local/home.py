"""The home folder: everything one embedded stack keeps.

Belongs here: its layout, identity, format version, random credentials and ports. A folder is private to the
user (0700), files with secrets are 0600. Does not belong here: what a service puts into its own folder.
"""

import base64
import fcntl
import json
import secrets
import socket
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.fernet import Fernet

from media_analytics.errors import MediaAnalyticsError, ServiceError
from media_analytics.local import kafka_mode
from media_analytics.local.files import private_folder, write_atomically

HOME_VARIABLE = "MEDIA_ANALYTICS_HOME"
PORT_VARIABLE_PREFIX = "MEDIA_ANALYTICS_PORTS__"
FORMAT = 1
# What every home has from the beginning.
FOLDERS = ("run", "logs", "lake")
# What `make bench` and `media-analytics faults` write beside a home that was never started.
_REPORTS = frozenset(("bench", "faults"))

# Every port of the stack, all on 127.0.0.1. Dagster's code server listens on a socket file in the home.
DEFAULT_PORTS: Mapping[str, int] = {
    "kafka": 9092,
    "kafka_controller": 9093,
    "kafka_2": 9094,
    "kafka_2_controller": 9095,
    "kafka_3": 9096,
    "kafka_3_controller": 9097,
    "registry": 8081,
    "spark": 15002,
    "spark_ui": 4040,
    "clickhouse": 8123,
    "collector": 8088,
    "dagster_webserver": 3000,
    "dashboard_api": 8500,
    "dashboard": 8501,
}


class HomeError(MediaAnalyticsError):
    """The home folder cannot be used as it is."""


@dataclass(frozen=True)
class Secrets:
    """Random credentials of one home, made at its first start."""

    clickhouse_password: str
    clickhouse_reader_password: str
    spark_token: str
    dagster_token: str
    visitor_key: str
    import_key: str
    # Fernet key: url-safe base64 of 32 bytes.
    dead_letter_key: str


@dataclass(frozen=True)
class Home:
    """An opened home. `ports` may be chosen anew at each start, the rest stays."""

    path: Path
    home_id: str
    kafka_cluster_id: str
    secrets: Secrets
    ports: Mapping[str, int]
    kafka: kafka_mode.KafkaMode

    @property
    def run(self) -> Path:
        """Health files, start counts, process ids."""
        return self.path / "run"

    @property
    def logs(self) -> Path:
        """One log file a service."""
        return self.path / "logs"

    @property
    def environment_file(self) -> Path:
        """The settings of this stack as variables."""
        return self.path / "stack.env"

    @property
    def lake(self) -> Path:
        """The Delta tables."""
        return self.path / "lake"

    def service_folder(self, name: str) -> Path:
        """Where a service keeps its state and generated configuration."""
        return private_folder(self.path / name)

    def log_file(self, service: str) -> Path:
        """What a service wrote to standard output and standard error."""
        return self.logs / f"{service}.log"


def home_path(environ: Mapping[str, str]) -> Path:
    """`MEDIA_ANALYTICS_HOME`, else `.media-analytics` in the working folder."""
    return Path(environ.get(HOME_VARIABLE) or ".media-analytics").expanduser().absolute()


def exists(path: Path) -> bool:
    """Whether a stack has ever been started in this folder."""
    return (path / "home.json").is_file()


def create(path: Path) -> None:
    """Make a new home: identity and credentials. Does nothing where one is.

    Raises:
        HomeError: the folder holds something else.
    """
    if exists(path):
        return
    if path.exists() and any(found.name not in _REPORTS for found in path.iterdir()):
        raise HomeError(
            f"{path} is not empty and not a home of this platform; name another folder in {HOME_VARIABLE}"
        )
    private_folder(path)
    for name in FOLDERS:
        private_folder(path / name)
    made = Secrets(
        clickhouse_password=secrets.token_urlsafe(24),
        clickhouse_reader_password=secrets.token_urlsafe(24),
        spark_token=secrets.token_urlsafe(24),
        dagster_token=secrets.token_urlsafe(24),
        visitor_key=secrets.token_urlsafe(32),
        import_key=secrets.token_urlsafe(32),
        dead_letter_key=Fernet.generate_key().decode(),
    )
    _write_json(path / "secrets.json", asdict(made))
    cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    # Last, because its presence says that the home is whole.
    _write_json(
        path / "home.json",
        {
            "format": FORMAT,
            "home_id": uuid.uuid4().hex,
            # A leading dash would read as an option on the command line of Kafka's tools.
            "kafka_cluster_id": "k" + cluster_id[1:],
            "created_at": datetime.now(UTC).isoformat(),
        },
    )


def open_home(path: Path) -> Home:
    """Read a home.

    Raises:
        HomeError: there is none, it is damaged, or another version of the platform made it.
    """
    if not exists(path):
        raise HomeError(
            f"no stack was ever started in {path}; run `media-analytics up`, or set {HOME_VARIABLE}"
        )
    try:
        identity = json.loads((path / "home.json").read_text("utf-8"))
        check_format(path, int(identity["format"]))
        made = Secrets(**json.loads((path / "secrets.json").read_text("utf-8")))
        ports_file = path / "ports.json"
        remembered = json.loads(ports_file.read_text("utf-8")) if ports_file.is_file() else {}
        # A home whose ports were chosen before a service existed.
        ports = {**DEFAULT_PORTS, **remembered}
        return Home(
            path, identity["home_id"], identity["kafka_cluster_id"], made, ports, kafka_mode.read(path)
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HomeError(
            f"{path} is damaged ({error}); put back home.json, secrets.json and ports.json from a copy, or "
            f"start anew in another folder by {HOME_VARIABLE}"
        ) from error


def check_format(path: Path, found: int) -> None:
    """Refuse a home that this version cannot read.

    Raises:
        HomeError: older or newer, with the command to run.
    """
    if found == FORMAT:
        return
    if found > FORMAT:
        raise HomeError(
            f"{path} has format {found}, this version of the platform knows {FORMAT}; update it: "
            "`git pull && make setup`"
        )
    raise HomeError(
        f"{path} has format {found}, this version of the platform needs {FORMAT}; move it away and start "
        f"anew: `mv {path} {path}.format-{found} && media-analytics up`"
    )


def planned_ports(path: Path, environ: Mapping[str, str]) -> dict[str, int]:
    """The ports of the next start: a variable `MEDIA_ANALYTICS_PORTS__<SERVICE>`, else remembered, else default.

    Raises:
        HomeError: a variable is no port or names no service.
    """
    file = path / "ports.json"
    remembered = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    return {**DEFAULT_PORTS, **remembered, **named_ports(environ)}


def choose_ports(path: Path, environ: Mapping[str, str], *, free: bool) -> dict[str, int]:
    """Choose the ports of this start and remember them in the home.

    With `free`, a planned port that is a default or busy is replaced by a free one; a variable always wins.

    Raises:
        HomeError: as `planned_ports`.
    """
    chosen = planned_ports(path, environ)
    if free:
        named = named_ports(environ)
        taken = set(named.values())
        for service, port in chosen.items():
            keeps = port != DEFAULT_PORTS[service] and port not in taken and is_port_free(port)
            if service not in named and not keeps:
                chosen[service] = free_port(taken)
            taken.add(chosen[service])
    _write_json(path / "ports.json", chosen)
    return chosen


def is_port_free(port: int) -> bool:
    """Whether 127.0.0.1:port can be bound now. Connections that are closing do not count."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen(1)
        except OSError:
            return False
    return True


def free_port(taken: set[int]) -> int:
    """A port nobody listens on; not one of `taken`."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port not in taken:
            return port


def named_ports(environ: Mapping[str, str]) -> dict[str, int]:
    """The ports that `MEDIA_ANALYTICS_PORTS__<SERVICE>` variables name.

    Raises:
        HomeError: a variable is no port or names no service.
    """
    named = {}
    for variable, text in environ.items():
        if not variable.startswith(PORT_VARIABLE_PREFIX):
            continue
        service = variable.removeprefix(PORT_VARIABLE_PREFIX).lower()
        if service not in DEFAULT_PORTS:
            known = ", ".join(PORT_VARIABLE_PREFIX + name.upper() for name in DEFAULT_PORTS)
            raise HomeError(f"{variable} names no service; known are {known}")
        if not text.isdigit() or not 1 <= int(text) <= 65535:
            raise HomeError(f"{variable} is {text!r}; expected a port from 1 to 65535")
        named[service] = int(text)
    return named


def _write_json(path: Path, value: Mapping[str, object]) -> None:
    write_atomically(path, json.dumps(value, indent=2) + "\n")


@contextmanager
def alone(home_path: Path) -> Iterator[None]:
    """One start or backup of a home at a time: two starts would be two supervisors.

    Raises:
        ServiceError: another one is under way.
    """
    with (private_folder(home_path / "run") / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ServiceError(
                f"another `media-analytics up` or `backup` works on {home_path}; wait until it has ended"
            ) from error
        yield
