"""What a capture did on the network so far, its second try included. Counted by whoever sees it, told to the log."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Traffic:
    """`refused` by the guard's verdict. A proxy sees no request inside of TLS: `requests` are those that the document
    which was looked at last tells of, None where there was none to be asked. A hint: a page can clear its timeline.
    """

    connections: int = 0
    requests: int | None = None
    bytes: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    def summary(self) -> dict[str, object]:
        return {
            "connections": self.connections,
            "requests": self.requests,
            "bytes": self.bytes,
            "refused": dict(self.refused),
        }
