"""How callers see a job: where its picture is, and the state of a batch."""

import time

import pytest

from jobs import Batch, Job, JobResult, State
from jobs.presenter import JobPresenter
from model import ThumbnailRequest
from options import CaptureOptions
from urls import locate

WANTED = ThumbnailRequest(CaptureOptions(locate("https://example.com/")))


class Signer:
    """A storage that signs URLs and records for how long."""

    def __init__(self):
        self.asked = []

    def presign(self, key, seconds):
        self.asked.append((key, seconds))
        return f"https://pics.example.com/{key}?sig={len(self.asked)}"


class Folder:
    def presign(self, key, seconds):
        return None


def done(id_="a" * 32, url=None, ago=0.0):
    result = JobResult(f"jobs/{id_}.png", "image/png", 1, 1, 1, time.time(), url)
    return Job(id_, WANTED, time.time(), state=State.COMPLETED, completed_at=time.time() - ago, result=result)


def test_a_url_is_signed_once_for_the_rest_of_the_jobs_day():
    signer = Signer()
    presenter = JobPresenter(signer, None)
    first, again = (presenter.describe(done(ago=3600))["image_url"] for _ in range(2))

    ((key, seconds),) = signer.asked
    assert key == f"jobs/{'a' * 32}.png"
    assert 82790 <= seconds <= 82800
    assert first == again == f"https://pics.example.com/{key}?sig=1"


def test_a_persisted_picture_has_its_permanent_url():
    signer = Signer()
    assert JobPresenter(signer, None).describe(done(url="https://cdn.example.com/k.png"))["image_url"] == (
        "https://cdn.example.com/k.png"
    )
    assert signer.asked == []


@pytest.mark.parametrize(
    ("public_url", "here", "expected"),
    [
        (None, "", "/jobs/{id}/image"),
        (None, "http://localhost", "http://localhost/jobs/{id}/image"),
        ("https://shots.example.com", "http://localhost", "https://shots.example.com/jobs/{id}/image"),
        ("https://shots.example.com", "", "https://shots.example.com/jobs/{id}/image"),
    ],
)
def test_a_picture_of_this_service_is_below_its_public_url(public_url, here, expected):
    assert JobPresenter(Folder(), public_url).describe(done(), here)["image_url"] == expected.format(id="a" * 32)


@pytest.mark.parametrize(
    ("states", "status"),
    [
        ("pending pending", "pending"),
        ("pending processing", "processing"),
        ("pending completed", "processing"),
        ("pending failed", "processing"),
        ("completed completed", "completed"),
        ("completed failed", "failed"),
    ],
)
def test_a_batch_s_state_is_the_sum_of_its_jobs(states, status):
    jobs = [Job(str(number), WANTED, 0.0, state=State(state)) for number, state in enumerate(states.split())]
    report = JobPresenter(Folder(), None).describe_batch(Batch("b", "", 0.0, ("0", "1")), jobs)

    assert report["status"] == status
    assert sum(report[state.value] for state in State) == 2
    assert [job["job_id"] for job in report["jobs"]] == ["0", "1"]


def test_a_batch_that_waits_for_a_retry_has_begun():
    jobs = [Job("0", WANTED, 0.0, turn=2, retries=1), Job("1", WANTED, 0.0)]
    report = JobPresenter(Folder(), None).describe_batch(Batch("b", "", 0.0, ("0", "1")), jobs)

    assert (report["status"], report["pending"]) == ("processing", 2)


def test_a_batch_with_a_removed_record_has_begun():
    report = JobPresenter(Folder(), None).describe_batch(Batch("b", "", 0.0, ("0", "1")), [Job("1", WANTED, 0.0)])

    assert (report["status"], report["pending"]) == ("processing", 1)
