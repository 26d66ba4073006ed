"""Refuses the images of a page that used too much memory, since a small file may hold a picture of a gigabyte."""

from engine.page.adblock import AdFilter


class ImageFilter:
    """Refuses every image, and what `ads` refuse. Counts the images."""

    def __init__(self, ads: AdFilter | None) -> None:
        self._ads = ads
        self.refused = 0

    def blocks(self, url: str, page_url: str, resource_type: str) -> bool:
        if resource_type == "Image":
            self.refused += 1
            return True
        return self._ads is not None and self._ads.blocks(url, page_url, resource_type)
