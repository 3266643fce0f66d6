"""The settings of an embedded stack as environment variables.

Belongs here: what `stack.env` holds and what a child process may see of the caller's environment. Does not belong
here: writing and reading the file (`stack_variables`), what the settings mean (`media_analytics.settings`).
"""

from collections.abc import Mapping

from media_analytics.errors import MediaAnalyticsError
from media_analytics.local import kafka_security, registry
from media_analytics.local.artifacts import Artifacts
from media_analytics.local.home import Home
from media_analytics.local.services import BROKERS, SERVICES
from media_analytics.local.stack_variables import read_stack_environment, settings_variables
from media_analytics.settings import environment_variables, load_settings

HOME_ID_VARIABLE = "MEDIA_ANALYTICS_HOME_ID"
# Marks the children of a home's supervisor. `env` does not print it, so no shell of the user carries it.
SUPERVISED_VARIABLE = "MEDIA_ANALYTICS_SUPERVISED"

# What a process needs of the caller's environment to find programs, its user, language and network.
_KEPT = (
    "PATH",
    "HOME",
    "JAVA_HOME",
    # Options of every Java that starts: the tests' say that a short life is not worth the second compiler.
    "JDK_JAVA_OPTIONS",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "TERM",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)


def base_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What every child gets. No proxy: the stack talks to loopback; no credential of the caller."""
    kept = {name: environ[name] for name in _KEPT if name in environ}
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"} | kept | {"TZ": "UTC"}


def embedded_addresses(ports: Mapping[str, int], brokers: int = 1) -> dict[str, str]:
    """The variable of each service that may be external, with the address of our own."""
    kafka = [f"127.0.0.1:{ports[name.replace('-', '_')]}" for name in BROKERS[:brokers]]
    return {
        "MEDIA_ANALYTICS_KAFKA__BOOTSTRAP_SERVERS": ",".join(kafka),
        "MEDIA_ANALYTICS_REGISTRY__URL": f"http://127.0.0.1:{ports['registry']}{registry.API_PATH}",
        # By name: with a token the client speaks plain text to this very name only, and TLS to an address.
        "MEDIA_ANALYTICS_SPARK__REMOTE": f"sc://localhost:{ports['spark']}",
        "MEDIA_ANALYTICS_CLICKHOUSE__URL": f"http://127.0.0.1:{ports['clickhouse']}",
    }


def external_services(
    ports: Mapping[str, int], environ: Mapping[str, str], brokers: int = 1
) -> frozenset[str]:
    """The services that the caller's settings place elsewhere. Our own address is not elsewhere."""
    own = embedded_addresses(ports, brokers)
    return frozenset(
        s.name
        for s in SERVICES
        if s.external_variable
        and s.name not in BROKERS[brokers:]
        and environ.get(s.external_variable)
        and environ[s.external_variable] != own[s.external_variable]
    )


def stack_environment(home: Home, artifacts: Artifacts, environ: Mapping[str, str]) -> dict[str, str]:
    """Every setting of this stack; the caller's own `MEDIA_ANALYTICS_*` variables win.

    Raises:
        MediaAnalyticsError: the caller's variables are the exports of another stack.
    """
    other = environ.get(HOME_ID_VARIABLE)
    if other and other != home.home_id:
        raise MediaAnalyticsError(
            f"this shell holds the exports of another stack (home id {other}), but the home is {home.path}; open "
            'a new shell, or run `eval "$(media-analytics env)"` for the right home'
        )
    ports = home.ports
    own = environment_variables(
        {
            "environment": "dev",
            "home": home.path,
            "local": "true",
            "kafka": kafka_security.settings(home),
            "spark": {
                "token": home.secrets.spark_token,
                "ui_url": f"http://127.0.0.1:{ports['spark_ui']}",
            },
            "clickhouse": {
                "password": home.secrets.clickhouse_password,
                "reader_password": home.secrets.clickhouse_reader_password,
            },
            "lake": {"url": home.lake},
            "video": {"landing": home.path / "landing" / "video"},
            "collector": {"url": f"http://127.0.0.1:{ports['collector']}"},
            "enrichment": {"geo_database": artifacts.geo_database, "referrers": artifacts.referrers},
            "privacy": {
                "visitor_keys": [{"valid_from": "2000-01-01", "key": home.secrets.visitor_key}],
                "import_key": home.secrets.import_key,
                "dead_letter_key": home.secrets.dead_letter_key,
            },
            # One credential of the home opens every page.
            "dashboard": {
                "url": f"http://127.0.0.1:{ports['dashboard_api']}",
                "page_url": f"http://127.0.0.1:{ports['dashboard']}",
                "token": home.secrets.dagster_token,
            },
            "dagster": {
                "url": f"http://127.0.0.1:{ports['dagster_webserver']}",
                "token": home.secrets.dagster_token,
            },
        }
    ) | embedded_addresses(ports, home.kafka.brokers)
    return own | settings_variables(environ) | {HOME_ID_VARIABLE: home.home_id}


def is_debug(home: Home) -> bool:
    """Whether the stack of this home was started in debug mode."""
    variables = read_stack_environment(home.environment_file)
    return bool(variables) and load_settings(variables).debug
