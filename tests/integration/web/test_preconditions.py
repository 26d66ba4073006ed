"""`If-Match` and `If-Unmodified-Since` on pictures."""

import io

import pytest

PAGE = "https://example.com/"


@pytest.mark.parametrize("condition", ["*", " * "])
def test_a_picture_fits_the_condition_that_any_picture_fits(client, condition):
    answers = [client.get("/thumb", query_string={"url": PAGE}, headers={"If-Match": condition}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]


def test_a_picture_that_does_not_fit_its_condition_is_an_error_that_no_cache_keeps(client):
    refused = client.get("/thumb", query_string={"url": PAGE}, headers={"If-Match": '"other"'})

    assert (refused.status_code, refused.json["code"]) == (412, "precondition_failed")
    assert refused.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("date", "status"), [("Sun, 06 Nov 1994 08:49:37 GMT", 412), ("Fri, 01 Jan 2038 00:00:00 GMT", 200)]
)
def test_a_picture_captured_after_the_given_date_is_refused(client, date, status):
    query = {"url": PAGE}
    answers = [client.get("/thumb", query_string=query, headers={"If-Unmodified-Since": date}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [status, status]


def test_a_permanent_picture_answers_the_same_conditions(client):
    url = client.post("/persist", json={"url": PAGE}).json["url"]
    shown = client.get(url)
    refused = client.get(url, headers={"If-Match": '"other"'})

    assert client.get(url, headers={"If-Match": "*"}).status_code == 200
    assert client.get(url, headers={"If-Match": shown.headers["ETag"]}).status_code == 200
    assert (refused.status_code, refused.headers["Cache-Control"]) == (412, "no-store")
    assert io.BytesIO(shown.data).read(4) == b"\x89PNG"
