"""Recaptures popular stale pictures before a visitor requests them, within a budget."""

from refresh.popularity import Popularity, ViewedPage
from refresh.refresher import ROUND_SECONDS, Refresher

__all__ = ["ROUND_SECONDS", "Popularity", "Refresher", "ViewedPage"]
