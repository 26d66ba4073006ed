"""`POST /persist` into a local folder and into an S3 server over HTTP."""

import hashlib
from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs

from tests.support.s3 import running_s3, s3_client

PAGE = "https://example.com/"


@pytest.fixture(scope="module")
def s3_url():
    with running_s3("pics") as url:
        yield url


@pytest.fixture
def s3_settings(s3_url, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "an-s3-key-of-the-tests")
    return {"s3_bucket": "pics", "s3_region": "us-east-1", "s3_endpoint_url": s3_url}


def test_a_page_gets_a_permanent_url_in_the_local_folder(client):
    response = client.post("/persist", json={"url": PAGE, "w": 320})
    answer = response.json

    assert response.status_code == 201
    assert answer["key"] == f"thumbs/{answer['sha256']}.png"
    assert answer["url"] == f"http://localhost/media/{answer['key']}"
    assert (answer["width"], answer["height"], answer["content_type"]) == (320, 180, "image/png")
    assert answer["cached"] is False
    assert answer["captured_at"].endswith("Z")

    served = client.get(urlsplit(answer["url"]).path)
    assert hashlib.sha256(served.data).hexdigest() == answer["sha256"]
    assert len(served.data) == answer["bytes"]
    assert served.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert served.headers["X-Content-Type-Options"] == "nosniff"


def test_a_picture_is_not_written_twice(client, api):
    first = client.post("/persist", json={"url": PAGE})
    second = client.post("/persist", json={"url": PAGE})

    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json["url"] == first.json["url"]
    assert second.json["cached"] is True
    assert len(api.calls) == 1


def test_a_cached_picture_is_stored_without_a_capture(client, api):
    shown = client.get("/thumb", query_string={"url": PAGE, "w": 64, "format": "webp"})
    answer = client.post("/persist", json={"url": PAGE, "w": 64, "format": "webp"}).json

    assert answer["cached"] is True
    assert client.get(urlsplit(answer["url"]).path).data == shown.data
    assert len(api.calls) == 1


def test_public_url_is_the_base_of_local_urls(make_client):
    answer = make_client(public_url="https://example.org/shots/").post("/persist", json={"url": PAGE}).json

    assert answer["url"].startswith("https://example.org/shots/media/thumbs/")


def test_a_page_gets_a_permanent_url_in_s3(make_client, s3_settings, s3_url):
    response = make_client(**s3_settings).post("/persist", json={"url": PAGE, "format": "jpeg"})
    answer = response.json

    assert response.status_code == 201
    assert answer["url"] == f"{s3_url}/pics/{answer['key']}"
    head = s3_client(s3_url).head_object(Bucket="pics", Key=answer["key"])
    assert head["ContentType"] == "image/jpeg"
    assert head["CacheControl"] == "public, max-age=31536000, immutable"
    fetched = s3_client(s3_url).get_object(Bucket="pics", Key=answer["key"])["Body"].read()
    assert hashlib.sha256(fetched).hexdigest() == answer["sha256"]


def test_an_object_in_s3_is_never_overwritten(make_client, s3_settings, s3_url):
    client = make_client(**s3_settings)
    first = client.post("/persist", json={"url": PAGE, "w": 100})
    before = s3_client(s3_url).head_object(Bucket="pics", Key=first.json["key"])["LastModified"]
    second = client.post("/persist", json={"url": PAGE, "w": 100})

    assert (first.status_code, second.status_code) == (201, 200)
    assert s3_client(s3_url).head_object(Bucket="pics", Key=first.json["key"])["LastModified"] == before


def test_the_cdn_in_front_of_the_bucket_is_the_base_of_urls(make_client, s3_settings):
    client = make_client(**s3_settings, s3_public_url="https://cdn.example.com/pics/")
    answer = client.post("/persist", json={"url": PAGE}).json

    assert answer["url"] == f"https://cdn.example.com/pics/{answer['key']}"


