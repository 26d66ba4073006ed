"""Keys and signatures of other services, on this service's own keys."""

import hashlib
import hmac
import time

import pytest

import config
import web.dialects
from config import ConfigError, Settings, load
from tests.integration.dialects.test_addresses import ready

SIGNING = "signing-key-0123456789"
SECRET = "secret-of-blog"
PAGE = "https%3A%2F%2F{}.example%2F"


def signed(secret, text, digest="sha256"):
    return hmac.new(secret.encode(), text.encode(), digest).hexdigest()


@pytest.fixture(scope="module")
def keyed(speak_with):
    """Asks for a key where services do: API_KEYS is set."""
    return speak_with(api_keys=f"blog:{SECRET}:100/minute")


@pytest.fixture(scope="module")
def sealed(speak_with):
    """Asks for signatures: SIGNING_KEYS is set."""
    return speak_with(signing_keys=SIGNING, dialects="screenshotone,urlbox,apiflash,hermesforge,snapapi,screenshotapi")


def take(secret, query, key="blog"):
    query = f"access_key={key}&{query}"
    return f"/take?{query}&signature={signed(secret, query)}"


def link(secret, query, key="blog", digest="sha256", ending="png"):
    return f"/v1/{key}/{signed(secret, query, digest)}/{ending}?{query}"


@pytest.mark.parametrize(
    "address",
    [
        take(SIGNING, "url=https%3A%2F%2Fs1.example&viewport_width=1200", key="anything"),
        link(SIGNING, "url=s2.example&width=1000", key="anything"),
        link(SIGNING, "url=s3.example&thumb_width=320", digest="sha1", ending="jpg"),
    ],
)
def test_a_signature_by_a_signing_key_opens_a_picture(sealed, address):
    first = sealed.get(address)
    assert (first.status_code, first.headers["X-Cache"]) == (200, "MISS"), first.data
    assert first.cache_control.public

    again = sealed.get(address)
    assert again.headers["X-Cache"] == "HIT"


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("/take?access_key=k&url=https%3A%2F%2Fr1.example", "access_key_invalid"),
        ("/take?url=https%3A%2F%2Fr1.example", "access_key_required"),
        (take("another-key-0123456789", "url=https%3A%2F%2Fr1.example"), "signature_is_not_valid"),
        (take(SIGNING, "url=https%3A%2F%2Fr1.example").replace("r1", "r2"), "signature_is_not_valid"),
        (take(SIGNING, "url=https%3A%2F%2Fr1.example") + "&full_page=true", "signature_is_not_valid"),
        ("/take?url=https%3A%2F%2Fr1.example&signature=", "access_key_required"),
    ],
)
def test_screenshotone_refuses_what_is_not_signed_with_the_words_of_its_service(sealed, engine, address, code):
    answer = sealed.get(address)

    assert (answer.status_code, answer.json["error_code"]) == (400, code)
    assert not any("r1.example" in call.params["url"] or "r2.example" in call.params["url"] for call in engine.calls)


@pytest.mark.parametrize(
    "address",
    [
        "/v1/k/png?url=r3.example",
        "/v1/k/" + "0" * 64 + "/png?url=r3.example",
        link(SIGNING, "url=r3.example") + "&full_page=true",
        link(SIGNING, "url=r3.example", ending="pdf"),  # the signature covers no format, and a PDF is another capture
        "/v1/urltoimage?access_key=k&url=https://r3.example",
        "/api/screenshot?url=https://r3.example",
        "/screenshot?token=t&url=https://r3.example&output=image",
    ],
)
def test_without_its_signature_or_a_key_nothing_is_captured(sealed, engine, address):
    answer = sealed.get(address)

    assert answer.status_code in (401, 403)
    assert not any("r3.example" in call.params["url"] for call in engine.calls)


def test_a_post_is_never_opened_by_a_name_alone(keyed):
    answer = keyed.post("/take", json={"access_key": "blog", "url": "https://r4.example/"})

    assert (answer.status_code, answer.json["error_code"]) == (400, "access_key_invalid")


@pytest.mark.parametrize(
    "address",
    [
        take(SECRET, "url=https%3A%2F%2Fk1.example"),
        link(SECRET, "url=k2.example"),
        f"/take?access_key={SECRET}&url=https%3A%2F%2Fk3.example",
        f"/v1/{SECRET}/png?url=k4.example",
        f"/v1/urltoimage?access_key={SECRET}&url=https://k5.example",
        f"/screenshot?token={SECRET}&url=https://k6.example&output=image",
        f"/api/screenshot?api_key={SECRET}&url=https://k7.example",
    ],
)
def test_a_pair_of_keys_is_an_entry_of_api_keys(keyed, address):
    answer = keyed.get(address)

    assert answer.status_code == 200, answer.data
    assert answer.headers["RateLimit-Limit"] == "100"  # the key's own budget is charged


