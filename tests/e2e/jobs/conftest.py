from contextlib import ExitStack

import pytest

from tests.support.deployment import Deployment


@pytest.fixture
def deployment(api, redis_url, tmp_path):
    """Make deployments; an argument changes a setting."""
    with ExitStack() as stack:

        def make(**changes):
            settings = {
                "redis_url": redis_url,
                "capture_api": "snapsharp",
                "capture_url": api.url,
                "capture_api_key": "sk_live_test",
                "persist_dir": tmp_path / "media",
                "originals_dir": tmp_path / "originals",
                "resolve_targets": False,
                "worker_niceness": 0,
                "job_limit": "10000 per minute",
                "bulk_limit": "10000 per minute",
                "request_limit": "100000 per minute",
            }
            return Deployment(api, stack, tmp_path, settings | changes)

        yield make
