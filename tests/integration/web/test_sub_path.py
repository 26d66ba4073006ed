"""A service below a path of another site: every address that an answer names leads back to it."""

import pytest

PAGE = "https://example.com/"
BEHIND = {"X-Forwarded-Prefix": "/shots", "X-Forwarded-Proto": "https", "Host": "example.org"}


def test_addresses_carry_the_path_of_the_public_url(make_client):
    client = make_client(public_url="https://example.org/shots")
    made = client.post("/screenshots", json={"url": PAGE})
    kept = client.post("/persist", json={"url": PAGE})

    assert made.headers["Location"] == f"/shots/jobs/{made.json['job_id']}"
    assert kept.json["url"].startswith("https://example.org/shots/media/")


def test_addresses_carry_the_path_that_a_trusted_proxy_names(make_client):
    client = make_client(trusted_proxies=1)
    made = client.post("/screenshots", json={"url": PAGE}, headers=BEHIND)
    kept = client.post("/persist", json={"url": PAGE}, headers=BEHIND)

    assert made.headers["Location"] == f"/shots/jobs/{made.json['job_id']}"
    assert kept.json["url"].startswith("https://example.org/shots/media/")


def test_the_document_and_its_page_lead_to_that_path(make_client):
    client = make_client(trusted_proxies=1)
    assert client.get("/openapi.json", headers=BEHIND).json["servers"] == [{"url": "/shots"}]
    assert client.get("/openapi.json").json["servers"] == [{"url": "/"}]
    assert 'data-document="/shots/openapi.json"' in client.get("/docs", headers=BEHIND).text


def test_a_hit_below_a_path_is_a_hit(make_client):
    client = make_client(trusted_proxies=1)
    answers = [client.get("/thumb", query_string={"url": PAGE}, headers=BEHIND) for _ in range(2)]
    assert [answer.headers["X-Cache"] for answer in answers] == ["MISS", "HIT"]


@pytest.mark.parametrize("trusted", [0, 1])
@pytest.mark.parametrize(
    "prefix", ["//evil.example", "shots", "/a b", "/shots/../x", "/\\evil.example", "/x?y", "/%0d"]
)
def test_a_prefix_that_is_no_path_is_ignored(make_client, trusted, prefix):
    client = make_client(trusted_proxies=trusted)
    made = client.post("/screenshots", json={"url": PAGE}, headers=BEHIND | {"X-Forwarded-Prefix": prefix})
    assert made.headers["Location"] == f"/jobs/{made.json['job_id']}"


def test_without_a_trusted_proxy_no_prefix_is_believed(client):
    made = client.post("/screenshots", json={"url": PAGE}, headers=BEHIND)
    assert made.headers["Location"] == f"/jobs/{made.json['job_id']}"
