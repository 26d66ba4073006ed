"""The pictures of sites as HTML names them: addresses in several widths, so that a browser loads no more than it shows."""

from sites import Site, Version

# The first four steps of the ladder of widths that signed installations allow too (config.LADDER), as 16:9.
CARD_WIDTHS = (320, 480, 640, 960)


def card_address(site: Site, width: int) -> str:
    """Return the path of the picture of `site` as a card shows it: its top, 16:9."""
    return f"/sites/{site.id}/image?w={width}&h={width * 9 // 16}&format=webp"


def version_address(version: Version, width: int) -> str:
    """Return the path of the whole picture of `version`, at most `width` wide."""
    return f"/sites/{version.site_id}/versions/{version.number}/image?w={width}&format=webp"