def test_a_picture_that_a_secret_in_the_address_has_opened_is_kept_by_no_shared_cache(keyed):
    address = f"/v1/{SECRET}/png?url=k8.example"

    assert [keyed.get(address).headers["Cache-Control"].split(",")[0] for _ in range(2)] == ["private", "private"]


@pytest.mark.parametrize("header", [{"X-API-Key": SECRET}, {"Authorization": f"Bearer {SECRET}"}])
def test_a_key_in_a_header_works_in_every_dialect(keyed, header):
    assert keyed.get("/api/screenshot?url=https://k9.example", headers=header).status_code == 200
    assert keyed.post("/take", json={"url": "https://k9.example/"}, headers=header).status_code == 200


def test_a_pair_of_thum_io_charges_its_key(keyed):
    answer = keyed.get(f"/get/auth/blog-{SECRET}/width/300/https://t1.example/")

    assert (answer.status_code, answer.headers["RateLimit-Limit"]) == (200, "100")


def test_an_expiring_signature_of_thum_io_charges_its_key_until_it_expires(keyed):
    def ask(target, expiry):
        digest = hashlib.md5(f"{SECRET}{expiry}{target}".encode()).hexdigest()
        return keyed.get(f"/get/auth/blog-{expiry}-{digest}/{target}")

    later, before = int(time.time() * 1000) + 60_000, int(time.time() * 1000) - 60_000
    assert ask("https://t2.example/?a=b", later).headers["RateLimit-Limit"] == "100"
    assert ask("https://t3.example/", before).headers["RateLimit-Limit"] != "100"


def test_a_wrong_pair_of_thum_io_is_as_good_as_none(keyed):
    answer = keyed.get("/get/auth/blog-wrong/width/300/https://t4.example/")

    assert (answer.status_code, answer.headers["RateLimit-Limit"]) == (200, "1000")


def test_only_a_known_caller_has_a_page_captured_again(keyed, engine):
    address = "/mshots/v1/https://t5.example/?w=320&requeue=true"
    ready(keyed, address)
    captures = sum(call.params["url"] == "https://t5.example/" for call in engine.calls)

    again = keyed.get(address)

    assert (again.status_code, again.headers["X-Cache"]) == (200, "HIT")
    assert sum(call.params["url"] == "https://t5.example/" for call in engine.calls) == captures


def test_the_settings_know_every_dialect_and_which_of_them_ask_for_a_key():
    assert {*web.dialects.DIALECTS, "snapsharp"} == {*config.DIALECTS}
    assert {name for name, dialect in web.dialects.DIALECTS.items() if not dialect.keyed} == {*UNSIGNED}


UNSIGNED = ("mshots", "thumio", "microlink", "11ty", "sshot", "pagepeeker")


@pytest.mark.parametrize("dialect", UNSIGNED)
def test_a_dialect_without_signatures_refuses_to_start_beside_signing_keys(dialect, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIGNING_KEYS", SIGNING)
    monkeypatch.setenv("DIALECTS", f"urlbox,{dialect}")

    with pytest.raises(ConfigError) as refusal:
        load()

    assert f"addresses of {dialect} have no signature" in str(refusal.value)
    assert "ALLOWED_TARGETS" in str(refusal.value)
    assert SIGNING not in str(refusal.value)
    monkeypatch.setenv("ALLOWED_TARGETS", "*.example.com")
    assert load().dialects == ("urlbox", dialect)


def test_where_targets_are_limited_a_dialect_without_signatures_works_beside_signing_keys(speak_with):
    limited = speak_with(signing_keys=SIGNING, allowed_targets="*.mine.example", dialects="mshots")

    assert ready(limited, "/mshots/v1/https://a.mine.example/?w=320").status_code == 200
    assert limited.get("/mshots/v1/https://other.example/?w=320").status_code == 404
    assert limited.get("/thumb?url=https://a.mine.example/").status_code == 403


def test_where_pictures_need_a_signature_no_unsigned_address_has_a_page_captured_again(speak_with, engine):
    limited = speak_with(signing_keys=SIGNING, allowed_targets="*.mine.example", dialects="mshots")
    address = "/mshots/v1/https://b.mine.example/?w=320&requeue=true"
    ready(limited, address)

    assert limited.get(address).headers["X-Cache"] == "HIT"
    assert sum(call.params["url"] == "https://b.mine.example/" for call in engine.calls) == 1


def test_an_unknown_dialect_refuses_to_start_and_names_the_known_ones(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DIALECTS", "mshots,mshot")

    with pytest.raises(ConfigError, match=r"DIALECTS is invalid: set it to names of services, .* mshots, thumio"):
        load()


def test_names_of_dialects_are_read_as_people_write_them():
    assert Settings.of(dialects=" MShots, thumio mshots").dialects == ("mshots", "thumio")
