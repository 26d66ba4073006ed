"""Which addresses, as sockets and proxies write them, count as one client."""

import pytest

from access import client_of


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:5555", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("[::ffff:192.0.2.1]:80", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2:3::4]", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2:3::4]:443", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:5::6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("[fe80::1%eth0]:443", "fe80::/64"),
    ],
)
def test_a_client_is_its_address_without_the_port(address, client):
    assert client_of(address) == client


@pytest.mark.parametrize(
    "address",
    [None, "", "unknown", "_hidden", "192.0.2.1:", "192.0.2.1:port", "192.0.2.1:5555, 8.8.8.8", "[2001:db8::1", "[]",
     "[]:80", "1.2.3:80", "[192.0.2.1:80", "example.com:80", "192.0.2.1:5555\n", "1" * 10_000 + ":80"],
)  # fmt: skip
def test_everything_but_an_address_is_one_client(address):
    assert client_of(address) == "unknown"
