"""docker/compose.yaml runs the images with settings that the platform reads and commands of the local stack."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.fernet import Fernet
from dagster._config import process_config, resolve_to_config_type
from dagster._core.instance.config import dagster_instance_config

from media_analytics.local import dagster_home, kafka, spark
from media_analytics.local import home as homes
from media_analytics.local.artifacts import Artifacts
from media_analytics.local.home import Home
from media_analytics.local.services import SERVICES
from media_analytics.settings import PREFIX, load_settings
from media_analytics_tests.builders.images import FOLDER, IMAGES
from media_analytics_tests.conventions.source import ROOT

FILE = FOLDER / "compose.yaml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
PARTS: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: part for name, part in PARTS.items() if part["image"].startswith("media-analytics/")}
ONE_SHOT = {"volume-owners", "contracts"}
_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::[?-](?P<rest>[^}]*))?\}")


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the script writes for an installation."""
    file = tmp_path_factory.mktemp("compose") / "env"
    subprocess.run(["/bin/sh", FOLDER / "make_env.sh", file], check=True)
    lines = [line for line in file.read_text("utf-8").splitlines() if not line.startswith("#")]
    assert file.stat().st_mode & 0o777 == 0o600
    return dict(line.split("=", 1) for line in lines)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    homes.create(tmp_path / "home")
    return homes.open_home(tmp_path / "home")


def _filled(value: str, given: dict[str, str]) -> str:
    return _VARIABLE.sub(lambda found: given[found["name"]], value)


def _variables(name: str, given: dict[str, str]) -> dict[str, str]:
    environment = PARTS[name].get("environment", {})
    assert all(isinstance(value, str) for value in environment.values()), name
    return {variable: _filled(value, given) for variable, value in environment.items()}


def test_it_runs_the_four_images_and_pinned_stores() -> None:
    assert {part["image"] for part in OURS.values()} == {
        f"media-analytics/{i}:${{TAG:-local}}" for i in IMAGES
    }
    for name, part in OURS.items():
        image = part["image"].removeprefix("media-analytics/").partition(":")[0]
        wanted = {"context": "..", "dockerfile": "docker/Dockerfile", "target": image}
        assert part["build"] == wanted, name
    chart = yaml.safe_load((ROOT / "helm/media-analytics/values.yaml").read_text("utf-8"))
    assert {
        name: part["image"].removeprefix("docker.io/") for name, part in PARTS.items() if name not in OURS
    } == {
        "kafka": f"apache/kafka:{chart['kafka']['version']}",
        "postgresql": f"library/postgres:{chart['postgresql']['image'].rpartition(':')[2]}",
        "registry": chart["registry"]["image"],
        "clickhouse": chart["clickhouse"]["image"],
    }


def test_every_service_of_the_local_stack_is_there() -> None:
    local = {service.name for service in SERVICES} - {"kafka-2", "kafka-3"}
    assert set(PARTS) == local | ONE_SHOT | {"postgresql"}


@pytest.mark.parametrize("name", [name for name in OURS if name != "volume-owners"])
def test_the_settings_of_a_service_can_be_read(name: str, secrets: dict[str, str]) -> None:
    """A variable that `settings.py` does not know, a value it refuses, or a required one that is missing."""
    found = _variables(name, secrets)
    if not any(variable.startswith(PREFIX) for variable in found):
        assert name in ("dagster-webserver", "dagster-daemon", "spark"), "it reads settings and has none"
        return
    settings = load_settings(found)
    assert settings.environment == "dev"
    assert settings.local
    assert str(settings.home) == "/var/lib/media-analytics"
    assert settings.privacy.visitor_keys[0].key.get_secret_value() == secrets["VISITOR_KEY"]
    Fernet(settings.privacy.dead_letter_key.get_secret_value())
    settings.reachable_channels()
    settings.check_schedule()
    hosts = re.findall(r"(?:http|sc)://([a-z][a-z-]+):", " ".join(found.values()))
    hosts.append(settings.kafka.bootstrap_servers.partition(":")[0])
    assert {host for host in hosts if host not in PARTS} == set()


