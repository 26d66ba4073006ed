"""How endpoints ask about a page: by a query of `/thumb`, with its access, its budgets and its log."""

from access import CaptureCharge
from model import ThumbnailRequest
from services import Services
from thumbnails import Ask, Served
from web.http.budgets import Budgets
from web.http.cache_tags import note_page
from web.http.callers import identify_caller
from web.http.request_log import log_facts, request_id


def parse_page(services: Services, query: bytes) -> ThumbnailRequest:
    """Read a query of `/thumb` that asks about a page. Raises what `/thumb` raises, access included."""
    wanted = services.thumbnailer.settle(services.validator.parse_query(query))
    log_facts(host=wanted.target.netloc)
    note_page(wanted.target)
    services.access.require_allowed(query, wanted)
    return wanted


def ask_about(services: Services, budgets: Budgets, wanted: ThumbnailRequest) -> tuple[Ask, CaptureCharge]:
    """Return what asks about a page for the current caller, and the charge, whose headers say what is left."""
    needs_key = "fresh=1" if wanted.delivery.fresh and services.access.keys else ""
    caller = identify_caller(services.access, needs_key=needs_key)
    charge = budgets.charge_of(caller.name, caller.own_limit)
    return Ask(wanted, charge, request_id()), charge


def log_served(served: Served) -> None:
    log_facts(cache=served.cache, **({} if served.capture_ms is None else {"capture_ms": served.capture_ms}))
