"""What an operator does about an error of S3. docs/operations/storage.md has the same table; a test compares them."""

from typing import Any

from botocore.exceptions import ClientError

# By S3's code, else by the status of the answer (a HEAD has no code), else by the exception of the SDK.
_ROWS: dict[tuple[str, ...], str] = {
    ("NoSuchBucket", "InvalidBucketName", "404"): "create the bucket, or correct S3_BUCKET, S3_REGION or S3_ENDPOINT_URL",
    ("AccessDenied", "AllAccessDisabled", "403"): (
        "let the credentials put, get and delete objects of the bucket, and list it; "
        "some servers answer this for a bucket that does not exist, or for wrong credentials"
    ),
    ("InvalidAccessKeyId",): "correct AWS_ACCESS_KEY_ID: the server does not know it, or it has been deleted",
    ("SignatureDoesNotMatch",): (
        "correct AWS_SECRET_ACCESS_KEY; if it is right, let no proxy before the server change the host or the path"
    ),
    ("ExpiredToken", "InvalidToken", "TokenRefreshRequired"): "renew the temporary credentials (AWS_SESSION_TOKEN)",
    ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"): (
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the machine a role"
    ),
    ("RequestTimeTooSkewed",): "set this machine's clock: it differs from the server's by more than 15 minutes",
    (
        "PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException",
        "NoRegionError", "301", "307", "400",
    ): "set S3_REGION to the region of the bucket, and S3_ENDPOINT_URL to the server's own https:// address",
    ("NotImplemented", "501"): (
        "the server lacks this call; if S3_CONDITIONAL is on, set it to auto or off, else choose another server"
    ),
    ("SlowDown", "TooManyRequests", "RequestLimitExceeded", "ServiceUnavailable", "429", "503"): (
        "nothing if it is rare; else ask the provider for a higher rate, or send fewer jobs at a time"
    ),
    ("InternalError", "500", "502", "504"): "look at the log or the status page of the server: it failed by itself",
    ("QuotaExceeded", "StorageLimitExceeded", "XMinioStorageFull", "507"): (
        "the storage is full: delete pictures, or get more room"
    ),
    ("AccountProblem", "NotSignedUp", "UserSuspended", "402"): "settle the account with the provider",
    ("EndpointConnectionError", "ConnectTimeoutError", "ConnectionClosedError", "ProxyConnectionError"): (
        "check S3_ENDPOINT_URL, the network and the firewall: the server cannot be reached"
    ),
    ("ReadTimeoutError", "RequestTimeout", "TimeoutError"): "the server is slow: look at its load and at the network",
    ("SSLError",): "check the certificate of S3_ENDPOINT_URL; name a CA of your own by AWS_CA_BUNDLE",
    ("ResponseParserError", "MethodNotAllowed", "405"): (
        "correct S3_ENDPOINT_URL: it leads to something that is not an S3 server"
    ),
}  # fmt: skip
HINTS = {code: hint for codes, hint in _ROWS.items() for code in codes}
UNKNOWN = "look the code up in the documentation of the server"


def code_of(err: Exception) -> str | None:
    """Return S3's code. An answer without a body has its status as its code. None if the server gave no answer."""
    return err.response.get("Error", {}).get("Code") if isinstance(err, ClientError) else None


def status_of(err: ClientError) -> int:
    return int(err.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def hint_for(err: Exception) -> str:
    """Return what to do about `err`, and the bucket's region if the server names it in its refusal."""
    names = (code_of(err), str(status_of(err))) if isinstance(err, ClientError) else (type(err).__name__,)
    hint = next((HINTS[name] for name in names if name in HINTS), UNKNOWN)
    region = _region_of_bucket(err)
    return f"{hint} (it is {region})" if region and "S3_REGION" in hint else hint


def _region_of_bucket(err: Exception) -> str | None:
    if not isinstance(err, ClientError):
        return None
    headers: dict[str, str] = err.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    error: dict[str, Any] = dict(err.response.get("Error", {}))
    return headers.get("x-amz-bucket-region") or error.get("Region")
