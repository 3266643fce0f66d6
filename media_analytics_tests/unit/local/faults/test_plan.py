"""The plan of faults: seeded, complete, inside the load."""

import itertools

import pytest

from media_analytics.local.faults.plan import DISK_WATCHERS, VICTIMS, planned


def test_the_same_seed_gives_the_same_plan_and_another_seed_another() -> None:
    assert planned(20_000, 6, 1, 15.0) == planned(20_000, 6, 1, 15.0)
    assert planned(20_000, 6, 1, 15.0) != planned(20_000, 6, 2, 15.0)


@pytest.mark.parametrize("seed", range(20))
def test_a_small_plan_hits_every_service_and_fills_the_disk_once(seed: int) -> None:
    """Would catch a plan that by chance never touches a service, so that its recovery is not tested."""
    faults = planned(20_000, 6, seed, 6.0)
    kinds = [fault.kind for fault in faults]
    assert (kinds.count("kill"), kinds.count("stall"), kinds.count("disk")) == (6, 3, 1)
    hurt = {fault.services[0] for fault in faults if fault.kind != "disk"}
    assert hurt == set(VICTIMS)
    assert [fault.services for fault in faults if fault.kind == "disk"] == [DISK_WATCHERS]


def test_faults_come_in_order_while_events_flow() -> None:
    faults = planned(1_000_000, 50, 7, 15.0)
    moments = [fault.after for fault in faults]
    assert moments == sorted(moments)
    assert moments[0] >= 40_000
    assert moments[-1] <= 920_000
    assert [fault.number for fault in faults] == list(range(1, 77))


def test_some_faults_come_together_and_stalls_keep_their_bounds() -> None:
    """Two services down at once is what a machine that restarts looks like."""
    faults = planned(1_000_000, 50, 7, 15.0)
    moments = [fault.after for fault in faults]
    assert any(a == b for a, b in itertools.pairwise(moments))
    lengths = [fault.seconds for fault in faults if fault.kind == "stall"]
    assert len(lengths) == 25
    assert min(lengths) >= 2.0
    # Some are longer than a session of Kafka (10 s): the member is then taken for dead and comes back.
    assert 10.0 < max(lengths) <= 15.0
