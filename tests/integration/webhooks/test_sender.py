"""Sending one webhook: which receivers are allowed, what is sent, and what a hostile receiver can do."""

import re
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from errors import BlockedTarget, InvalidOption, InvalidURL, OverCapacity, ThumbnailError
from netguard import Guard, Judgement, Verdict, exemptions
from tests.support.processes import free_port
from tests.support.receiver import certificates, drip, endless, running_receiver
from tests.support.resolvers import Answers
from tests.support.victims import running_victims
from tests.unit.urls.test_url_guard import ALL, KINDS, StubResolver, of_kind
from urls import locate
from webhooks import WebhookMessage, WebhookSender
from webhooks.schedule import RETRY_DELAYS, delay_after

ROOT = Path(__file__).parents[3]
SECRET = "whsec_" + "czNjcmV0" * 5
OLDER = "whsec_" + "b2xkZXIh" * 5
NAME = "hooks.example.com"
TLS = ssl.create_default_context()  # reading the system's certificates takes a while
BODY = '{"event": "screenshot.completed", "job": {"job_id": "1"}}'


@pytest.fixture
def receiver():
    with running_receiver() as server:
        yield server


def sender_for(*exempt, lookup=None, secrets=(SECRET,), tls=None):
    lookup = lookup or Answers("127.0.0.1")
    return WebhookSender(Guard(exempt=exemptions(map(str, exempt)), lookup=lookup), secrets, tls=tls or TLS)


def message(port, path="/hook", scheme="http", name=NAME):
    return WebhookMessage("msg_1", locate(f"{scheme}://{name}:{port}{path}"), BODY)


def test_a_message_is_posted_as_standard_webhooks_requires(receiver):
    sender = sender_for(f"{NAME}:{receiver.port}")
    result = sender.send(message(receiver.port, "/hook?token=s3cret"))

    (post,) = receiver.posts
    assert (result.status, result.delivered) == (204, True)
    assert post.path == "/hook?token=s3cret"
    assert post.headers["host"] == f"{NAME}:{receiver.port}"
    assert post.headers["content-type"] == "application/json"
    assert post.headers["webhook-id"] == "msg_1"
    assert post.body.decode() == BODY
    assert Webhook(SECRET).verify(post.body, post.headers)["job"] == {"job_id": "1"}


def test_both_secrets_sign_while_one_replaces_the_other(receiver):
    sender_for(f"{NAME}:{receiver.port}", secrets=(SECRET, OLDER)).send(message(receiver.port))

    (post,) = receiver.posts
    for secret in (SECRET, OLDER):
        Webhook(secret).verify(post.body, post.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "b3RoZXIh" * 5).verify(post.body, post.headers)


@pytest.mark.parametrize(
    ("status", "delivered", "for_good"),
    [(200, True, False), (202, True, False), (299, True, False), (302, False, False), (308, False, False),
     (400, False, False), (410, False, True), (500, False, False), (503, False, False)],
)  # fmt: skip
def test_2xx_means_delivered_and_410_ends_the_retries(receiver, status, delivered, for_good):
    receiver.statuses.append(status)
    result = sender_for(f"{NAME}:{receiver.port}").send(message(receiver.port))

    assert (result.status, result.delivered, result.rejected) == (status, delivered, for_good)


def test_no_redirect_is_followed(receiver):
    with running_victims(1) as (victim,):
        receiver.statuses.append(307)
        receiver.location = f"http://{victim.address}/"
        sender_for(f"{NAME}:{receiver.port}", victim.address).send(message(receiver.port))

        assert victim.hits == []
    assert len(receiver.posts) == 1


def test_no_proxy_of_the_environment_is_used(receiver, monkeypatch):
    with running_victims(1) as (victim,):
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://{victim.address}")
        assert sender_for(f"{NAME}:{receiver.port}").send(message(receiver.port)).delivered
        assert victim.hits == []


def test_the_name_is_looked_up_once_and_the_judged_address_is_used():
    port = free_port()  # at two addresses
    with running_receiver("127.0.0.2", port) as receiver, running_receiver(port=port) as victim:
        lookup = Answers("127.0.0.2", "127.0.0.1")
        sender = sender_for(f"127.0.0.2/32:{receiver.port}", lookup=lookup)

        assert sender.send(message(receiver.port)).delivered
        assert lookup.asked == 1
        assert (len(receiver.posts), len(victim.posts)) == (1, 0)
        assert sender.send(message(receiver.port)).status is None, "the second answer is not exempt"
        assert (len(receiver.posts), len(victim.posts)) == (1, 0)


