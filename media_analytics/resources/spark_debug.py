"""What Spark did for a run, kept as a file: query plans, jobs, times and sizes of stages.

Belongs here: reading Spark's own page (its REST answers) and writing one file a step. Does not belong here: sessions,
tags (`spark`), switching the page on (`media_analytics.local.spark`).

Only in debug mode: plans hold literals of queries, and reading them takes part of a second a step.
"""

import json
import logging
import re
import shutil
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from media_analytics.settings import Settings

log = logging.getLogger(__name__)

FOLDER = "debug"
# Older runs are removed when a new one is kept.
RUNS_KEPT = 200
# Spark's page keeps the newest thousand; a step with more queries than this keeps the newest plans.
MOST_PLANS = 200
_TIMEOUT_SECONDS = 10.0
_SAFE = re.compile(r"[^A-Za-z0-9_.-]+")
_OF_JOB = ("jobId", "name", "status", "submissionTime", "completionTime", "numTasks", "stageIds")
_OF_STAGE = (
    "stageId",
    "attemptId",
    "name",
    "status",
    "numTasks",
    "numFailedTasks",
    "submissionTime",
    "completionTime",
    "executorRunTime",
    "executorCpuTime",
    "jvmGcTime",
    "inputBytes",
    "inputRecords",
    "outputBytes",
    "outputRecords",
    "shuffleReadBytes",
    "shuffleWriteBytes",
    "memoryBytesSpilled",
    "diskBytesSpilled",
)
_OF_QUERY = ("id", "status", "description", "submissionTime", "duration", "planDescription")


def is_on(settings: Settings) -> bool:
    """Whether what Spark does is kept."""
    return settings.debug and settings.spark.ui_url is not None


def folder_of(settings: Settings, run_id: str) -> Path:
    """Where the files of a run stand."""
    return settings.home / FOLDER / _SAFE.sub("_", run_id)


def keep(settings: Settings, run_id: str, asset: str, tags: Sequence[str]) -> Path | None:
    """Write what Spark did under all of these tags; None where its page does not answer: a run never fails for it."""
    url = settings.spark.ui_url
    if url is None:
        return None
    try:
        found = _read(url, tags)
    except (httpx.HTTPError, ValueError, KeyError, IndexError) as error:
        log.warning("%s: Spark's page at %s gave no plans: %s: %s", asset, url, type(error).__name__, error)
        return None
    folder = folder_of(settings, run_id)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = folder / f"{_SAFE.sub('_', asset)}.{datetime.now(UTC):%Y%m%dT%H%M%S%f}.json"
    file.write_text(json.dumps({"run_id": run_id, "asset": asset, **found}, indent=1) + "\n", "utf-8")
    _remove_old(settings.home / FOLDER)
    log.info("%s: %s jobs, %s plans kept in %s", asset, len(found["jobs"]), len(found["queries"]), file)
    return file


def _read(url: str, tags: Sequence[str]) -> dict[str, Any]:
    with httpx.Client(base_url=f"{url.rstrip('/')}/api/v1", timeout=_TIMEOUT_SECONDS) as client:
        application = f"/applications/{_get(client, '/applications')[0]['id']}"
        jobs = [job for job in _get(client, f"{application}/jobs") if _has(job.get("jobTags", ()), tags)]
        numbers = {job["jobId"] for job in jobs}
        stage_ids = {stage for job in jobs for stage in job["stageIds"]}
        stages = [s for s in _get(client, f"{application}/stages") if s["stageId"] in stage_ids]
        listed = _get(client, f"{application}/sql", details=False, planDescription=False, length=1000)
        queries = sorted(q["id"] for q in listed if numbers & _jobs_of(q))[-MOST_PLANS:]
        plans = [
            _get(client, f"{application}/sql/{number}", details=False, planDescription=True)
            for number in queries
        ]
    return {
        "jobs": [_only(job, _OF_JOB) for job in sorted(jobs, key=lambda job: int(job["jobId"]))],
        "stages": [_only(s, _OF_STAGE) for s in sorted(stages, key=lambda s: (s["stageId"], s["attemptId"]))],
        "queries": [_only(plan, _OF_QUERY) for plan in plans],
    }


def _get(client: httpx.Client, path: str, **parameters: Any) -> Any:
    answer = client.get(path, params=parameters)
    answer.raise_for_status()
    return answer.json()


def _has(job_tags: Iterable[str], tags: Sequence[str]) -> bool:
    """The server puts user and session before our tag."""
    found = tuple(job_tags)
    return all(any(one.endswith(f"_Tag_{tag}") for one in found) for tag in tags)


def _jobs_of(query: dict[str, Any]) -> set[int]:
    kinds = ("successJobIds", "failedJobIds", "runningJobIds")
    return {int(number) for kind in kinds for number in query.get(kind, ())}


def _only(values: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: values[name] for name in names if name in values}


def _remove_old(folder: Path) -> None:
    runs = sorted((p for p in folder.iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime)
    for old in runs[:-RUNS_KEPT]:
        shutil.rmtree(old, ignore_errors=True)
