"""The two picture storages, a local folder and S3, and the stores of originals in the same places."""

from typing import TYPE_CHECKING, Any

from storage_backends.local import LocalStorage
from storage_backends.originals_folder import OriginalsFolder

if TYPE_CHECKING:
    from storage_backends.s3 import S3Originals, S3Storage

__all__ = ["LocalStorage", "OriginalsFolder", "S3Originals", "S3Storage"]


def __getattr__(name: str) -> Any:
    """Import boto3 with the first use of S3. It takes 26 MB and a third of a second in every process."""
    if name not in ("S3Originals", "S3Storage"):
        raise AttributeError(name)
    from storage_backends import s3  # noqa: PLC0415 - see above

    return getattr(s3, name)