def test_settings_are_those_that_a_laptops_stack_has(home: Home) -> None:
    """A setting that is new on a laptop and nobody brought here. Not here: what dev says, tokens nobody asks for."""
    from media_analytics.local.environment import stack_environment

    laptop = set(stack_environment(home, Artifacts(home.path / "cache"), {}))
    own = set(COMPOSE["x-settings"])
    assert laptop - own == {
        f"{PREFIX}{name}"
        for name in (
            "HOME_ID",
            "KAFKA__REPLICATION_FACTOR",
            "SPARK__TOKEN",
            "SPARK__UI_URL",
            "DAGSTER__TOKEN",
        )
    }
    assert own - laptop == {
        f"{PREFIX}{name}"
        for name in ("SPARK__LIVE_CHECKPOINTS", "CLICKHOUSE__LAKE_URL", "DASHBOARD__LISTEN_HOST")
    }


@pytest.mark.parametrize("name", [s.name for s in SERVICES if s.module and s.name != "clickhouse"])
def test_a_process_is_started_as_in_the_local_stack(name: str) -> None:
    (local,) = [service for service in SERVICES if service.name == name]
    assert PARTS[name]["command"] == ["python", "-m", local.module]


def test_spark_and_dagster_are_started_as_in_the_local_stack(home: Home, tmp_path: Path) -> None:
    """The same programs with the same arguments; only addresses and the class path lie elsewhere."""
    artifacts = Artifacts(tmp_path / "cache")
    program, *arguments = spark.command(home, artifacts, {}).arguments
    at = arguments.index("--driver-class-path")
    del arguments[at : at + 2]
    assert PARTS["spark"]["command"] == [f"/opt/spark/bin/{Path(program).name}", *arguments]
    code = list(dagster_home.command(home, "dagster-code", {}).arguments[1:])
    at = code.index("--socket")
    command = list(PARTS["dagster-code"]["command"])
    host = command.index("--host")
    assert command[host + 2] == "--port"
    assert command[:host] == ["python", *code[:at]]
    assert command[host + 4 :] == code[at + 2 :]
    daemon = dagster_home.command(home, "dagster-daemon", {}).arguments[1:]
    elsewhere = {str(dagster_home.workspace_file(home)): "/opt/dagster/workspace.yaml"}
    assert PARTS["dagster-daemon"]["command"] == ["python", *(elsewhere.get(word, word) for word in daemon)]


def test_spark_is_configured_as_in_the_local_stack(home: Home, tmp_path: Path) -> None:
    spark.command(home, Artifacts(tmp_path / "cache"), {})
    local = _properties((home.path / "spark" / "conf" / "spark-defaults.conf").read_text("utf-8"), " ")
    own = _properties((FOLDER / "spark" / "spark-defaults.conf").read_text("utf-8"), " ")
    assert local.pop("spark.connect.authenticate.token")
    java = "spark.driver.extraJavaOptions"
    assert own.pop(java).partition(" -Dderby")[0] == local.pop(java).partition(" -Dderby")[0]
    differ = {name for name in own.keys() | local.keys() if own.get(name) != local.get(name)}
    assert differ == {
        "spark.sql.warehouse.dir", "spark.local.dir", "spark.connect.grpc.binding.address",
    } | ({"spark.connect.grpc.binding.port"} if home.ports["spark"] != 15002 else set())  # fmt: skip


def test_kafka_is_configured_as_in_the_local_stack(home: Home) -> None:
    """Above all what bounds transactions; sizes of a laptop are left out."""
    local = _properties(kafka.configuration(home, 1), "=")
    environment = PARTS["kafka"]["environment"]
    own = {
        name.removeprefix("KAFKA_").lower().replace("_", "."): value
        for name, value in environment.items()
        if name != "KAFKA_HEAP_OPTS"
    }
    assert own.keys() <= local.keys()
    assert {name for name in own if own[name] != local[name]} == {
        "controller.quorum.voters", "listeners", "advertised.listeners", "log.dirs",
    }  # fmt: skip
    assert {"transaction.state.log.min.isr", "auto.create.topics.enable"} <= own.keys()


