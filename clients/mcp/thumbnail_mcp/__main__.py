"""Runs the server: over standard input and output, or over HTTP on loopback if `THUMBNAIL_MCP_PORT` is set."""

import os
import sys

from thumbnail_mcp.server import build
from thumbnail_mcp.settings import Settings, UnusableSetting


def main() -> None:
    try:
        settings = Settings.of(os.environ)
    except UnusableSetting as err:
        sys.exit(f"thumbnail-mcp: {err}")
    server = build(settings)
    if settings.port is None:
        server.run()
    else:
        # The tools act with the operator's keys, and HTTP asks the caller for none: so loopback alone.
        server.run("streamable-http", host="127.0.0.1", port=settings.port, stateless_http=True)


if __name__ == "__main__":
    main()
