import asyncio
import base64
import json

import pytest

from engine.devtools.messages import PICTURE_BYTES, SMALL_LIMIT, MessageSplitter, OversizedMessage, decode_picture, read

LONG = b"x" * (SMALL_LIMIT + 1)
EVENT = b'{"method":"Fetch.requestPaused","params":{"body":"%s"},"sessionId":"5E55104"}'
REPLY = b'{"id":7,"result":{"data":"%s"},"sessionId":"5E55104"}'


def fed(data: bytes, size: int = 1 << 16, pictures: frozenset[int] = frozenset()) -> list[bytes | OversizedMessage]:
    messages = MessageSplitter(pictures.__contains__)
    return [each for at in range(0, len(data), size) for each in messages.feed(data[at : at + size])]


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_messages_are_split_at_nul_for_any_chunks(size: int):
    assert fed(b'{"id":1}\0{"method":"a"}\0{"id":', size) == [b'{"id":1}', b'{"method":"a"}']


def test_an_event_that_is_too_long_is_replaced_by_its_session():
    assert fed(EVENT % LONG + b"\0" + REPLY % b"" + b"\0") == [OversizedMessage(None, "5E55104"), REPLY % b""]


def test_a_page_cannot_speak_for_another_session():
    forged = EVENT % (LONG + json.dumps('"sessionId":"0THER"}').encode())
    assert fed(forged + b"\0") == [OversizedMessage(None, "5E55104")]


def test_a_long_message_without_a_session_is_dropped():
    assert fed(b'{"method":"a","params":"%s"}\0' % LONG) == [OversizedMessage(None, None)]


def test_a_reply_that_is_too_long_is_replaced_by_its_number_unless_it_is_a_picture():
    assert fed(REPLY % LONG + b"\0") == [OversizedMessage(7, "5E55104")]
    assert fed(REPLY % LONG + b"\0", pictures=frozenset({7})) == [REPLY % LONG]


def test_a_message_that_is_too_long_is_not_buffered():
    messages = MessageSplitter(frozenset().__contains__)
    for _ in range(3 * SMALL_LIMIT >> 16):
        assert list(messages.feed(b"x" * (1 << 16))) == []
    assert len(messages._buffer) < 1 << 10


@pytest.mark.parametrize("size", [3, PICTURE_BYTES, 2 * PICTURE_BYTES + 7])
def test_a_picture_of_any_size_is_read_and_decoded(size: int):
    picture = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    message = REPLY % base64.b64encode(picture)
    reply = read(message, frozenset({7}).__contains__)
    assert (reply["id"], reply["sessionId"]) == (7, "5E55104")
    assert asyncio.run(decode_picture(reply["result"]["data"])) == picture


def test_only_the_reply_to_a_picture_is_read_as_one():
    data = 'quoted: " and \\' * PICTURE_BYTES
    message = json.dumps({"id": 7, "result": {"data": data}}, separators=(",", ":")).encode()
    assert read(message, frozenset().__contains__)["result"]["data"] == data
