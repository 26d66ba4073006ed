"""Where work comes from, as one process tells another: by W3C's header `traceparent`."""

from dataclasses import dataclass

HEADER = "traceparent"
Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Origin:
    """The span that work comes from, as the header has it; "" for none.

    The work belongs to the same trace. If it is `linked`, it has a trace of its own that names the span: a batch of a
    thousand pictures would make no readable trace.
    """

    traceparent: str = ""
    linked: bool = False


UNKNOWN = Origin()
