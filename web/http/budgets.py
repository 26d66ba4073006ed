"""The budgets of one client, as the views charge them."""

from dataclasses import replace

from access import Budgets
from services import Services
from web.http.callers import is_from_this_service

__all__ = ["Budgets", "build"]


def build(services: Services) -> Budgets:
    """A page that names a picture of this service, to be fetched for another caller, has nothing captured."""
    return replace(services.budgets, captures_nothing=is_from_this_service)
