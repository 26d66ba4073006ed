"""Visitors of `/thumb`: a single one that waits, and a crowd in threads."""

from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

PAGE = "https://example.com/"


def get(client, url=PAGE, headers=None, **options):
    return client.get("/thumb", query_string={"url": url, **options}, headers=headers)


class Crowd:
    """Visitors in threads, each with its own client."""

    pools: ClassVar = []

    def __init__(self, client, count):
        self.app = client.application
        self.pool = ThreadPoolExecutor(count)
        self.pools.append(self.pool)

    def ask(self, *, address="127.0.0.1", **options):
        def call():
            client = self.app.test_client()
            return client.get("/thumb", query_string=options, environ_base={"REMOTE_ADDR": address})

        return self.pool.submit(call)

    @classmethod
    def leave(cls):
        """Wait for the end of all requests: the next test uses the same Redis."""
        while cls.pools:
            cls.pools.pop().shutdown()
