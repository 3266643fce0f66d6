"""What Dagster loads, and the only module that reads the environment.

Belongs here: one function. Does not belong here: anything else (`build.py` assembles).
"""

import os

import dagster as dg

from media_analytics.build import build_defs
from media_analytics.settings import load_settings


@dg.definitions
def defs() -> dg.Definitions:
    """The definitions of the installation that the environment describes."""
    return build_defs(load_settings(os.environ))