def _properties(text: str, between: str) -> dict[str, str]:
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {name: value for name, _, value in (line.partition(between) for line in lines)}


def test_dagster_reads_its_instance_and_finds_the_code() -> None:
    instance = yaml.safe_load((FOLDER / "dagster" / "dagster.yaml").read_text("utf-8"))
    config, _ = dagster_instance_config(str(FOLDER / "dagster"))
    assert config["storage"]["postgres"]["postgres_db"]["hostname"] in PARTS
    local = yaml.safe_load(dagster_home._INSTANCE.format(max_concurrent_runs=2))
    for name in ("telemetry", "nux", "concurrency", "run_monitoring", "run_retries", "retention"):
        assert instance[name] == local[name], name
    kind = resolve_to_config_type({"base_dir": str})
    assert process_config(kind, instance["compute_logs"]["config"]).success
    (code,) = yaml.safe_load((FOLDER / "dagster" / "workspace.yaml").read_text("utf-8"))["load_from"]
    command = PARTS["dagster-code"]["command"]
    server = code["grpc_server"]
    assert server["host"] == "dagster-code"
    assert command[command.index("--port") + 1] == str(server["port"])
    assert command[command.index("--location-name") + 1] == server["location_name"]
    used = set(_VARIABLE.sub("", str(instance["storage"])).split("'")) & set(COMPOSE["x-database"])
    assert used == {"DAGSTER_PG_USERNAME", "DAGSTER_PG_PASSWORD"}


@pytest.mark.parametrize("name", PARTS)
def test_each_profile_is_whole(name: str) -> None:
    """A service that waits for one of another profile would not start; one without a profile starts with any."""
    part = PARTS[name]
    assert set(part["profiles"]) <= {"core", "spark", "ui", "full"}
    assert "full" in part["profiles"]
    for other, condition in part.get("depends_on", {}).items():
        assert set(part["profiles"]) <= set(PARTS[other]["profiles"]), f"{name} waits for {other}"
        wanted = "service_completed_successfully" if other in ONE_SHOT else "service_healthy"
        assert condition == {"condition": wanted}
        assert other in ONE_SHOT or "healthcheck" in PARTS[other], f"nobody can tell whether {other} is well"
    assert ("healthcheck" in part) is (name not in ONE_SHOT)


def test_profiles_grow() -> None:
    of = {
        p: {n for n, part in PARTS.items() if p in part["profiles"]} for p in ("core", "spark", "ui", "full")
    }
    assert of["core"] < of["spark"]
    assert of["core"] < of["ui"]
    assert of["spark"] | of["ui"] == of["full"] == set(PARTS)
    assert of["spark"] & of["ui"] == of["core"]
    assert {"collector", "enricher", "sink", "clickhouse"} <= of["core"]
    assert of["ui"] - of["core"] == {"dashboard-api", "dashboard"}


@pytest.mark.parametrize("name", OURS)
def test_each_container_of_ours_is_confined(name: str) -> None:
    part = PARTS[name]
    assert part["read_only"] is True
    assert part["cap_drop"] == ["ALL"]
    assert part["security_opt"] == ["no-new-privileges:true"]
    assert "user" not in part, "the image says who it is"
    assert not part.get("privileged")


@pytest.mark.parametrize("name", OURS)
def test_memory_that_is_mounted_can_be_written(name: str) -> None:
    """Docker's default belongs to root; runc 1.1.5 overrides the mode by that of the folder in the image."""
    recipe = (FOLDER / "Dockerfile").read_text("utf-8")
    for folder, options in _memory(name).items():
        # /tmp itself lets everybody write in every image.
        if folder.count("/") > 1:
            assert options == "mode=1777", folder
            assert re.search(rf"(chmod|mkdir -m) 1777 {re.escape(folder)}\s", recipe), folder


