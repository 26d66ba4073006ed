"""The two picture storages: a local folder, and S3."""

from typing import TYPE_CHECKING, Any

from storage_backends.local import LocalStorage

if TYPE_CHECKING:
    from storage_backends.s3 import S3Storage

__all__ = ["LocalStorage", "S3Storage"]


def __getattr__(name: str) -> Any:
    """Import boto3 with the first use of S3Storage. It takes 26 MB and a third of a second in every process."""
    if name != "S3Storage":
        raise AttributeError(name)
    from storage_backends.s3 import S3Storage  # noqa: PLC0415 - see above

    return S3Storage
