"""What a forked run finds ready: imported by the process that runs are forked from, and by nothing else.

Belongs here: making what every run would make again. Nothing here opens a file, a connection or a thread: those do not
survive a fork. Does not belong here: how the process of a run begins (`dagster_code`).
"""

import gc

from dagster._core.definitions.reconstruct import ReconstructableRepository

from media_analytics.tls import certificates

# As a run loads it, so that everything on that way is imported. Jobs are resolved at the first question.
ReconstructableRepository.for_module("media_analytics.definitions", "defs").get_definition().get_all_jobs()
certificates()
# What is here stays: a collection in a run does not look at it again, so its memory stays shared.
gc.freeze()