def test_java_may_load_its_native_libraries() -> None:
    """Docker mounts memory noexec unless told otherwise: nothing could be written as Parquet, for want of snappy."""
    java = {name for name, part in OURS.items() if part["image"].startswith("media-analytics/spark:")}
    assert java == {"spark", "stream"}
    assert {name for name in OURS if "exec" in _memory(name).values()} == java


def _memory(name: str) -> dict[str, str]:
    """The options of each folder of a service that lies in memory."""
    return {mount.partition(":")[0]: mount.partition(":")[2] for mount in PARTS[name]["tmpfs"]}


def test_nothing_listens_to_other_machines_and_no_secret_stands_in_the_file() -> None:
    """Dagster's page asks for no password."""
    for name, part in PARTS.items():
        assert all(port.startswith("127.0.0.1:") for port in part.get("ports", ())), name
        for variable, value in part.get("environment", {}).items():
            if re.search(r"PASSWORD|TOKEN|_KEYS?$", variable):
                assert ":?run make compose-env}" in value, f"{name} has a value for {variable}"


def test_volumes_and_files_that_are_mounted_exist() -> None:
    used = set()
    for part in PARTS.values():
        for mount in part.get("volumes", ()):
            source = mount.split(":")[0]
            if source.startswith("."):
                assert (FOLDER / source).is_file(), source
                assert mount.endswith(":ro"), mount
            else:
                used.add(source)
    assert used == set(COMPOSE["volumes"])
    shared = {v.split(":")[0] for v in PARTS["volume-owners"]["volumes"]}
    assert {
        v for v in used if sum(v in str(p.get("volumes")) for n, p in OURS.items() if n != "volume-owners")
    } == shared


def test_users_of_the_store_take_their_passwords_from_the_environment() -> None:
    text = (FOLDER / "clickhouse" / "users.xml").read_text("utf-8")
    named = set(re.findall(r'from_env="(\w+)"', text))
    assert named == {name for name in PARTS["clickhouse"]["environment"] if name.startswith(PREFIX)}
    assert '<default remove="remove"/>' in text


def test_credentials_are_made_once(tmp_path: Path, secrets: dict[str, str]) -> None:
    """A second call with new passwords would lock everybody out of the stores. Every `${...}` has a value."""
    file = tmp_path / "env"
    for _ in range(2):
        subprocess.run(["/bin/sh", FOLDER / "make_env.sh", file], check=True, capture_output=True)
    first = file.read_text()
    assert subprocess.run(["/bin/sh", FOLDER / "make_env.sh", file], check=True).returncode == 0
    assert file.read_text() == first
    assert secrets["VISITOR_KEY"] not in first
    needed = {f["name"] for f in _VARIABLE.finditer(FILE.read_text("utf-8")) if "?" in f[0]}
    assert needed == set(secrets) - {"COMPOSE_PROFILES"}
    assert len(set(secrets.values())) == len(secrets)


def _compose() -> list[str] | None:
    """How Compose 2 or newer is called here. Compose 1 refuses the file: it does not know the key `name`."""
    for call in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(call[0]) is None:
            continue
        said = subprocess.run([*call, "version", "--short"], capture_output=True, text=True, check=False)
        if said.returncode == 0 and not said.stdout.startswith("1."):
            return call
    return None


def test_compose_itself_reads_the_file(tmp_path: Path) -> None:
    """It knows every key; ours above do not look for misspelt ones."""
    program = _compose()
    if program is None:
        pytest.skip("no Compose 2 or newer on this machine")
    env = tmp_path / "env"
    subprocess.run(["/bin/sh", FOLDER / "make_env.sh", env], check=True, capture_output=True)
    command = [*program, "--env-file", env, "-f", FILE, "config", "-q"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
