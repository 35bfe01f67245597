"""An S3 server for tests: moto's, which answers one request at a time, as S3 itself looks and writes in one step.

Run as a program it prints its port and serves until its standard input ends.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}


@contextlib.contextmanager
def s3_server(*, forgetful: bool = False) -> Iterator[str]:
    """Its address, `http://127.0.0.1:PORT`; it knows no buckets yet.

    A `forgetful` one ignores conditions on what is there already, as some servers do.
    """
    server = subprocess.Popen(
        [sys.executable, __file__, *["forgetful"] * forgetful],
        env={**os.environ, **KEYS},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert server.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(server.stdout.readline())}"
    finally:
        server.kill()
        server.communicate()


def make_bucket(address: str, name: str) -> None:
    """Without credentials of the environment's: what tests set there must not matter."""
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=address,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        region_name="us-east-1",
    )
    client.create_bucket(Bucket=name)


def main() -> None:
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    application = DomainDispatcherApplication(create_backend_app)
    turn = threading.Lock()

    def one_at_a_time(environment: dict[str, Any], start_response: Any) -> list[bytes]:
        if "forgetful" in sys.argv:
            environment.pop("HTTP_IF_NONE_MATCH", None)
        with turn:
            return list(application(environment, start_response))

    server = make_server("127.0.0.1", 0, one_at_a_time, threaded=True)
    print(server.server_port, flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
