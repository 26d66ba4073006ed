"""A web application in the test's process, and workers beside it."""

import redis

import services
from app import create_app
from config import Settings
from tests.support.processes import wait_until
from tests.support.worker import running_worker

PAGE = "https://example.com/"
SMALL = {"width": 320, "height": 240}
STATES = ("pending", "processing", "completed", "failed")
ENDED = ("completed", "failed")


class Deployment:
    """A web application in the test's process, and workers beside it, on one Redis and one screenshot API."""

    def __init__(self, api, stack, folder, settings):
        self.api = api
        self.folder = folder
        self.settings = settings
        self._stack = stack
        chosen = Settings.of(**settings)
        self.services = services.build(chosen)
        stack.callback(self.services.close)
        self.client = create_app(chosen, self.services).test_client()

    def start_worker(self, app="worker", said=b"ready."):
        return self._stack.enter_context(running_worker(self.folder / "worker.log", app, said, **self.settings))

    def ask(self, **body):
        """Ask for one picture, or for a batch, and return the job's path."""
        response = self.client.post("/screenshots", json=SMALL | body)
        assert response.status_code == 202, response.text
        return response.headers["Location"]

    def look(self, path):
        return self.client.get(path).json

    def ended(self, path, timeout=30):
        """Wait until the job has ended and describe it. A failure shows what Redis and the worker's log say."""
        try:
            wait_until(lambda: self.look(path)["status"] in ENDED, f"the end of {path}", timeout, pause=0.1)
        except AssertionError as err:
            raise AssertionError(f"{err}\n{self._state()}\n{self.log()[-6000:]}") from None
        return self.look(path)

    def _state(self):
        """The queues, the agenda with the seconds until each entry is due, and the jobs that have not ended."""
        with redis.Redis.from_url(self.settings["redis_url"], decode_responses=True) as client:
            now = client.time()[0]
            due = {
                message: round(at - now) for message, at in client.zrange("thumb:{jobs}:due", 0, -1, withscores=True)
            }
            queues = {name: client.lrange("thumb:celery:" + name, 0, -1) for name in ("interactive", "bulk")}
            jobs = [client.hgetall(key) for key in client.scan_iter("thumb:{jobs}:job:*")]
            unacked = client.zcard("thumb:celery:unacked_index")
        return {"due": due, "unacked": unacked} | queues | {"open": [job for job in jobs if job["state"] not in ENDED]}

    def calls(self, url=PAGE):
        return sum(call.params["url"] == url for call in self.api.calls)

    def settled(self):
        """Assert that Redis holds no message, nothing due, and as many ended jobs as it counts."""
        with redis.Redis.from_url(self.settings["redis_url"]) as client:
            queues = [
                "thumb:celery:" + name for name in ("interactive", "bulk", "webhooks", "unacked", "unacked_index")
            ]
            plans = ["thumb:{jobs}:" + name for name in ("due", "outbox", "unfinished")]
            wait_until(lambda: not client.exists(*queues, *plans), "the end of all work")
            jobs = [client.hget(key, "state").decode() for key in client.scan_iter("thumb:{jobs}:job:*")]
        assert self.services.jobs.store.stats().jobs == {name: jobs.count(name) for name in STATES}

    def due_in_more_than(self, seconds):
        """Count the messages that are due in more than `seconds`."""
        with redis.Redis.from_url(self.settings["redis_url"]) as client:
            return client.zcount("thumb:{jobs}:due", client.time()[0] + seconds, "+inf")

    def log(self):
        return (self.folder / "worker.log").read_text()
