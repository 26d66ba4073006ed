"""The two picture storages: a local folder, and S3."""

from storage_backends.local import LocalStorage
from storage_backends.s3 import S3Storage

__all__ = ["LocalStorage", "S3Storage"]
