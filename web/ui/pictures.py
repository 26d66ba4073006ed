"""The pictures of sites as HTML names them: addresses in several widths, so that a browser loads no more than it shows."""

from access import AccessRules
from sites import Site, Version

CARD_WIDTHS = (320, 480, 640, 960)  # as 16:9
VERSION_WIDTH = 960


class PictureAddresses:
    """Names pictures in sizes that the installation allows. Where it allows none of ours, in the captured size."""

    def __init__(self, access: AccessRules) -> None:
        self.card_widths = [width for width in CARD_WIDTHS if not access.sizes or _card(width) in access.sizes]
        self._whole = not access.sizes or (VERSION_WIDTH, None) in access.sizes

    def card(self, site: Site, width: int | None = None) -> str:
        """Return the path of the picture of `site` as a card shows it: its top, 16:9. The default is the smallest."""
        width = width or next(iter(self.card_widths), None)
        size = f"w={width}&h={_card(width)[1]}&" if width else ""
        return f"/sites/{site.id}/image?{size}format=webp"

    def version(self, version: Version) -> str:
        """Return the path of the whole picture of `version`."""
        size = f"w={VERSION_WIDTH}&" if self._whole else ""
        return f"/sites/{version.site_id}/versions/{version.number}/image?{size}format=webp"

    def difference(self, before: Version, after: Version) -> str:
        return f"/sites/{after.site_id}/diff?from={before.number}&to={after.number}&format=png"


def _card(width: int) -> tuple[int, int]:
    return width, width * 9 // 16
