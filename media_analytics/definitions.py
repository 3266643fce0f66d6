"""What Dagster loads, and the only module that reads the environment.

Belongs here: one function. Does not belong here: anything else (`build.py` assembles).
"""

import os
from functools import cache

import dagster as dg

from media_analytics.build import build_defs
from media_analytics.settings import load_settings


@dg.definitions
@cache
def defs() -> dg.Definitions:
    """The definitions of the installation that the environment describes, made once a process.

    Dagster asks for them again at each run; a run that was forked from a process that has them makes nothing.
    """
    return build_defs(load_settings(os.environ))
