"""Who gets into the admin pages: by the key, a link or a trusted proxy. And who does not."""

import re
from datetime import timedelta

import pytest

from access import AdminKey
from sites import sessions
from sites.models import AdminSessionRow
from tests.support.admin import KEY, log_in, send, token_in

ELSEWHERE = {"environ_base": {"REMOTE_ADDR": "198.51.100.7"}}


def services_of(client):
    return client.application.extensions["services"]


def actions(client):
    return [entry.action for entry in services_of(client).audit.entries()]


def test_there_are_no_admin_pages_without_a_key(make_client):
    client = make_client(admin_key=None)
    for path in ("/admin", "/admin/log-in", "/admin/sites"):
        assert client.get(path).status_code == 404


def test_pages_lead_to_the_log_in_and_back(client):
    response = client.get("/admin/nothing?status=failed")
    assert (response.status_code, response.headers["Location"]) == (
        303,
        "/admin/log-in?next=/admin/nothing?status%3Dfailed",
    )
    assert log_in(client, back="/admin/nothing?status=failed").headers["Location"] == "/admin/nothing?status=failed"
    assert client.get("/admin").status_code == 200


@pytest.mark.parametrize(
    "back", ["https://evil.example/", "//evil.example/admin", "/admin\\evil", "/thumb", "/admin/log-out", "/administer"]
)
def test_the_log_in_leads_to_no_other_site(client, back):
    assert log_in(client, back=back).headers["Location"] == "/admin"


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(client):
    cookie = log_in(client).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Path=/" in cookie
    assert "Secure" not in cookie


def test_the_cookie_stays_on_tls_where_the_proxy_has_it(make_client):
    behind = {"X-Forwarded-For": "198.51.100.7", "X-Forwarded-Proto": "https"}
    assert "Secure" in log_in(make_client(trusted_proxies=1), headers=behind).headers["Set-Cookie"]
    assert "Secure" not in log_in(make_client(), headers=behind).headers["Set-Cookie"]


def test_the_cookie_is_for_our_path_alone(make_client):
    client = make_client(public_url="https://example.com/shots")
    page = client.get("/admin/log-in")
    assert "Path=/shots/" in page.headers["Set-Cookie"]
    assert 'action="/shots/admin/log-in"' in page.text


def test_an_api_key_or_a_signing_key_opens_nothing(make_client):
    client = make_client(api_keys=("web:a-key-of-programs",), signing_keys=("a-key-that-signs-urls",))
    for number, key in enumerate(
        ("a-key-of-programs", "a-key-that-signs-urls", "web:a-key-of-programs", "", KEY[:-1], "é")
    ):
        assert log_in(client, key, environ_base={"REMOTE_ADDR": f"198.51.100.{number}"}).status_code == 403
    headers = {"X-API-Key": "a-key-of-programs", "Authorization": "Bearer a-key-of-programs"}
    assert client.get("/admin", headers=headers).status_code == 303


def test_five_failures_lock_out_their_client_alone(client, make_client):
    for _ in range(5):
        assert log_in(client, "wrong").status_code == 403
    response = log_in(client)  # even with the right key
    assert response.status_code == 429
    assert 0 < int(response.headers["Retry-After"]) <= 900
    assert "Try again in 15 minutes" in response.text
    # Another process counts the same.
    other = make_client()
    assert log_in(other).status_code == 429
    assert log_in(other, **ELSEWHERE).status_code == 303


def test_a_session_outlives_a_lock_out(client, admin, make_client):
    other = make_client()
    for _ in range(6):
        log_in(other, "wrong")
    assert admin.get("/admin").status_code == 200


def test_the_right_key_costs_no_try(client):
    for _ in range(7):
        assert log_in(client).status_code == 303
        send(client, "/admin/log-out", "/admin")


def test_a_log_in_without_the_token_of_its_page_is_refused(client):
    assert client.post("/admin/log-in", data={"key": KEY}).status_code == 400
    other = client.application.test_client()
    strange = token_in(other.get("/admin/log-in"))
    client.get("/admin/log-in")
    response = client.post("/admin/log-in", data={"key": KEY, "csrf_token": strange})
    assert response.status_code == 400
    assert "This form is no longer valid" in response.text
    assert client.get("/admin").status_code == 303


def test_the_token_of_before_the_log_in_is_not_trusted_after_it(client):
    before = token_in(client.get("/admin/log-in"))
    log_in(client)
    assert client.post("/admin/log-out", data={"csrf_token": before}).status_code == 400
    assert client.get("/admin").status_code == 200


def test_a_log_out_ends_the_session_and_not_only_its_cookie(client, admin):
    kept = client.get_cookie("admin").value
    assert send(client, "/admin/log-out", "/admin").status_code == 303
    client.set_cookie("admin", kept)
    assert client.get("/admin").status_code == 303


def test_a_log_out_everywhere_ends_all_sessions(client, admin):
    other = client.application.test_client()
    log_in(other)
    send(client, "/admin/log-out", "/admin", everywhere="1")
    assert other.get("/admin").status_code == 303


@pytest.mark.parametrize(
    ("column", "age"), [("seen_at", sessions.IDLE), ("started_at", sessions.LONGEST)], ids=["idle", "old"]
)
def test_a_session_ends_by_the_clock_of_the_server(client, admin, column, age):
    database = services_of(client).database

    def aged(by):
        def work(session):
            for row in session.query(AdminSessionRow):
                setattr(row, column, row.started_at - by)

        return work

    database.write(aged(age - timedelta(minutes=5)))
    assert client.get("/admin").status_code == 200
    database.write(aged(age + timedelta(minutes=5)))
    assert client.get("/admin").status_code == 303


