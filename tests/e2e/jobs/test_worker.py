"""The worker as it runs: a real Celery with a pool of processes, and a real Redis."""

import os
import subprocess
import sys
from collections import Counter

from tests.support.deployment import ENDED, PAGE, SMALL
from tests.support.processes import wait_until
from tests.support.screenshot_api import refuse
from tests.support.web import ROOT


def test_a_worker_captures_the_picture_of_a_job(deployment):
    deployment = deployment()
    deployment.start_worker()
    path = deployment.ask(url=PAGE, format="webp", w=100)
    job = deployment.ended(path)
    image = deployment.client.get(f"{path}/image")

    assert (job["status"], job["error"], job["retries"]) == ("completed", None, 0)
    assert job["image_url"] == f"http://localhost{path}/image"
    assert job["completed_at"] >= job["created_at"]
    assert image.content_type == "image/webp"
    assert image.data[8:12] == b"WEBP"
    assert deployment.client.get(f"{path}/image", headers={"If-None-Match": image.headers["ETag"]}).status_code == 304


def test_the_worker_loads_no_flask(redis_url):
    script = (
        "import sys, worker; worker.services(); "
        "print([name for name in ('flask', 'flask_limiter', 'werkzeug', 'web') if name in sys.modules])"
    )
    env = os.environ | {"REDIS_URL": redis_url}
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_hundreds_of_jobs_all_end_as_they_must(deployment):
    """A tenth of the pages fail once before they can be captured; a twentieth are refused permanently."""
    deployment = deployment()
    urls = [f"{PAGE}{number}" for number in range(200)]
    failing, refused = set(urls[1:100:5]), set(urls[9::20])  # leaves the last failure time for its retry
    for url in failing:
        deployment.api.behave(refuse(422, "page_error"), url=url)
    for url in refused:
        deployment.api.behave(refuse(404, "not_found"), url=url, times=9)
    paths = [deployment.ask(urls=urls[first : first + 100]) for first in (0, 100)]
    deployment.start_worker()
    store = deployment.services.jobs.store
    wait_until(lambda: sum(map(store.stats().jobs.get, ENDED)) == 200, "the end of all", timeout=100)
    batches = [deployment.look(path) for path in paths]

    jobs = dict(zip(urls, (job for batch in batches for job in batch["jobs"]), strict=True))
    assert {url for url, job in jobs.items() if job["status"] == "failed"} == refused
    assert {url: job["retries"] for url, job in jobs.items()} == {url: int(url in failing) for url in urls}
    assert {jobs[url]["error"]["code"] for url in refused} == {"capture_failed"}
    calls = Counter(call.params["url"] for call in deployment.api.calls)
    assert calls == {url: 2 if url in failing else 1 for url in urls}
    deployment.settled()


def test_jobs_wait_for_the_end_of_an_api_outage_without_using_up_retries(deployment):
    deployment = deployment(worker_concurrency=1)
    deployment.api.behave(refuse(402, "quota_exceeded"))
    deployment.start_worker()
    path = deployment.ask(urls=[f"{PAGE}{number}" for number in range(10)])
    wait_until(lambda: '"breaker_open"' in deployment.log(), "the quota's end")
    wait_until(lambda: deployment.due_in_more_than(1200) == 9, "the postponement of all that were not attempted")

    jobs = deployment.look(path)["jobs"]
    assert {job["status"] for job in jobs} == {"pending"}
    assert sorted(job["retries"] for job in jobs) == [0] * 9 + [1]
    assert len(deployment.api.calls) == 1


def test_a_wrong_key_fails_a_whole_batch_at_once(deployment):
    deployment = deployment(capture_api_key="sk_live_wrong")
    deployment.start_worker()
    batch = deployment.ended(deployment.ask(urls=[f"{PAGE}{number}" for number in range(20)]))
    assert (batch["failed"], {job["retries"] for job in batch["jobs"]}) == (20, {0})


def test_a_page_that_a_visitor_found_permanently_refused_fails_its_job_at_once(deployment):
    deployment = deployment()
    deployment.api.behave(refuse(404, "not_found"))
    assert deployment.client.get("/thumb", query_string={"url": PAGE} | SMALL).status_code == 502
    deployment.start_worker()
    assert deployment.ended(deployment.ask(url=PAGE))["retries"] == 0
    assert deployment.calls() == 1