def test_a_name_that_changes_its_address_after_the_lookup_leads_nowhere_else():
    with running_victims(1) as (victim,):
        lookup = Answers("93.184.216.34", "127.0.0.1")
        guard = Guard(ports=frozenset({victim.port}), lookup=lookup)
        result = WebhookSender(guard, (SECRET,), tls=TLS).send(message(victim.port, scheme="https"))

        assert result.status is None
        assert lookup.asked == 1
        assert victim.hits == []


def test_tls_is_spoken_with_the_name_to_the_judged_address(tmp_path):
    server, client = certificates(tmp_path, NAME)
    with running_receiver(tls=server) as receiver:
        sender = sender_for(f"127.0.0.1/32:{receiver.port}", tls=client)

        assert sender.send(message(receiver.port, scheme="https")).delivered
        assert receiver.handshakes == [NAME]


@pytest.mark.parametrize("trust", ["another name", "unknown authority"])
def test_a_certificate_for_another_name_or_of_an_unknown_authority_is_refused(tmp_path, trust):
    server, client = certificates(tmp_path, "other.example.com" if trust == "another name" else NAME)
    client = client if trust == "another name" else TLS
    with running_receiver(tls=server) as receiver:
        result = sender_for(f"127.0.0.1/32:{receiver.port}", tls=client).send(message(receiver.port, scheme="https"))

        assert result.status is None
        assert receiver.posts == []


def test_an_attempt_at_a_receiver_that_drips_times_out(receiver, monkeypatch):
    monkeypatch.setattr("webhooks.sender.TOTAL_SECONDS", 1.0)
    receiver.answer = drip
    began = time.monotonic()

    assert sender_for(f"{NAME}:{receiver.port}").send(message(receiver.port)).status is None
    assert time.monotonic() - began < 5


def test_an_endless_body_is_not_read(receiver):
    receiver.answer = endless
    assert sender_for(f"{NAME}:{receiver.port}").send(message(receiver.port)).delivered


def test_the_next_address_is_tried_when_one_refuses_the_connection():
    with running_receiver("127.0.0.2") as receiver:
        sender = sender_for(f"127.0.0.0/8:{receiver.port}", lookup=lambda _: ["127.0.0.3", "127.0.0.2"])
        assert sender.send(message(receiver.port)).delivered


def test_a_refused_connection_gives_no_status():
    with running_victims(1) as (victim,):
        port = victim.port
    assert sender_for(f"{NAME}:{port}").send(message(port)).status is None


def test_the_log_names_only_the_host(receiver, capfd):
    sender_for(f"{NAME}:{receiver.port}").send(message(receiver.port, "/path-of-theirs?token=s3cret"))
    written = "".join(capfd.readouterr())

    assert f"host={NAME}:{receiver.port}" in written
    assert "path-of-theirs" not in written


@pytest.mark.parametrize("kind", KINDS)
def test_a_webhook_url_is_judged_like_any_target_when_a_job_is_requested(kind):
    answers = [(case, *judged(case.url, StubResolver(case.value("dns")))) for case in of_kind(kind)]
    assert [answer for answer in answers if not as_any_target(*answer)] == []


def as_any_target(case, verdict, said):
    if verdict == "reject" and case.verdict == "accept":
        return said == "webhook_url: must start with https://" and case.url.lower().startswith("http:")
    return verdict == case.verdict and said.startswith(("webhook_url: ", "https://"))


def judged(url, resolver, *, resolves=True):
    sender = WebhookSender(Guard(lookup=resolver), (SECRET,), resolves=resolves, tls=TLS)
    try:
        return "accept", sender.require_allowed_url(url)
    except ThumbnailError as err:
        return "reject", err.detail


def over_tls(case):
    return re.sub("^http:", "https:", case.url, flags=re.IGNORECASE)


# Only a lookup shows that these are not public.
LATE = [
    case for case in ALL if case.verdict == "reject" and judged(over_tls(case), None, resolves=False)[0] == "accept"
]