@pytest.mark.parametrize(
    ("bucket", "region", "expected"),
    [
        ("pics", "eu-central-1", "https://pics.s3.eu-central-1.amazonaws.com/thumbs/k.png"),
        ("pics", "us-east-1", "https://pics.s3.amazonaws.com/thumbs/k.png"),
        ("my.pics", "eu-west-1", "https://s3.eu-west-1.amazonaws.com/my.pics/thumbs/k.png"),
        ("pics", "cn-north-1", "https://pics.s3.cn-north-1.amazonaws.com.cn/thumbs/k.png"),
    ],
)
def test_the_url_has_the_host_of_the_region(monkeypatch, bucket, region, expected):
    from storage_backends import S3Storage

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "an-s3-key-of-the-tests")
    storage = S3Storage(bucket, region=region, endpoint_url=None, public_url=None)
    assert storage.url("thumbs/k.png") == expected


def test_a_missing_bucket_gets_storage_unavailable(make_client, s3_settings):
    response = make_client(**s3_settings | {"s3_bucket": "nowhere"}).post("/persist", json={"url": PAGE})

    assert response.status_code == 503
    assert response.json["code"] == "storage_unavailable"
    assert response.json["retryable"] is True
    assert response.headers["Retry-After"] == "5", "the storage is used within ten seconds of its return"
    assert "nowhere" not in response.text


def test_a_folder_that_is_not_writable_gets_storage_unavailable(make_client, tmp_path):
    (tmp_path / "file").write_text("in the way")
    response = make_client(persist_dir=tmp_path / "file").post("/persist", json={"url": PAGE})

    assert (response.status_code, response.json["code"]) == (503, "storage_unavailable")


@pytest.mark.parametrize(
    ("body", "content_type", "status", "says"),
    [
        (b"url=https://example.com/", "application/x-www-form-urlencoded", 415, "application/json"),
        (b"{", "application/json", 400, "not JSON"),
        (b"[]", "application/json", 400, "must be a JSON object"),
        (b"null", "application/json", 400, "must be a JSON object"),
        (b"[" * 60000, "application/json", 400, "not JSON"),
        (b" " * 10_000_000, "application/json", 413, "64 KiB"),
        (b'{"url": "https://example.com/", "url": "https://example.org/"}', "application/json", 400, "url: is set"),
        (b'{"url": "https://example.com/", "format": "gif"}', "application/json", 400, "webp, jpeg, avif or pdf"),
        (
            b'{"url": "https://example.com/", "format": "auto"}',
            "application/json",
            400,
            "format: auto works only for /thumb",
        ),
        (b'{"url": 7}', "application/json", 400, "url: must be an absolute"),
        (b'{"url": "https://example.com/", "widht": 7}', "application/json", 400, "did you mean width?"),
        (b'{"url": "https://example.com/", "wait_for": "\\ud800"}', "application/json", 400, "wait_for"),
        (
            b'{"url": "https://example.com/", "locale": ["de"]}',
            "application/json",
            400,
            "locale: must be a BCP 47 language",
        ),
        (
            b'{"url": "https://example.com/", "timezone": 1}',
            "application/json",
            400,
            "timezone: must be an IANA time zone",
        ),
        (
            b'{"url": "https://example.com/", "color_scheme": "dark", "dark_mode": false}',
            "application/json",
            400,
            "color_scheme: contradicts dark_mode=false; send only one of them",
        ),
        (b'{"url": "http://169.254.169.254/"}', "application/json", 400, "not a public web address"),
    ],
)
def test_an_invalid_body_gets_an_explanation_free_of_charge(make_client, api, body, content_type, status, says):
    client = make_client(persist_limit="1 per hour")
    response = client.post("/persist", data=body, content_type=content_type)

    assert response.status_code == status
    assert says in response.json["detail"]
    assert api.calls == []
    assert client.post("/persist", json={"url": PAGE}).status_code == 201, "the one call was still there"


