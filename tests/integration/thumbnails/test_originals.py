"""Originals are kept in a folder, a bucket or Redis. Wherever they are, losing one costs a capture and nothing else."""

import os
import shutil
import time
from io import BytesIO

import pytest
import redis
from PIL import Image

from tests.support.originals import kept, kept_bytes, kept_files
from tests.support.processes import wait_until
from tests.support.redis import age_pictures
from tests.support.s3 import running_s3, s3_client
from tests.support.screenshot_api import blank, sized, with_mark
from tests.support.visitors import PAGE, Crowd, get

BUCKET = "pics"
SMALL = {"width": 400, "height": 300}


@pytest.fixture(scope="module")
def s3_url():
    with running_s3(BUCKET) as url:
        yield url


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "originals"


@pytest.fixture
def in_folder(settings, folder):
    settings |= {"originals": "folder", "originals_dir": folder}
    return settings


@pytest.fixture
def in_bucket(settings, s3_url, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "an-s3-key-of-the-tests")
    for each in objects(s3_url):
        s3_client(s3_url).delete_object(Bucket=BUCKET, Key=each)
    settings |= {"originals": "s3", "s3_bucket": BUCKET, "s3_region": "us-east-1", "s3_endpoint_url": s3_url}
    return settings


@pytest.fixture(params=["in_folder", "in_bucket", "settings"], ids=["folder", "s3", "redis"])
def anywhere(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(params=["in_folder", "in_bucket"], ids=["folder", "s3"])
def outside(request):
    return request.getfixturevalue(request.param)


def objects(s3_url):
    return [each["Key"] for each in s3_client(s3_url).list_objects_v2(Bucket=BUCKET).get("Contents", [])]


def size(response):
    return Image.open(BytesIO(response.data)).size


def cache(response):
    assert response.status_code == 200, response.data
    return response.headers["X-Cache"]


def pictures_in(redis_url):
    with redis.Redis.from_url(redis_url) as store:
        return [store.get(key) for key in store.keys("thumb:picture:*")]


def in_redis(redis_url):
    """The bytes of all pictures in Redis."""
    return sum(map(len, pictures_in(redis_url)))


def test_one_capture_serves_all_sizes_in_all_processes(anywhere, make_client, api):
    one, other = make_client(), make_client()
    get(one, w=320)

    answers = [get(client, w=width) for client, width in ((other, 160), (one, 200), (other, 320))]

    assert [cache(answer) for answer in answers] == ["HIT"] * 3
    assert [size(answer)[0] for answer in answers] == [160, 200, 320]
    assert len(api.calls) == 1


def test_a_fresh_capture_replaces_the_original(anywhere, make_client, api):
    one, other = make_client(), make_client()
    get(one, w=320)
    api.behave(with_mark(400, 400))
    get(one, w=320, fresh=1)

    shown = get(other, w=64, format="png")

    assert cache(shown) == "HIT"
    assert Image.open(BytesIO(shown.data)).convert("L").getpixel((32, 18)) > 200  # the mark
    assert len(api.calls) == 2


def test_a_purge_removes_the_originals_of_its_pages_alone(anywhere, make_client, api):
    client = make_client()
    purged = client.application.extensions["services"]
    for page in (PAGE, "https://example.org/"):
        get(client, page, w=320)
    assert client.post("/purge", json={"url": PAGE}).status_code == 202

    assert purged.purging.sweeper.sweep() >= 2
    assert cache(get(client, "https://example.org/", w=640)) == "HIT"
    assert cache(get(client, PAGE, w=640)) == "MISS"
    assert len(api.calls) == 3


@pytest.mark.parametrize("kind", ["png", "pdf"])
def test_a_picture_in_the_captured_size_is_the_captured_file(outside, make_client, api, redis_url, kind):
    client = make_client()
    captured = get(client, **SMALL, format=kind)
    again = get(client, **SMALL, format=kind)
    alike = get(make_client(), **SMALL, format=kind)

    assert (cache(captured), cache(again), cache(alike)) == ("MISS", "HIT", "HIT")
    assert captured.data == again.data == alike.data
    assert captured.headers["ETag"] == again.headers["ETag"] == alike.headers["ETag"]
    assert len(api.calls) == 1
    assert in_redis(redis_url) == 0  # it is kept once, beside the original


@pytest.mark.parametrize("options", [{"w": 400}, {"w": 400, "h": 300}, {"w": 800, "fit": "inside"}], ids=str)
def test_a_png_that_asks_for_the_captured_size_is_the_captured_file(in_folder, make_client, redis_url, options):
    client = make_client()
    captured = get(client, **SMALL)

    assert get(client, **SMALL, **options).data == captured.data
    assert get(client, **SMALL, **options).data == captured.data
    assert in_redis(redis_url) == 0


@pytest.mark.parametrize(
    "options", [{"w": 200}, {"h": 100}, {"w": 800, "h": 600}, {"w": 400, "h": 100}, {"format": "webp"}], ids=str
)
def test_another_size_or_format_is_no_captured_file(in_folder, make_client, redis_url, options):
    client = make_client()
    captured = get(client, **SMALL)
    made = get(client, **SMALL, **options)

    assert made.data != captured.data
    assert in_redis(redis_url) > len(made.data)
    assert (cache(get(client, **SMALL, **options)), get(client, **SMALL, **options).data) == ("HIT", made.data)


def test_a_typical_page_with_three_renditions_takes_little_of_redis(in_folder, make_client, redis_url):
    client = make_client()
    png = get(client)
    webp, jpeg = get(client, w=640, format="webp"), get(client, w=320, format="jpeg")

    assert in_redis(redis_url) < len(webp.data) + len(jpeg.data) + 2048
    assert not [value for value in pictures_in(redis_url) if png.data in value]


def test_a_stale_original_is_shown_while_its_page_is_captured_again(in_folder, make_client, api, redis_url, folder):
    client = make_client(cache_ttl=60)
    get(client)
    age_pictures(redis_url, 120, folder)

    for options in ({}, {"w": 100}):
        assert cache(get(client, **options)) in ("STALE", "HIT")
        client.application.extensions["services"].coalescer.drain(10)
    assert len(api.calls) == 2


def test_a_page_that_did_not_change_keeps_its_bytes(in_folder, make_client, api, redis_url, folder):
    client = make_client(cache_ttl=60)
    before = get(client)
    age_pictures(redis_url, 120, folder)
    assert cache(get(client)) == "STALE"
    client.application.extensions["services"].coalescer.drain(10)
    after = get(client)

    assert (cache(after), after.headers["ETag"]) == ("HIT", before.headers["ETag"])
    assert len(api.calls) == 2


def test_a_blank_picture_is_kept_for_a_minute_at_most(in_folder, make_client, api, folder):
    api.behave(blank, times=2)
    get(make_client())
    (path,) = kept_files(folder)

    assert path.stat().st_mtime <= time.time() + 60


def test_a_lost_original_costs_a_capture(outside, make_client, api, folder, s3_url):
    client = make_client()
    get(client, w=320)
    lose(outside, folder, s3_url)

    assert cache(get(client, w=320)) == "HIT"
    assert cache(get(client, w=160)) == "MISS"
    assert len(api.calls) == 2


def lose(settings, folder, s3_url):
    if settings["originals"] == "s3":
        for key in objects(s3_url):
            s3_client(s3_url).delete_object(Bucket=BUCKET, Key=key)
    else:
        shutil.rmtree(folder)


DAMAGES = {
    "empty": lambda data: b"",
    "cut off": lambda data: data[: len(data) // 2],
    "a bit in its header": lambda data: flip(data, 200),
    "a bit in its picture": lambda data: flip(data, len(data) // 3),
    "a bit near its end": lambda data: flip(data, len(data) - 100),
    "a bit in its seal": lambda data: flip(data, len(data) - 1),
    "not written out": lambda data: bytes(len(data)),
    "longer": lambda data: data + b"x",
}


def flip(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_original_costs_a_capture(in_folder, make_client, api, folder, capsys, damage):
    client = make_client()
    right = get(client, **SMALL)
    (path,) = kept_files(folder)
    path.write_bytes(DAMAGES[damage](path.read_bytes()))

    shown = get(client, **SMALL)

    assert (cache(shown), shown.data) == ("MISS", right.data)
    assert "original_damaged" in capsys.readouterr().out
    assert len(api.calls) == 2
    assert cache(get(client, **SMALL, w=100)) == "HIT"  # from what was captured in its place


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_pixels_cost_nothing_but_time(in_folder, make_client, api, folder, damage):
    client = make_client()
    get(client, **SMALL)
    right = get(client, **SMALL, w=200)
    (path,) = set(kept(folder)) - set(kept_files(folder))
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    with redis.Redis.from_url(in_folder["redis_url"]) as store:
        store.delete(*store.keys("thumb:picture:*"))

    shown = get(client, **SMALL, w=200)

    assert (cache(shown), shown.data) == ("HIT", right.data)
    assert len(api.calls) == 1


def test_pixels_of_an_older_capture_are_not_shown(in_folder, make_client, api, folder):
    client = make_client()
    get(client, **SMALL)
    (path,) = set(kept(folder)) - set(kept_files(folder))
    older = path.read_bytes()
    api.behave(with_mark(200, 200))
    get(client, **SMALL, fresh=1)
    path.write_bytes(older)

    shown = get(client, **SMALL, w=200)

    assert cache(shown) == "HIT"
    assert Image.open(BytesIO(shown.data)).convert("L").getpixel((100, 75)) > 200  # the mark


def test_a_damaged_object_costs_a_capture(in_bucket, make_client, api, s3_url):
    client = make_client()
    right = get(client, **SMALL)
    (key,) = objects(s3_url)
    body = s3_client(s3_url).get_object(Bucket=BUCKET, Key=key)["Body"].read()
    s3_client(s3_url).put_object(Bucket=BUCKET, Key=key, Body=flip(body, 300))

    shown = get(client, **SMALL)

    assert (cache(shown), shown.data) == ("MISS", right.data)
    assert len(api.calls) == 2


def test_an_original_under_the_name_of_another_is_not_shown(in_folder, make_client, api, folder):
    client = make_client()
    get(client, "https://example.com/one", **SMALL)
    (one,) = kept_files(folder)
    get(client, "https://example.com/two", **SMALL)
    (two,) = set(kept_files(folder)) - {one}
    shutil.copy(one, two)

    assert cache(get(client, "https://example.com/two", **SMALL, w=64)) == "MISS"
    assert len(api.calls) == 3


def test_only_this_user_can_read_originals(in_folder, make_client, folder):
    before = os.umask(0)
    try:
        get(make_client())
    finally:
        os.umask(before)
    folders = {path for path in (folder, *folder.rglob("*")) if path.is_dir()}
    files = {path for path in folder.rglob("*") if path.is_file()}

    assert {path.stat().st_mode & 0o777 for path in folders} == {0o700}
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


def test_a_private_original_is_used_for_its_own_caller_alone(outside, make_client, api, folder):
    client = make_client(api_keys="cms:correct-horse,shop:battery-staple")
    cookie = {"name": "session", "value": "s3cr3t-0f-the-caller", "domain": "example.com"}

    def post(key, **options):
        body = {"url": PAGE, "width": 400, "height": 300, "cookies": [cookie]} | options
        return client.post("/thumb", json=body, headers={"X-API-Key": key})

    answers = [
        post("correct-horse"),
        post("correct-horse", w=100),
        post("battery-staple", w=100),
        post("battery-staple"),
    ]

    assert [cache(each) for each in answers] == ["MISS", "HIT", "MISS", "HIT"]
    assert len(api.calls) == 2
    assert not [path for path in kept(folder) if b"s3cr3t-0f-the-caller" in path.read_bytes()]


def test_the_least_recently_used_originals_are_removed_first(in_folder, make_client, api, folder):
    client = make_client(thumb_limit="100 per minute")
    get(client, page(0), **SMALL)
    limit = 12 * kept_bytes(folder)
    client = make_client(thumb_limit="100 per minute", originals_max_bytes=limit)
    for number in range(1, 9):
        get(client, page(number), **SMALL)
    get(client, page(0), **SMALL, w=100)  # used again
    for number in range(9, 15):
        get(client, page(number), **SMALL)
    assert kept_bytes(folder) <= limit
    assert len(kept_files(folder)) >= 7
    captured = len(api.calls)

    assert cache(get(client, page(14), **SMALL, w=64)) == "HIT"
    assert cache(get(client, page(0), **SMALL, w=64)) == "HIT"
    assert cache(get(client, page(1), **SMALL, w=64)) == "MISS"
    assert len(api.calls) == captured + 1


def page(number):
    return f"https://example.com/{number}"


def test_expired_originals_and_drafts_of_ended_processes_are_removed(in_folder, make_client, folder):
    client = make_client()
    get(client, page(0), **SMALL)
    (expired,) = kept_files(folder)
    os.utime(expired, (time.time(), time.time() - 1))
    draft = expired.with_name(".draft-of-a-killed-process")
    draft.write_bytes(b"half")
    os.utime(draft, (time.time() - 7200, time.time() - 7200))

    get(make_client(), page(1), **SMALL)  # a process sweeps with its first writing

    assert not draft.exists()
    assert not expired.exists()


def test_a_folder_that_is_removed_while_running_is_made_again(in_folder, make_client, api, folder):
    client = make_client()
    get(client, w=320)
    shutil.rmtree(folder)
    get(client, w=320, fresh=1)

    assert cache(get(client, w=160)) == "HIT"
    assert len(api.calls) == 2
    assert folder.stat().st_mode & 0o777 == 0o700


def test_without_a_writable_folder_pictures_are_served_and_the_log_says_what_to_do(
    in_folder, make_client, api, redis_url, folder, capsys
):
    client = make_client()
    get(client, **SMALL, w=100)
    shutil.rmtree(folder)
    folder.write_text("no folder")

    assert [cache(get(client, **SMALL, **each)) for each in ({"w": 100}, {"w": 64}, {}, {}, {"w": 64})] == [
        "HIT", "MISS", "MISS", "HIT", "HIT",
    ]  # fmt: skip
    ready = client.get("/ready")
    assert (ready.status_code, ready.json["originals"]) == (200, "unavailable")
    said = capsys.readouterr().out
    assert said.count("originals_unavailable") == 1
    assert "ORIGINALS_DIR" in said

    folder.unlink()
    assert cache(get(client, **SMALL, w=50)) == "MISS"
    assert cache(get(client, **SMALL, w=60)) == "HIT"
    assert client.get("/ready").json["originals"] == "ok"


def test_without_the_bucket_pictures_are_served(in_bucket, make_client, api, capsys):
    with running_s3(BUCKET) as url:
        client = make_client(s3_endpoint_url=url)
        get(client, **SMALL, w=100)

    assert [cache(get(client, **SMALL, **each)) for each in ({"w": 100}, {"w": 64}, {}, {})] == [
        "HIT", "MISS", "MISS", "HIT",
    ]  # fmt: skip
    assert capsys.readouterr().out.count("originals_unavailable") == 1
    assert client.get("/ready").json["originals"] == "unavailable"


def test_ready_writes_to_the_bucket_of_originals_once_a_minute(in_bucket, make_client, s3_url):
    client = make_client()
    assert client.get("/ready").json["originals"] == "ok"
    s3_client(s3_url).delete_object(Bucket=BUCKET, Key="originals/health")
    assert client.get("/ready").json["originals"] == "ok"
    assert "originals/health" not in objects(s3_url)


def test_an_original_above_the_limit_leaves_its_picture_in_redis(in_folder, make_client, api, folder):
    client = make_client(originals_max_bytes=100)
    get(client, **SMALL)

    assert kept_files(folder) == []
    assert cache(get(client, **SMALL)) == "HIT"
    assert len(api.calls) == 1


def test_machines_without_shared_originals_capture_a_page_once(in_folder, make_client, api, redis_url, tmp_path, held):
    one, other = (Crowd(make_client(originals_dir=tmp_path / name), 2) for name in ("one", "other"))
    asked = [crowd.ask(url=PAGE, w=width) for crowd, width in ((one, 320), (other, 160), (other, 200))]
    with redis.Redis.from_url(redis_url) as store:
        wait_until(lambda: store.keys("thumb:wanted:*"), "a follower on the other machine")
    held.set()

    assert {answer.result().status_code for answer in asked} == {200}
    assert [size(answer.result())[0] for answer in asked] == [320, 160, 200]
    assert len(api.calls) == 1
    with redis.Redis.from_url(redis_url) as store:
        lives = [store.ttl(key) for key in store.keys("thumb:picture:*") if b'kind\\":\\"original' in store.get(key)]
        assert all(0 < life <= 30 for life in lives)
        assert len(lives) == 1


def test_followers_on_one_machine_leave_the_original_out_of_redis(in_folder, make_client, api, redis_url, held):
    crowds = [Crowd(make_client(), 2) for _ in range(2)]
    asked = [crowd.ask(url=PAGE, w=width) for crowd, width in zip(crowds, (320, 160), strict=True)]
    with redis.Redis.from_url(redis_url) as store:
        wait_until(lambda: store.keys("thumb:wanted:*"), "a follower")
        held.set()
        assert {answer.result().status_code for answer in asked} == {200}
        assert not [key for key in store.keys("thumb:picture:*") if b'kind\\":\\"original' in store.get(key)]
    assert len(api.calls) == 1


def test_the_original_of_a_machine_gives_way_to_a_newer_capture_by_another(in_folder, make_client, api, tmp_path):
    one, other = (make_client(originals_dir=tmp_path / name) for name in ("one", "other"))
    get(one, w=320)
    api.behave(with_mark(400, 400), times=2)
    get(other, w=320, fresh=1)

    assert cache(get(one, w=64)) == "STALE"
    one.application.extensions["services"].coalescer.drain(10)
    shown = get(one, w=64)

    assert cache(shown) == "HIT"
    assert Image.open(BytesIO(shown.data)).convert("L").getpixel((32, 18)) > 200  # the mark
    assert len(api.calls) == 3


def test_known_pages_need_no_redis(in_folder, make_client, api, folder):
    get(make_client(), **SMALL)
    client = make_client(redis_url="redis://127.0.0.1:1/0")

    assert cache(get(client, **SMALL)) == "HIT"
    assert cache(get(client, **SMALL, w=64)) == "HIT"
    assert len(api.calls) == 1


def test_a_blank_capture_replaces_no_good_original_after_redis_was_emptied(in_folder, make_client, api, redis_url):
    client = make_client()
    good = get(client, **SMALL)
    with redis.Redis.from_url(redis_url) as store:
        store.flushall()
    api.behave(blank, times=2)
    shown = get(client, **SMALL, fresh=1)

    assert (cache(shown), shown.data) == ("STALE", good.data)
    assert get(client, **SMALL).data == good.data


def test_a_tall_page_unpacks_to_what_was_captured(in_folder, make_client, api):
    api.behave(sized(400, 900))
    client = make_client()
    get(client, **SMALL, full_page=1, w=100)
    shown = get(client, **SMALL, full_page=1, w=400, h=900, format="webp", quality=100)

    left, right = (Image.open(BytesIO(shown.data)).convert("RGB").getpixel(at) for at in ((100, 150), (390, 890)))
    assert (left[0] > 200, left[1] < 60) == (True, True)
    assert min(right) > 240
    assert len(api.calls) == 1


def test_an_explanation_finds_the_original_where_it_lies_and_leaves_it_as_it_is(anywhere, make_client, folder):
    client = make_client(memory_cache_bytes=0)
    page = {"query_string": {"url": PAGE, "w": 64}}
    assert client.get("/explain", **page).json["cache"]["original"] is None
    get(client, w=64)
    times = [(path.stat().st_atime_ns, path.stat().st_mtime_ns) for path in kept(folder)]
    found = client.get("/explain", **page).json["cache"]

    assert found["originals"] == anywhere["originals"]
    assert (found["original"]["state"], found["original"]["width"]) == ("fresh", 1280)
    assert found["original"]["captured_at"] == found["note"]["captured_at"]
    assert (found["original"]["kept_for"] is None) == (anywhere["originals"] == "s3")  # a lifecycle rule decides
    assert [(path.stat().st_atime_ns, path.stat().st_mtime_ns) for path in kept(folder)] == times


def test_a_damaged_original_is_none_to_an_explanation(in_folder, client, folder):
    get(client)
    for path in kept(folder):
        path.write_bytes(b"{}\n")
    told = client.get("/explain", query_string={"url": PAGE, "fresh": 1})
    assert (told.status_code, told.json["cache"]["original"]) == (200, None)
    assert kept_files(folder)
