"""Runs moto's S3 server over HTTP, in a separate process."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import boto3

from tests.support.processes import free_port, running


@contextmanager
def running_s3(*buckets: str) -> Iterator[str]:
    """Run an S3 server that has `buckets`, and yield its URL."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with running(command, port, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        url = f"http://127.0.0.1:{port}"
        client = s3_client(url)
        for bucket in buckets:
            client.create_bucket(Bucket=bucket)
        yield url


def s3_client(url: str):
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="an-s3-key-of-the-tests",
    )
