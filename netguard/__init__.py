"""Judges whether a target is public: a named verdict for addresses and host names, and the one look-up of a name.

Knows nothing of HTTP, of URL syntax or of the rest of the service. The web side judges each request, and the engine
judges again when it opens a socket.
"""

from netguard.addresses import Address, Network, Verdict, judge_address, judge_name, literal
from netguard.guard import Exemption, Guard, Judgement, exemptions
from netguard.resolver import MOST_LOOKUPS, Busy, Lookup, is_own_address, read_answers, resolve, system_lookup

__all__ = [
    "MOST_LOOKUPS",
    "Address",
    "Busy",
    "Exemption",
    "Guard",
    "Judgement",
    "Lookup",
    "Network",
    "Verdict",
    "exemptions",
    "is_own_address",
    "judge_address",
    "judge_name",
    "literal",
    "read_answers",
    "resolve",
    "system_lookup",
]
