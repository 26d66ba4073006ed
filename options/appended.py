"""Parameters that templates and mail programs append to the URL of a picture. They say nothing about it, so they are ignored.

A parameter that belongs to the page's own URL may be among them, if that URL was not percent-encoded. All of these lead to
the same page without it.
"""

CACHE_BUSTERS = frozenset({"v", "_"})
LONGEST_BUSTER = 64  # characters
_TRACKERS = frozenset(
    (
        "fbclid", "gclid", "gclsrc", "gbraid", "wbraid", "dclid", "srsltid", "msclkid", "yclid", "ysclid", "twclid", "ttclid",
        "igshid", "igsh", "li_fat_id", "epik", "ScCid", "rdt_cid", "mc_cid", "mc_eid", "mkt_tok", "vero_id", "vero_conv",
        "oly_anon_id", "oly_enc_id", "wickedid", "_ga", "_gl", "_gac", "_hsenc", "_hsmi", "__hssc", "__hstc", "__hsfp",
        "_ke", "_kx", "_bta_tid", "_openstat", "trk_contact", "trk_msg", "trk_module", "trk_sid",
    )
)  # fmt: skip
_FAMILIES = ("utm_", "pk_", "mtm_", "matomo_", "piwik_")


def is_tracker(name: str) -> bool:
    """Return whether a parameter only tells a web site's statistics where a visitor comes from."""
    return name in _TRACKERS or name.startswith(_FAMILIES)


def is_appended(name: str) -> bool:
    """Return whether a query may hold `name` without being about another picture."""
    return name in CACHE_BUSTERS or is_tracker(name)