@pytest.mark.parametrize(
    "path",
    ["../secret.png", "%2e%2e/secret.png", "thumbs/../../secret.png", "secret.png", "thumbs/", "thumbs/%00.png",
     "/etc/passwd", "thumbs/" + "0" * 64 + ".svg"],
)  # fmt: skip
def test_media_serves_only_permanent_pictures(client, tmp_path, path):
    (tmp_path / "media" / "thumbs").mkdir(parents=True)
    (tmp_path / "secret.png").write_text("secret")
    (tmp_path / "media" / "secret.png").write_text("secret")

    response = client.get(f"/media/{path}")
    assert response.status_code in (301, 308, 404)
    assert b"secret" not in response.data


def test_media_follows_no_symbolic_link(client, tmp_path):
    folder = tmp_path / "media" / "thumbs"
    folder.mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    name = "0" * 64 + ".png"
    (folder / name).symlink_to(tmp_path / "secret")

    assert client.get(f"/media/thumbs/{name}").status_code == 404


def test_persist_has_its_own_limit(make_client):
    client = make_client(persist_limit="2 per hour")
    statuses = [client.post("/persist", json={"url": PAGE}).status_code for _ in range(3)]

    assert statuses == [201, 200, 429]


def test_nothing_is_stored_that_would_fill_the_disk(make_client, api, tmp_path):
    client = make_client(persist_min_free=2**50)
    with capture_logs() as logs:
        response = client.post("/persist", json={"url": PAGE})
        ready = client.get("/ready")

    assert (response.status_code, response.json["code"], response.json["retryable"]) == (507, "storage_full", True)
    assert int(response.headers["Retry-After"]) > 0
    assert (ready.status_code, ready.json["storage"], ready.json["ok"]) == (503, "full", False)
    full = [entry for entry in logs if entry["event"] == "storage_full"]
    assert len(full) == 2
    assert {entry["setting"] for entry in full} == {"PERSIST_MIN_FREE"}
    assert 0 < full[0]["free_bytes"] < 2**50
    assert list((tmp_path / "media").rglob("*.png")) == []
    assert client.get("/thumb", query_string={"url": PAGE}).headers["X-Cache"] == "HIT"


def test_a_picture_that_is_stored_already_needs_no_space(make_client):
    assert make_client().post("/persist", json={"url": PAGE}).status_code == 201
    again = make_client(persist_min_free=2**50).post("/persist", json={"url": PAGE})

    assert (again.status_code, again.json["cached"]) == (200, True)


def store(client, address, **options):
    return client.post("/persist", json={"url": PAGE, **options}, environ_base={"REMOTE_ADDR": address})


def test_a_client_stores_so_many_bytes_a_day_and_others_theirs(make_client, api):
    size = store(make_client(), "192.0.2.1", w=200).json["bytes"]
    client = make_client(persist_bytes_limit=2 * size, persist_limit="100 per minute")
    greedy = [store(client, "192.0.2.66", w=w) for w in (201, 400)]
    other = store(client, "192.0.2.7", w=202)

    assert [each.status_code for each in greedy] == [201, 429]
    assert f"limit reached: {2 * size:,} bytes of permanent pictures per day" in greedy[1].json["detail"]
    assert 3600 < int(greedy[1].headers["Retry-After"]) <= 86400
    assert other.status_code == 201
    assert len(api.calls) == 1


def test_what_is_stored_already_costs_no_bytes(make_client):
    client = make_client(persist_limit="100 per minute")
    size = store(client, "192.0.2.1", w=200).json["bytes"]
    bounded = make_client(persist_bytes_limit=size, persist_limit="100 per minute")
    known = [store(bounded, "192.0.2.66", w=200).status_code for _ in range(3)]

    assert known == [200, 200, 200]
    assert store(bounded, "192.0.2.66", w=100).status_code == 201, "which takes less"


def test_a_picture_that_was_not_stored_costs_no_bytes(make_client, tmp_path):
    size = store(make_client(), "192.0.2.1", w=200).json["bytes"]
    limits = {"persist_bytes_limit": size, "persist_limit": "100 per minute"}
    full = make_client(persist_min_free=2**50, persist_dir=tmp_path / "other", **limits)
    assert [store(full, "192.0.2.66", w=200).status_code for _ in range(3)] == [507] * 3
    assert store(make_client(persist_dir=tmp_path / "other", **limits), "192.0.2.66", w=200).status_code == 201
