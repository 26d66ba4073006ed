"""Who may use the catalogue: API keys, and if none are set, programs on the service's own machine."""

import pytest

from sites import SiteDraft

ELSEWHERE = {"environ_base": {"REMOTE_ADDR": "198.51.100.7"}}
PROXIED = {"headers": {"X-Forwarded-For": "127.0.0.1"}}
REBOUND = {"base_url": "http://evil.example:8000", "headers": {"Origin": "http://evil.example:8000"}}
SOCKET = {"environ_base": {"REMOTE_ADDR": ""}}
HERE = ("127.0.0.1", "127.0.0.9", "::1", "::ffff:127.0.0.1")
KEYED = {"headers": {"X-API-Key": "correct-horse"}}
REQUESTS = (
    ("GET", "/sites", None),
    ("POST", "/sites", {"url": "https://a.example/"}),
    ("POST", "/sites", {"sites": [{"url": "https://a.example/"}]}),
    ("PATCH", "/sites/1", {"title": "Mine"}),
    ("DELETE", "/sites/1", None),
    ("POST", "/sites/1/capture", None),
    ("PUT", "/sites/1/picture", {"version": 1}),
    ("DELETE", "/sites/1/picture", None),
    ("POST", "/sites/import", None),
    ("GET", "/sites/export", None),
    ("GET", "/sites/1/versions", None),
    ("GET", "/sites/1/versions/1", None),
    ("GET", "/sites/1/diff?from=1&to=1&format=json", None),
    ("GET", "/sites/tags", None),
    ("GET", "/sites/feed.atom", None),
)


@pytest.fixture
def database_url(_migrated_file, tmp_path):
    """SQLite alone: the database has no say in this."""
    (tmp_path / "thumbnails.db").write_bytes(_migrated_file.read_bytes())
    return f"sqlite:///{tmp_path}/thumbnails.db"


@pytest.mark.parametrize("sender", [ELSEWHERE, PROXIED, REBOUND, SOCKET])
def test_without_keys_nobody_elsewhere_uses_the_catalogue(client, built, sender):
    built.catalogue.add(SiteDraft("https://example.com/"))
    for method, path, body in REQUESTS:
        response = client.open(path, method=method, json=body, **sender)
        assert (response.status_code, response.json["code"]) == (401, "key_required"), (method, path)
        assert "API_KEYS" in response.json["detail"]
    site = built.catalogue.get(1)
    assert (built.catalogue.counts().total, site.revision) == (1, 1)


@pytest.mark.parametrize("address", HERE)
def test_without_keys_a_program_on_this_machine_uses_it(client, address):
    response = client.post("/sites", json={"url": "https://a.example/"}, environ_base={"REMOTE_ADDR": address})
    assert response.status_code == 201


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8000", "[::1]:8000"])
def test_it_is_asked_by_a_name_of_this_machine(client, host):
    assert client.get("/sites", base_url=f"http://{host}").status_code == 200


@pytest.mark.parametrize("host", ["[", "[::1", "localhost.evil.example", "127.0.0.1.evil.example", ""])
def test_a_strange_name_of_this_machine_does_not_count(client, host):
    assert client.get("/sites", headers={"Host": host}).status_code in (400, 401)


def test_behind_a_trusted_proxy_no_address_stands_for_a_key(make_client):
    """A proxy that passes on what visitors write could name any address."""
    client = make_client(trusted_proxies=1)
    response = client.get("/sites", **PROXIED)
    assert response.status_code == 401


def test_a_key_is_for_everywhere_and_pictures_need_none(make_client):
    client = make_client(api_keys=("cms:correct-horse",))
    assert client.post("/sites", json={"url": "https://a.example/"}, **KEYED, **ELSEWHERE).status_code == 201
    assert client.get("/sites").status_code == 401
    assert client.get("/sites/1/image", **ELSEWHERE).status_code == 200
