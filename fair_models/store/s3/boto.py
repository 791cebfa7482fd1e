"""boto3's client for buckets, and its errors as errors of our family: the extra `aws`.

Where buckets lie (AWS_REGION, AWS_ENDPOINT_URL) and who asks for them (AWS_ACCESS_KEY_ID and the other ways
that boto3 knows) are settings of the machine, never of a request.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fair_models.errors import FairModelsError, Invalid, NotFound, Unavailable, reason_of

ATTEMPTS = 5
"""How often a request is made that fails for a reason that may pass, with growing waits between."""

ABSENT = frozenset({"404", "NoSuchBucket", "NoSuchKey", "NoSuchUpload", "NotFound"})
TAKEN = frozenset({"412", "PreconditionFailed", "409", "ConditionalRequestConflict"})
"""What a server says where something lies under the key already, or somebody writes it at this moment."""

FORBIDDEN = frozenset(
    {
        "401",
        "403",
        "AccessDenied",
        "AllAccessDisabled",
        "ExpiredToken",
        "Forbidden",
        "InvalidAccessKeyId",
        "InvalidToken",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
    }
)
_ELSEWHERE = frozenset({"301", "307", "PermanentRedirect", "AuthorizationHeaderMalformed"})
_BUSY = frozenset(
    {"429", "500", "502", "503", "504", "SlowDown", "InternalError", "RequestTimeout", "Throttling"}
)


def open_client(attempts: int = ATTEMPTS) -> Any:
    """A client of the machine's bucket service. Use one per process: it may not go through a fork.

    Args:
        attempts: How often a request is made at most.

    Raises:
        Invalid: boto3 is not installed.
        Unavailable: AWS_ENDPOINT_URL is no address.
    """
    try:
        import boto3
        from botocore.config import Config
    except ImportError as error:
        raise Invalid(
            "s3:// needs boto3, which is not installed on this machine: "
            "install fair-models[aws], or name an https address"
        ) from error
    # Buckets behind an address of one's own are rarely names below it.
    own = endpoint() != "AWS"
    config = Config(
        connect_timeout=30,
        read_timeout=60,
        retries={"total_max_attempts": attempts, "mode": "standard"},
        signature_version="s3v4",
        s3={"addressing_style": "path" if own else "auto"},
    )
    session = boto3.session.Session(region_name=os.environ.get("AWS_REGION") or None)
    try:
        return session.client("s3", config=config)
    except ValueError as error:
        raise Unavailable(
            f"AWS_ENDPOINT_URL cannot be used ({error}): write https://host, or leave it out for AWS"
        ) from error


def endpoint() -> str:
    """Where the machine's buckets lie, for people."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or "AWS"


def code_of(error: Any) -> str:
    """What a server called its refusal, e.g. "NoSuchKey"; a status where it has no name."""
    answer = getattr(error, "response", None) or {}
    return str(answer.get("Error", {}).get("Code", ""))


@contextmanager
def translate_errors(name: str, bucket: str, *, ours: bool = True) -> Iterator[None]:
    """Errors of boto3 as errors of our family.

    Args:
        name: What is asked for, for the message, e.g. "s3://bucket/key".
        bucket: Its bucket.
        ours: Whether the settings named the bucket, and not a request: then it is for the operator to mend
            where it is missing or denied.

    Raises:
        NotFound: It is not there; nor is the bucket, where a request named it.
        Invalid: It is denied, and a request named it.
        Unavailable: Our bucket is missing or denied, the bucket lies elsewhere, or no server answers.
    """
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError
    from botocore.parsers import ResponseParserError

    try:
        yield
    except ClientError as error:
        raise _refusal(error, name, bucket, ours) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise Unavailable(
            f"{name} cannot be had without credentials ({error}): set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or give this machine a role"
        ) from error
    except ResponseParserError as error:
        raise _no_s3(name) from error
    except BotoCoreError as error:
        raise Unavailable(
            f"{name} cannot be had from {endpoint()}: {reason_of(error)}. Try again later, "
            "or correct AWS_ENDPOINT_URL"
        ) from error


def _refusal(error: Any, name: str, bucket: str, ours: bool) -> FairModelsError:
    code = code_of(error)
    if code in FORBIDDEN and not ours:
        return Invalid(
            f"{name} may not be read with the credentials of this machine ({code}): "
            "download it and name the file, or have the operator see to the rights"
        )
    if code == "NoSuchBucket" and ours:
        return no_bucket(bucket)
    if code in ABSENT:
        return NotFound(f"{name} does not exist: correct the address, or put the file back")
    if code in FORBIDDEN:
        return Unavailable(
            f"{name} is denied to the credentials of this machine ({code}): correct them "
            f"(AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), or give them the rights on {bucket} "
            "that docs/guides/storage.md lists"
        )
    if code in TAKEN:
        return Unavailable(f"{name} was changed meanwhile ({code}): start again")
    if code in _ELSEWHERE:
        return Unavailable(f"The bucket {bucket} lies in another region ({code}): correct AWS_REGION")
    if code in {"405", "501", "MethodNotAllowed", "NotImplemented"}:
        return _no_s3(name)
    if code in _BUSY:
        return Unavailable(f"{name} cannot be had now: {endpoint()} says {code}. Try again later")
    return Unavailable(f"{name} cannot be had: {reason_of(error)}. Try again later")


def no_bucket(bucket: str) -> Unavailable:
    """What is said of a bucket that is not there."""
    return Unavailable(
        f"There is no bucket {bucket} at {endpoint()}: make it, or correct FAIR_STORE or AWS_ENDPOINT_URL"
    )


def _no_s3(name: str) -> Unavailable:
    return Unavailable(
        f"{name} cannot be had: what answers at {endpoint()} does not speak S3. Correct AWS_ENDPOINT_URL"
    )
