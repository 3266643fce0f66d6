"""kill -9 during inserts: every acknowledged insert is there after the restart, and none is there twice."""

import json
import random
import threading
import time
from pathlib import Path

import httpx
import pytest

from media_analytics_tests.services import gateway as service
from media_analytics_tests.services.gateway import ADMIN, GatewayProcess

pytestmark = pytest.mark.integration

BATCH = 200
KILLS = 3


class Writer(threading.Thread):
    """Sends numbered batches, each until it is acknowledged, with the batch's number as its token."""

    def __init__(self, gateway: GatewayProcess, number: int) -> None:
        super().__init__(daemon=True)
        self.acknowledged: list[int] = []
        self.retries = 0
        self.stop = threading.Event()
        self._gateway, self._number = gateway, number

    def run(self) -> None:
        batch = 0
        with httpx.Client(trust_env=False, auth=ADMIN, timeout=10) as client:
            while not self.stop.is_set():
                if self._send(client, batch):
                    self.acknowledged.append(batch)
                    batch += 1
                else:
                    self.retries += 1
                    time.sleep(0.05)

    def _send(self, client: httpx.Client, batch: int) -> bool:
        lines = "".join(
            json.dumps({"writer": self._number, "batch": batch, "row": row, "s": "\n\n; DROP TABLE t"}) + "\n"
            for row in range(BATCH)
        )
        arguments = {
            "query": "INSERT INTO t FORMAT JSONEachRow",
            "insert_deduplication_token": f"{self._number}-{batch}",
            "deduplicate_insert": "enable",
        }
        try:
            return client.post(self._gateway.url, params=arguments, content=lines).status_code == 200
        except httpx.TransportError:
            return False


def test_every_acknowledged_insert_survives_and_none_is_twice(own_gateway: GatewayProcess) -> None:
    own_gateway.query(
        "CREATE TABLE t (writer Int64, batch Int64, row Int64, s String) ENGINE = MergeTree "
        "ORDER BY (writer, batch, row) SETTINGS non_replicated_deduplication_window = 10000"
    )
    writers = [Writer(own_gateway, number) for number in range(3)]
    for writer in writers:
        writer.start()
    pause = random.Random(7)
    for _ in range(KILLS):
        reached = sum(len(writer.acknowledged) for writer in writers) + 30
        deadline = time.monotonic() + 60
        while sum(len(writer.acknowledged) for writer in writers) < reached:
            assert time.monotonic() < deadline, "the writers do not get on"
            time.sleep(0.01)
        time.sleep(pause.uniform(0, 0.03))
        own_gateway.kill()
        own_gateway.start()
    for writer in writers:
        writer.stop.set()
    for writer in writers:
        writer.join(30)
    assert sum(writer.retries for writer in writers) >= KILLS
    for writer in writers:
        text = own_gateway.query(
            "SELECT batch, count(), uniqExact(row) FROM t WHERE writer = {w:Int64} GROUP BY batch ORDER BY batch",
            param_w=writer._number,
        )
        stored = {
            int(batch): (int(rows), int(unique)) for batch, rows, unique in map(str.split, text.splitlines())
        }
        missing = [batch for batch in writer.acknowledged if batch not in stored]
        assert not missing
        assert set(stored.values()) == {(BATCH, BATCH)}
        assert len(writer.acknowledged) > 10


def test_an_insert_that_a_kill_cut_off_is_stored_when_it_is_sent_again(own_gateway: GatewayProcess) -> None:
    """The token of an insert is written before its part has a name; killed in between, only the token is left.

    The part's folder is renamed to what it was called at that moment. Parts that were merged keep their tokens.
    """
    own_gateway.query(
        "CREATE TABLE cut (batch Int64) ENGINE = MergeTree ORDER BY batch "
        "SETTINGS non_replicated_deduplication_window = 100"
    )

    def send(*batches: int) -> None:
        for batch in batches:
            own_gateway.query(
                f"INSERT INTO cut VALUES ({batch})",
                insert_deduplication_token=str(batch),
                deduplicate_insert="enable",
            )

    send(1, 2)
    own_gateway.query("OPTIMIZE TABLE cut FINAL")
    send(3, 4)
    place = own_gateway.query(
        "SELECT path FROM system.parts WHERE table = 'cut' AND active ORDER BY min_block_number DESC LIMIT 1"
    )
    part = Path(place.strip())
    own_gateway.kill()
    part.rename(part.with_name(f"tmp_insert_{part.name}"))
    own_gateway.start()
    assert (
        own_gateway.query("SELECT groupArray(batch) FROM (SELECT batch FROM cut ORDER BY batch)")
        == "[1,2,3]\n"
    )
    send(1, 2, 3, 4)
    assert (
        own_gateway.query("SELECT groupArray(batch) FROM (SELECT batch FROM cut ORDER BY batch)")
        == "[1,2,3,4]\n"
    )


def test_a_second_gateway_on_the_same_data_is_refused(own_gateway: GatewayProcess) -> None:
    """It would read the tokens of inserts that are running as left behind, and forget them."""
    second = service.make(own_gateway.folder)
    with pytest.raises(AssertionError, match=r"another gateway serves .*another home"):
        second.start()
    own_gateway.query("SELECT 1")