@pytest.mark.parametrize("case", LATE, ids=[f"{i}-{c.kind}" for i, c in enumerate(LATE)])
def test_no_connection_is_opened_to_a_name_that_resolves_to_a_private_address(case, monkeypatch):
    dialled = []
    monkeypatch.setattr("socket.socket.connect", lambda _, address: dialled.append(address))
    sender = sender_for(lookup=StubResolver(case.value("dns")))

    assert sender.send(WebhookMessage("msg_1", locate(over_tls(case)), BODY)).status is None
    assert dialled == []


def test_plain_http_is_allowed_only_for_exempt_targets():
    with pytest.raises(InvalidURL) as refused:
        sender_for(lookup=Answers("93.184.216.34")).require_allowed_url(f"http://{NAME}/hook")
    assert refused.value.detail == "webhook_url: must start with https://"

    assert sender_for(NAME).require_allowed_url(f"http://{NAME}/hook") == f"http://{NAME}/hook"
    assert sender_for("127.0.0.0/8").require_allowed_url(f"http://{NAME}/hook") == f"http://{NAME}/hook"
    with pytest.raises(BlockedTarget):
        sender_for("127.0.0.0/8:8080").require_allowed_url(f"http://{NAME}/hook")


def test_without_a_secret_there_are_no_webhooks():
    with pytest.raises(InvalidOption) as refused:
        sender_for(secrets=()).require_allowed_url(f"https://{NAME}/")
    assert "WEBHOOK_SECRET" in refused.value.detail


class Overrun(Guard):
    """A guard without a free thread for a lookup."""

    def judge(self, host, port):
        return Judgement(Verdict.BUSY)


def test_a_lookup_that_could_not_be_made_is_reported_as_over_capacity():
    with pytest.raises(OverCapacity) as refused:
        WebhookSender(Overrun(), (SECRET,), tls=TLS).require_allowed_url(f"https://{NAME}/")
    assert refused.value.detail.startswith("too many names are being looked up")
    assert WebhookSender(Overrun(), (SECRET,), tls=TLS).send(message(443, scheme="https")).status is None


def test_nothing_is_sent_unsigned(receiver, capfd):
    assert sender_for(f"{NAME}:{receiver.port}", secrets=()).send(message(receiver.port)).status is None
    assert receiver.posts == []
    assert "WEBHOOK_SECRET" in "".join(capfd.readouterr())


def test_without_a_resolver_of_our_own_no_name_is_looked_up_for_a_request():
    resolver = Answers("127.0.0.1")
    sender = WebhookSender(Guard(lookup=resolver), (SECRET,), resolves=False, tls=TLS)

    assert sender.require_allowed_url(f"https://{NAME}/hook") == f"https://{NAME}/hook"
    assert resolver.asked == 0
    with pytest.raises(BlockedTarget):
        sender.require_allowed_url("https://127.0.0.1/")


def test_five_retries_take_about_an_hour():
    def longest(low, high):
        return high

    assert [delay_after(tries, longest) for tries in range(1, 7)] == [
        *(1.2 * seconds for seconds in RETRY_DELAYS),
        None,
    ]
    assert 3000 < sum(RETRY_DELAYS) < 4200
    assert 8 <= delay_after(1) <= 12


AT_HOME = """
from netguard import Guard, exemptions
from structlog.testing import capture_logs
from tests.integration.webhooks.test_sender import NAME, SECRET, message
from webhooks import WebhookSender

for exempt in ([], [NAME]):
    sender = WebhookSender(Guard(exempt=exemptions(exempt), lookup=lambda _: ["8.8.4.4"]), (SECRET,))
    try:
        print(sender.require_allowed_url(f"https://{NAME}/hook"))
    except Exception as err:
        print(type(err).__name__)
    with capture_logs() as events:
        sender.send(message(443, scheme="https"))
    print(events[0]["reason"])
"""


def test_an_address_of_the_workers_own_machine_is_refused_unless_exempt():
    """In a network namespace that has a public address, on which nothing listens."""
    alone = 'ip link set lo up && ip address add 8.8.4.4/32 dev lo && exec "$0" -c "$1"'
    command = ["unshare", "--map-root-user", "--net", "sh", "-c", alone, sys.executable, AT_HOME]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    refused, reason, allowed, tried = done.stdout.split()
    assert (refused, reason) == ("BlockedTarget", "loopback")
    assert (allowed, tried) == (f"https://{NAME}/hook", "NewConnectionError")
