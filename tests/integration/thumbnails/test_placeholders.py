"""A visitor who does not wait gets a placeholder while the capture goes on."""

import io

from PIL import Image

from tests.support.processes import wait_until
from tests.support.visitors import get


def test_with_wait_zero_a_placeholder_is_sent_and_the_capture_continues(make_client, api, held):
    client = make_client()
    pending = get(client, w=64, wait=0)
    image = Image.open(io.BytesIO(get(client, w=64, wait=0, headers={"Accept": "image/*"}).data))
    held.set()

    assert (pending.status_code, pending.json["code"]) == (202, "pending")
    assert pending.headers["Cache-Control"] == "no-store"
    assert int(pending.headers["Retry-After"]) > 0
    assert image.size == (64, 36)
    wait_until(lambda: get(client, w=64, wait=0).headers.get("X-Cache") == "HIT", "the picture")
    assert len(api.calls) == 1


def test_a_pending_placeholder_says_so(make_client, held):
    response = get(make_client(), wait=0, headers={"Accept": "image/*"})

    assert response.headers["X-Thumb-State"] == "pending"
    assert "X-Error-Code" not in response.headers
