"""The receivers of docs/webhooks.md accept the service's messages, and no others."""

import base64
import hashlib
import hmac
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from netguard import Guard, exemptions
from tests.support.receiver import running_receiver
from urls import locate
from webhooks import WebhookMessage, WebhookSender

DOCS = (Path(__file__).parents[3] / "docs" / "webhooks.md").read_text(encoding="utf-8")
NEW, OLD, OTHER = ("whsec_" + text * 5 for text in ("bmV3ISEh", "b2xkISEh", "b3RoZXIh"))
BODY = '{"event": "screenshot.failed", "job": {"job_id": "ü"}}'
SIGNED = ("webhook-id", "webhook-timestamp", "webhook-signature")
CALLS = {
    "python": (
        sys.executable,
        "-c",
        "{code}\nimport json, sys\nfor s, h, b in json.load(sys.stdin): print(verified(s, h, b.encode()))",
    ),
    "js": (
        "node",
        "-e",
        '{code}\nfor (const [s, h, b] of JSON.parse(require("fs").readFileSync(0))) console.log(verified(s, h, Buffer.from(b)))',
    ),
}


@pytest.fixture(scope="module")
def headers():
    """The headers that a receiver gets while the secret is being rotated."""
    with running_receiver() as receiver:
        target = f"hooks.example.com:{receiver.port}"
        guard = Guard(exempt=exemptions([target]), lookup=lambda _: ["127.0.0.1"])
        assert (
            WebhookSender(guard, (NEW, OLD)).send(WebhookMessage("msg_1", locate(f"http://{target}/"), BODY)).delivered
        )
        (post,) = receiver.posts
        assert post.body.decode() == BODY
        return post.headers


@pytest.mark.parametrize("language", CALLS)
def test_a_receiver_accepts_our_messages_and_no_others(headers, language):
    old = str(int(headers["webhook-timestamp"]) - 301)
    cases = [
        (NEW, headers, BODY),
        (OLD, headers, BODY),
        (OTHER, headers, BODY),
        (NEW, headers, BODY + " "),
        (NEW, headers | {"webhook-id": "msg_2"}, BODY),
        (NEW, headers | {"webhook-timestamp": old}, BODY),
        (NEW, headers | {"webhook-signature": "v1,"}, BODY),
        (NEW, headers | {"webhook-signature": "v1,ü"}, BODY),
        *((NEW, headers | {"webhook-timestamp": sent}, BODY) for sent in ("", "soon", "nan", "1e9", "9" * 5000, "²")),
        *((NEW, {name: headers[name] for name in headers if name != missing}, BODY) for missing in SIGNED),
    ]
    ran = receive(language, cases)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.lower().split() == ["true", "true"] + ["false"] * (len(cases) - 2)


@pytest.mark.parametrize("secret", ["", "whsec_", "****", "whsec_****"])
@pytest.mark.parametrize("language", CALLS)
def test_a_receiver_without_a_secret_accepts_nothing(language, secret):
    """Anybody can sign with an empty key."""
    sent = str(int(time.time()))
    digest = hmac.new(b"", f"msg_1.{sent}.{BODY}".encode(), hashlib.sha256).digest()
    forged = dict(zip(SIGNED, ("msg_1", sent, "v1," + base64.b64encode(digest).decode()), strict=True))
    ran = receive(language, [(secret, forged, BODY)])
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "Error: secret: must be WEBHOOK_SECRET" in ran.stderr


def receive(language, cases):
    """Run the receiver of the docs on each case: a secret, headers and a body."""
    interpreter, flag, program = CALLS[language]
    if shutil.which(interpreter) is None:
        pytest.skip(f"no {interpreter} on this machine")
    (code,) = re.findall(rf"```{language}\n(.*?)```", DOCS, re.DOTALL)
    words = [interpreter, flag, program.replace("{code}", code)]
    return subprocess.run(words, input=json.dumps(cases), check=False, capture_output=True, text=True)
