"""Makes the rules of what callers may ask for."""

from access import AccessRules, ApiKey, BlockedTargets, parse_size
from config import Settings
from netguard import Guard
from validation import Validator


def make_access(settings: Settings) -> AccessRules:
    return AccessRules(
        tuple(map(ApiKey.parse, settings.api_keys)),
        settings.signing_keys,
        settings.allowed_targets,
        frozenset(map(parse_size, settings.allowed_sizes)),
        BlockedTargets(settings.blocked_targets, settings.blocked_targets_file),
    )


def make_validator(settings: Settings, guard: Guard) -> Validator:
    return Validator(guard, block_ads=settings.block_ads, allow_ignore_https_errors=settings.allow_ignore_https_errors)
