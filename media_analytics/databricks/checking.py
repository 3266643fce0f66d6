"""Whether the bundle may be deployed: each target against its type, the pipeline's shape and the settings.

Belongs here: the one function that the command and the tests ask. Does not belong here: the rules.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from media_analytics.databricks.model import Target
from media_analytics.databricks.reading import (
    FILE,
    VARIABLE_PREFIX,
    BundleError,
    missing_variables,
    read,
    resolve,
)
from media_analytics.databricks.rules import violations
from media_analytics.environments.operations import Environment
from media_analytics.environments.reading import declared, operations_of

# Stand-ins for values that only an installation knows, so that the rest can be checked without them.
STAND_INS: Mapping[str, str] = {
    "slack_destination": "00000000-0000-0000-0000-000000000000",
    "service_principal": "00000000-0000-0000-0000-000000000001",
    "key_vault_id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v",
    "key_vault_dns": "https://v.vault.example.org/",
}


def check(
    bundle: Mapping[str, Any], folder: Path, environment: Environment, variables: Mapping[str, str]
) -> Target:
    """The resolved target of an environment, checked; `folder` holds the project, `variables` are the bundle's.

    Raises:
        BundleError: it is not as Databricks takes it, or not as our settings say; every difference is named.
    """
    targets = set(bundle.get("targets") or {})
    if targets != set(get_args(Environment)):
        raise BundleError(
            f"targets {', '.join(sorted(targets))}; expected {', '.join(get_args(Environment))}"
        )
    target = resolve(bundle, environment, variables)
    data_path = str(declared(environment)["lake"]["url"])
    found = violations(target, environment, operations_of(environment), data_path, folder)
    if found:
        lines = "\n".join(f"  {line}" for line in found)
        raise BundleError(f"target {environment} of {FILE} is not what it must be:\n{lines}")
    return target


def check_offline(
    folder: Path, environment: Environment, variables: Mapping[str, str]
) -> tuple[Target, list[str]]:
    """As `check` of the folder's file, with stand-ins for values that are not set; their names are returned, too.

    Raises:
        BundleError: as `check`.
    """
    bundle = read(folder / FILE)
    missing = missing_variables(bundle, environment, variables)
    stand_ins = {name: STAND_INS[name] for name in missing if name in STAND_INS}
    return check(bundle, folder, environment, {**variables, **stand_ins}), missing


def variables_of(environ: Mapping[str, str]) -> dict[str, str]:
    """The bundle's variables among those of the process: `BUNDLE_VAR_x`, as Databricks' command reads them."""
    return {
        name.removeprefix(VARIABLE_PREFIX): value
        for name, value in environ.items()
        if name.startswith(VARIABLE_PREFIX)
    }
