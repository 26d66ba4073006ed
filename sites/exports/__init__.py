"""The catalogue as files: CSV, JSON, and a gallery that needs no server. All are streamed."""

from sites.exports.exporter import FILES, Exporter
from sites.exports.tables import pages_of

__all__ = ["FILES", "Exporter", "pages_of"]
