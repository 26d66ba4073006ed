"""Each process refuses to start on a Redis in cluster mode, and says which variable names it."""

import pytest

from tests.support.preloaded import ROOT, production_environ, run_python
from tests.support.processes import free_port, wait_until
from tests.support.redis import running_redis
from tests.support.worker import running_worker

COMMANDS = {
    "web": ["gunicorn", "-c", str(ROOT / "deploy/gunicorn.conf.py"), "app:app"],
    "worker": ["celery", "--app", "worker", "--quiet", "worker"],
    "beat": ["celery", "--app", "worker", "--quiet", "beat"],
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster_url():
    with running_redis("--cluster-enabled", "yes", "--cluster-port", str(free_port())) as server:
        yield server.url


@pytest.mark.parametrize("variable", ["REDIS_URL", "STATE_REDIS_URL"])
@pytest.mark.parametrize("process", COMMANDS)
def test_it_ends_and_says_what_to_do(cluster_url, redis_url, tmp_path, process, variable):
    env = production_environ() | {"REDIS_URL": redis_url, "STATE_REDIS_URL": redis_url, variable: cluster_url}
    env |= {"PORT": str(free_port()), "SNAPSHARP_API_KEY": "sk_live_test", "WEB_CONCURRENCY": "1"}
    done = run_python(*COMMANDS[process], env=env, cwd=tmp_path)
    assert done.returncode != 0
    assert f"Redis Cluster is not supported: set {variable} to a Redis without cluster mode" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_worker_that_meets_a_cluster_later_waits_and_says_what_to_do(tmp_path):
    port, log = free_port(), tmp_path / "worker.log"
    settings = {"redis_url": f"redis://127.0.0.1:{port}/0", "snapsharp_api_key": "sk_live_test"}
    with (
        running_worker(log, said=b"Cannot connect", **settings) as worker,
        running_redis("--cluster-enabled", "yes", "--cluster-port", str(free_port()), port=port),
    ):
        wait_until(lambda: "redis_refuses" in log.read_text(), "a refusal")
        assert '"hint":"Redis Cluster is not supported: set REDIS_URL and STATE_REDIS_URL' in log.read_text()
        assert worker.poll() is None
