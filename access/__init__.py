"""Access and limits: API keys, signed URLs, allowed and blocked targets, sizes, budgets. Knows no HTTP."""

from access.admin_key import LINK_SECONDS, AdminKey
from access.blocked import BlockedPattern, BlockedTargets
from access.budgets import (
    FLOOD_SCOPE,
    RENDITION_BYTES,
    Budget,
    BudgetUsage,
    CaptureCharge,
    HitTally,
    JobBudgets,
    JobCharge,
    rate_headers,
    requests_of,
)
from access.client_budgets import SITES_A_DAY, Budgets
from access.clients import client_of
from access.counters import Counters, RedisCounters
from access.keys import ApiKey
from access.rules import AccessRules, parse_size
from access.signatures import pairs_of_card, sign

__all__ = [
    "FLOOD_SCOPE",
    "LINK_SECONDS",
    "RENDITION_BYTES",
    "SITES_A_DAY",
    "AccessRules",
    "AdminKey",
    "ApiKey",
    "BlockedPattern",
    "BlockedTargets",
    "Budget",
    "BudgetUsage",
    "Budgets",
    "CaptureCharge",
    "Counters",
    "HitTally",
    "JobBudgets",
    "JobCharge",
    "RedisCounters",
    "client_of",
    "pairs_of_card",
    "parse_size",
    "rate_headers",
    "requests_of",
    "sign",
]
