"""Valid settings for tests that need no service.

Belongs here: one total set of settings with obvious dummies. Does not belong here: addresses of running services
(`services/embedded.py`).
"""

from pathlib import Path

from media_analytics.settings import Settings, environment_variables, load_settings

# A Fernet key is the url-safe base64 of 32 bytes.
DEAD_LETTER_KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


def variables(folder: Path) -> dict[str, str]:
    """The variables of a complete set of settings; every path lies in `folder`, every port is closed."""
    return environment_variables(
        {
            "environment": "dev",
            "home": folder / "home",
            "local": "true",
            "kafka": {"bootstrap_servers": "127.0.0.1:1"},
            "registry": {"url": "http://127.0.0.1:1/apis/ccompat/v7"},
            "spark": {"remote": "sc://127.0.0.1:1", "token": "spark-token"},
            "clickhouse": {
                "url": "http://127.0.0.1:1",
                "password": "platform-password",
                "reader_password": "reader-password",
            },
            "lake": {"url": folder / "lake"},
            "collector": {"url": "http://127.0.0.1:1"},
            "enrichment": {"geo_database": folder / "geo.mmdb", "referrers": folder / "referrers.json"},
            "privacy": {
                "visitor_keys": [{"valid_from": "2000-01-01", "key": "visitor-key"}],
                "import_key": "import-key",
                "dead_letter_key": DEAD_LETTER_KEY,
            },
            "dagster": {"url": "http://127.0.0.1:1"},
        }
    )


def make(folder: Path, **replaced: str) -> Settings:
    """Settings with some variables replaced: `make(folder, COLLECTOR__MAX_ITEMS="10")`."""
    return load_settings(
        variables(folder) | {f"MEDIA_ANALYTICS_{name}": value for name, value in replaced.items()}
    )
