"""The schema registry: Apicurio with the Confluent API.

Belongs here: its environment and command line. Does not belong here: schemas (contracts register them).
"""

from media_analytics.local.artifacts import Artifacts
from media_analytics.local.commands import Command
from media_analytics.local.home import Home
from media_analytics.local.java import bundled_java

API_PATH = "/apis/ccompat/v7"


def command(home: Home, artifacts: Artifacts) -> Command:
    """Say how the registry is started."""
    folder = home.service_folder("registry")
    return Command(
        (
            str(bundled_java()),
            "-Xmx256m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-XX:+ExitOnOutOfMemoryError",
            "-Djava.util.logging.manager=org.jboss.logmanager.LogManager",
            # Its audit would write a line for each schema that is looked up.
            '-Dquarkus.log.category."io.apicurio".level=WARN',
            '-Dquarkus.log.category."io.quarkus.vertx.http.runtime.filters.accesslog".level=WARN',
            *("-jar", str(artifacts.registry / "quarkus-run.jar")),
        ),
        folder,
        {
            "QUARKUS_HTTP_HOST": "127.0.0.1",
            "QUARKUS_HTTP_PORT": str(home.ports["registry"]),
            # Its second port would be 9000 on every interface and cannot be turned off: any port of loopback.
            "QUARKUS_MANAGEMENT_HOST": "127.0.0.1",
            "QUARKUS_MANAGEMENT_PORT": "0",
            "QUARKUS_LOG_LEVEL": "WARN",
            # One line a request otherwise.
            "QUARKUS_HTTP_ACCESS_LOG_ENABLED": "false",
            "APICURIO_CCOMPAT_LEGACY_ID_MODE_ENABLED": "false",
            # The default is no rule at all.
            "APICURIO_RULES_GLOBAL_COMPATIBILITY": "BACKWARD",
            "APICURIO_STORAGE_KIND": "sql",
            "APICURIO_STORAGE_SQL_KIND": "h2",
            # Without WRITE_DELAY=0 a kill lost acknowledged schemas (53 became 41).
            "APICURIO_DATASOURCE_URL": (
                f"jdbc:h2:file:{folder}/registry;DB_CLOSE_ON_EXIT=FALSE;WRITE_DELAY=0"
            ),
        },
    )