def test_a_form_that_is_sent_after_its_session_says_so(client, admin):
    token = token_in(client.get("/admin"))
    services_of(client).admin_sessions.end_all()
    response = client.post("/admin/log-out", data={"csrf_token": token})
    assert response.status_code == 401
    assert "nothing was changed" in response.text


def test_sessions_are_shared_by_processes_and_survive_a_restart(client, admin, make_client):
    other = make_client()
    other.set_cookie("admin", client.get_cookie("admin").value)
    assert other.get("/admin").status_code == 200


def test_another_key_ends_all_sessions(client, admin, make_client):
    other = make_client(admin_key="another-key-for-tests")
    other.set_cookie("admin", client.get_cookie("admin").value)
    assert other.get("/admin").status_code == 303


def test_a_link_opens_once(client):
    token = AdminKey(KEY).new_link_token()
    response = client.get(f"/admin/log-in?token={token}")
    assert (response.status_code, response.headers["Location"]) == (303, "/admin")
    assert client.get("/admin").status_code == 200
    other = client.application.test_client()
    again = other.get(f"/admin/log-in?token={token}")
    assert again.status_code == 403
    assert "used before" in again.text
    assert other.get("/admin").status_code == 303


def test_links_count_as_tries(client):
    for _ in range(5):
        assert client.get("/admin/log-in?token=guess").status_code == 403
    assert client.get(f"/admin/log-in?token={AdminKey(KEY).new_link_token()}").status_code == 429


def test_pages_of_other_sites_cannot_use_up_the_tries_of_their_visitor(client):
    for site in ("cross-site", "same-site"):
        for _ in range(6):
            response = client.get("/admin/log-in?token=guess", headers={"Sec-Fetch-Site": site})
            assert response.status_code == 200
    for _ in range(6):
        assert client.head("/admin/log-in?token=guess").status_code == 200
    assert log_in(client).status_code == 303


def test_a_link_of_another_key_opens_nothing(client):
    token = AdminKey("another-key-for-tests").new_link_token()
    assert client.get(f"/admin/log-in?token={token}").status_code == 403


PROXY = {"X-Forwarded-For": "198.51.100.7", "X-Forwarded-User": "ada@example.com"}


def test_a_trusted_proxy_names_the_admin(make_client):
    client = make_client(trusted_proxies=1, admin_trusted_header="X-Forwarded-User")
    response = client.get("/admin", headers=PROXY)
    assert response.status_code == 200
    assert "ada@example.com" in response.text


@pytest.mark.parametrize(
    "changed",
    [
        {"X-Forwarded-For": ""},  # past the proxy
        {"X-Forwarded-User": ""},
        {"X-Forwarded-User": "ada@example.com,mallory"},  # the visitor's own before the proxy's
        {"X-Forwarded-User": "x" * 300},
    ],
)
def test_nothing_else_in_the_header_names_one(make_client, changed):
    client = make_client(trusted_proxies=1, admin_trusted_header="X-Forwarded-User")
    assert client.get("/admin", headers=PROXY | changed).status_code == 303


def test_a_request_that_came_through_too_few_proxies_names_nobody(make_client):
    client = make_client(trusted_proxies=2, admin_trusted_header="X-Forwarded-User")
    assert client.get("/admin", headers=PROXY).status_code == 303


def test_the_header_means_nothing_unless_it_is_set(make_client):
    assert make_client(trusted_proxies=1).get("/admin", headers=PROXY).status_code == 303


def test_forms_need_their_token_behind_a_proxy_too(make_client):
    client = make_client(trusted_proxies=1, admin_trusted_header="X-Forwarded-User")
    assert client.post("/admin/log-out", headers=PROXY).status_code == 400


def test_the_audit_log_names_log_ins_and_failures(client):
    log_in(client, "wrong")
    log_in(client)
    send(client, "/admin/log-out", "/admin")
    assert actions(client) == ["logged out", "logged in", "failed to log in"]


def test_neither_key_nor_link_is_on_a_page_or_in_the_log(client, capsys):
    token = AdminKey(KEY).new_link_token()
    texts = [log_in(client, "a wrong key").text, client.get(f"/admin/log-in?token={token}").text]
    texts += [client.get("/admin").text, *capsys.readouterr()]
    assert not re.search(f"{KEY}|a wrong key|{re.escape(token)}", "".join(texts))


def test_pictures_ask_no_session(client, admin, monkeypatch):
    def fail(*_):
        raise AssertionError("/thumb asked the database")

    monkeypatch.setattr(sessions.AdminSessions, "find", fail)
    response = client.get("/thumb?url=https://example.com/")
    assert response.status_code == 200
    assert "Cookie" not in response.headers.get("Vary", "")
    assert "Set-Cookie" not in response.headers


def test_an_admin_reads_the_feed_to_which_the_gallery_leads(make_client):
    client = make_client(api_keys=("cms:correct-horse",))
    assert client.get("/sites/feed.atom").status_code == 401
    log_in(client)
    assert client.get("/sites/feed.atom").status_code == 200
    assert client.get("/sites").status_code == 401, "an admin is no program"
