"""Redis and its Sentinel with TLS: their certificates are verified, by Celery too."""

import subprocess

import pytest
import trustme

from tests.support.processes import free_port, running, wait_until
from tests.support.visitors import PAGE, get

COMMON = """
port 0
bind 127.0.0.1
dir {folder}
tls-port {port}
tls-cert-file {folder}/server.pem
tls-key-file {folder}/server.key
tls-ca-cert-file {folder}/ca.pem
tls-auth-clients no
tls-replication yes
"""


@pytest.fixture
def service_url(tmp_path):
    """A primary and one Sentinel, whose certificates are those of a certificate authority in `ca.pem`."""
    authority, ports = trustme.CA(), (free_port(), free_port())
    certificate = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "server.key")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "server.pem")
    server, sentinel = (COMMON.format(folder=tmp_path, port=port) for port in ports)
    (tmp_path / "server.conf").write_text(server + 'save ""\nrequirepass secret\n')
    watch = f"sentinel monitor thumbs 127.0.0.1 {ports[0]} 1\nsentinel auth-pass thumbs secret\n"
    (tmp_path / "sentinel.conf").write_text(sentinel + watch)
    options = {"stdout": subprocess.DEVNULL}
    with (
        running(["redis-server", str(tmp_path / "server.conf")], ports[0], **options),
        running(["redis-server", str(tmp_path / "sentinel.conf"), "--sentinel"], ports[1], **options),
    ):
        yield f"rediss+sentinel://:secret@127.0.0.1:{ports[1]}/thumbs/0"


def test_looks_and_jobs_work_with_the_authority_that_the_url_names(make_client, service_url, tmp_path):
    client = make_client(redis_url=f"{service_url}?ssl_ca_certs={tmp_path}/ca.pem")
    wait_until(lambda: client.get("/ready").status_code == 200, "a Sentinel that knows its primary")
    assert [get(client, PAGE).headers["X-Cache"] for _ in range(2)] == ["MISS", "HIT"]
    assert client.post("/screenshots", json={"url": PAGE}).status_code == 202
    assert client.application.extensions["services"].jobs.store.stats().queued["interactive"] == 1


def test_a_certificate_of_an_unknown_authority_is_refused(make_client, service_url, capsys):
    client = make_client(redis_url=service_url)
    ready = client.get("/ready")
    assert (ready.status_code, ready.json["cache"]) == (503, "unreachable")
    assert "secret" not in capsys.readouterr().out
