"""A plan of faults against a stack under load.

Belongs here: the order of things: wait for the moment, do the fault, watch the recovery beside the next ones. Does not
belong here: single faults (`harm.py`), what the stores hold afterwards (`proof.py`).
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from media_analytics.errors import ServiceError
from media_analytics.local.faults import proof
from media_analytics.local.faults.harm import Harm, refuses_for_disk, wait_for, waits_for_disk
from media_analytics.local.faults.load import Load
from media_analytics.local.faults.plan import VICTIMS, Fault, planned
from media_analytics.local.faults.recovery import Back, Stores, await_back, is_ready
from media_analytics.local.faults.report import Minutes, Outcome, Report, Request, machine
from media_analytics.local.home import Home
from media_analytics.settings import Settings

# Without any acknowledgement, and later any new row, for so long the stack will not come back by itself.
SILENT_SECONDS = 300.0
_NOTICED_WITHIN_SECONDS = 60.0
_POLL_SECONDS = 0.05

T = TypeVar("T")
Tell = Callable[[str], None]
# Events acknowledged, faults whose service is back.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class _Found:
    back: Back
    note: str = ""
    is_noticed: bool = True


class Campaign:
    """The faults of a plan, done to one stack."""

    def __init__(self, home: Home, settings: Settings, load: Load, stores: Stores, tell: Tell) -> None:
        self._home, self._settings, self._load, self._stores = home, settings, load, stores
        self._tell = tell
        self._harm = Harm(home)
        self._open: dict[int, tuple[str, ...]] = {}
        self._lock = threading.Lock()
        self._began = time.monotonic()

    def run(self, faults: Sequence[Fault], progress: Progress) -> list[Outcome]:
        """Start the load, do every fault at its moment, return when the load has ended and each service is back.

        Raises:
            ServiceError: nothing was acknowledged for five minutes, a service cannot be hurt because it does not run.
        """
        self._began = time.monotonic()
        self._load.start()
        done: list[Future[Outcome]] = []
        waiting = list(faults)

        def show() -> None:
            progress(self._load.acknowledged, sum(one.done() for one in done))

        pool = ThreadPoolExecutor(max_workers=2 * len(VICTIMS))
        try:
            while waiting:
                fault = self._until(lambda: self._next(waiting), show)
                waiting.remove(fault)
                done.append(self._begin(fault, pool))
            self._until(lambda: self._load.is_finished and all(one.done() for one in done), show)
        finally:
            self._harm.resume_all()
            # Those who watch a service give up with the load.
            self._load.end()
            pool.shutdown()
        return sorted((one.result() for one in done), key=lambda outcome: outcome.at_seconds)

    def drain(self) -> float:
        """Wait until both stores hold as many rows as user.raw has records; the seconds it took.

        Raises:
            ServiceError: neither got a row for five minutes.
        """
        began = time.monotonic()
        collected = self._stores.collected()
        counts: dict[str, int] = {}

        def moved() -> bool:
            before = dict(counts)
            for name, count in (("realtime", self._stores.in_realtime), ("bronze", self._stores.in_bronze)):
                counts[name] = count()
            return counts != before or _all_of(collected)

        def _all_of(wanted: int) -> bool:
            return all(count >= wanted for count in counts.values())

        while wait_for(moved, SILENT_SECONDS):
            if _all_of(collected):
                return time.monotonic() - began
        raise ServiceError(
            f"for {SILENT_SECONDS:.0f} s without faults the stores got no row and hold {counts} of {collected} records "
            f"of user.raw; see the logs in {self._home.logs}"
        )

    def _begin(self, fault: Fault, pool: ThreadPoolExecutor) -> Future[Outcome]:
        with self._lock:
            beside = tuple(sorted(self._open))
            self._open[fault.number] = fault.services
        at, acknowledged = time.monotonic(), self._load.acknowledged
        follow = {"kill": self._kill, "stall": self._stall, "disk": self._fill}[fault.kind](fault, at)

        def watch() -> Outcome:
            try:
                found = follow()
            finally:
                with self._lock:
                    del self._open[fault.number]
            outcome = Outcome(
                number=fault.number,
                fault=fault.name,
                at_seconds=round(at - self._began, 1),
                acknowledged=acknowledged,
                lasted_seconds=fault.seconds,
                ready_seconds=_rounded(found.back.ready_seconds),
                progress_seconds=_rounded(found.back.progress_seconds),
                beside=beside,
                note=found.note,
                is_noticed=found.is_noticed,
            )
            self._tell(told(outcome))
            return outcome

        return pool.submit(watch)

    def _kill(self, fault: Fault, at: float) -> Callable[[], _Found]:
        (service,) = fault.services
        pid = self._harm.kill(service)
        return lambda: _Found(await_back(self._home, self._stores, service, at, pid))

    def _stall(self, fault: Fault, at: float) -> Callable[[], _Found]:
        (service,) = fault.services
        self._harm.stop(service)

        def follow() -> _Found:
            time.sleep(max(0.0, at + fault.seconds - time.monotonic()))
            self._harm.resume(service)
            return _Found(await_back(self._home, self._stores, service, at, None))

        return follow

    def _fill(self, fault: Fault, at: float) -> Callable[[], _Found]:
        def follow() -> _Found:
            with self._harm.full_disk():
                refused = wait_for(
                    lambda: refuses_for_disk(self._settings.collector.url), _NOTICED_WITHIN_SECONDS
                )
                began = self._load.acknowledged
                paused = wait_for(lambda: waits_for_disk(self._home), fault.seconds + _NOTICED_WITHIN_SECONDS)
                wait_for(lambda: False, fault.seconds)
                silent = self._load.acknowledged == began
            answered = "collector answered 507" if refused and silent else "collector did NOT refuse"
            waited = "sink paused" if paused else "sink did NOT pause"
            each = [await_back(self._home, self._stores, name, at, None) for name in fault.services]
            back = Back(
                _latest([one.ready_seconds for one in each]), _latest([one.progress_seconds for one in each])
            )
            return _Found(back, f"{answered}, {waited}", refused and silent and paused)

        return follow

    def _next(self, waiting: Sequence[Fault]) -> Fault | None:
        """The first fault that is due and whose services are back from earlier ones."""
        due = (fault for fault in waiting if self._load.acknowledged >= fault.after)
        return next((fault for fault in due if not self._is_hurt(fault.services)), None)

    def _is_hurt(self, services: Sequence[str]) -> bool:
        """Whether one of the services is not back from an earlier fault."""
        with self._lock:
            return any(set(services) & set(hurt) for hurt in self._open.values())

    def _until(self, find: Callable[[], T | None], show: Callable[[], None]) -> T:
        """Poll until something is found."""
        last, since = -1, time.monotonic()
        while not (found := find()):
            show()
            if self._load.acknowledged != last or self._load.is_finished:
                last, since = self._load.acknowledged, time.monotonic()
            elif time.monotonic() - since > SILENT_SECONDS:
                unready = [name for name in VICTIMS if not is_ready(self._home, name)]
                raise ServiceError(
                    f"no event was acknowledged for {SILENT_SECONDS:.0f} s; not ready: {', '.join(unready) or 'none'}; "
                    f"see the logs in {self._home.logs}"
                )
            time.sleep(_POLL_SECONDS)
        show()
        return found


def run_campaign(
    request: Request,
    home: Home,
    settings: Settings,
    tell: Tell,
    progress: Progress,
    compute: Callable[[Settings, datetime, Tell], Minutes | None],
) -> Report:
    """Load, faults, drain, `compute` (silver, and what the platform itself says), proof.

    Raises:
        ServiceError: the stack did not come back by itself, or a store did not get everything in time.
    """
    load = Load(settings, seed=request.seed, rate=request.rate, batch=request.batch, events=request.events)
    stores = Stores(settings, load)
    plan = planned(request.events, request.kills, request.seed, request.longest_stall_seconds)
    began, started_at = time.monotonic(), datetime.now(UTC)
    campaign = Campaign(home, settings, load, stores, tell)
    outcomes = campaign.run(plan, progress)
    load_seconds = time.monotonic() - began
    tell(f"{request.events:,} events acknowledged, every service back; waiting for both stores")
    drain_seconds = campaign.drain()
    minutes = compute(settings, started_at, tell)
    tell("comparing every coordinate and every event")
    return Report(
        request=request,
        started_at=f"{started_at:%Y-%m-%d %H:%M} UTC",
        load_seconds=round(load_seconds, 1),
        drain_seconds=round(drain_seconds, 1),
        outcomes=outcomes,
        refused=dict(load.refused),
        collected=stores.collected() - sum(stores.before.values()),
        acknowledged=load.acknowledged,
        dead_letters=proof.letters(settings),
        stores=proof.held(settings, load.acknowledged_ids(), stores.before),
        minutes=minutes,
        machine=machine(),
    )


def told(outcome: Outcome) -> str:
    """One line for a person."""
    if outcome.progress_seconds is None:
        return f"{outcome.number:>3}  {outcome.fault}: NOT back"
    lasted = f", lasted {outcome.lasted_seconds:.1f} s" if outcome.lasted_seconds else ""
    note = f"; {outcome.note}" if outcome.note else ""
    return (
        f"{outcome.number:>3}  {outcome.fault}{lasted}: ready after {outcome.ready_seconds:.1f} s, "
        f"works again after {outcome.progress_seconds:.1f} s{note}"
    )


def _latest(times: Sequence[float | None]) -> float | None:
    known = [t for t in times if t is not None]
    return max(known) if len(known) == len(times) else None


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)
