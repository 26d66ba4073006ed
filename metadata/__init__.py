"""What pages say of themselves: title, description, icon, preview picture. Knows no HTTP."""

from metadata.values import Metadata, Source

__all__ = ["Metadata", "Source"]
