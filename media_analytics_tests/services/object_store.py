"""An S3-compatible server for tests: moto's own server, in memory, on a free port of this machine.

Belongs here: starting it, telling clients where it is, filling it. Does not belong here: what is stored.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from moto.server import ThreadedMotoServer
from pyarrow import fs

from media_analytics.settings import ObjectStore


@dataclass(frozen=True)
class Running:
    """A running server."""

    settings: ObjectStore

    def put(self, folder: Path, address: str) -> None:
        """Copy the files below a folder to `bucket/prefix`; the bucket is made if it is not there."""
        store = fs.S3FileSystem(
            access_key=self.settings.access_key_id,
            secret_key=self.settings.secret_access_key.get_secret_value(),
            endpoint_override=self.settings.endpoint,
            region=self.settings.region,
            allow_bucket_creation=True,
        )
        store.create_dir(address.split("/")[0])
        fs.copy_files(str(folder), address, fs.LocalFileSystem(), store)


@contextmanager
def running() -> Iterator[Running]:
    """A server with nothing in it, ended behind the block."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        # What is stored is kept by the process, whatever server it came through.
        httpx.post(f"{endpoint}/moto-api/reset").raise_for_status()
        yield Running(ObjectStore(endpoint=endpoint, access_key_id="test", secret_access_key="test"))
    finally:
        server.stop()
