"""The store in a bucket, as a Prefect block. Needs the extra `aws`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from prefect.blocks.core import Block
from prefect_aws.credentials import AwsCredentials, MinIOCredentials
from pydantic import Field, HttpUrl, field_validator

from fair_models import settings
from fair_models.store.protocol import Store


class BucketStore(Block):
    """The registry's bytes in a bucket of S3, or of a service that speaks its language (MinIO, Ceph, R2).

    Save one under the name "default", and all flows use it. The credentials are a block of prefect-aws; for
    another service than AWS give its address there, as `endpoint_url` under the client parameters.

    Example:
        ```python
        from prefect_aws import MinIOCredentials
        from blocks.bucket_store import BucketStore

        credentials = MinIOCredentials.load("CREDENTIALS_NAME")
        BucketStore(credentials=credentials, bucket="models", prefix="fair").save("default")

        block = BucketStore.load("BLOCK_NAME")
        store = block.open()
        ```
    """

    _block_type_name = "fair-models store (bucket)"
    _block_type_slug = "fair-models-bucket-store"
    _documentation_url = HttpUrl("https://github.com/hotosm/fair-models/blob/main/docs/guides/blocks.md")

    credentials: AwsCredentials | MinIOCredentials = Field(
        description="Who asks, in which region, at which address: a block of prefect-aws. Without keys "
        "in it, what the worker's machine has is used."
    )
    bucket: str = Field(
        pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", description="Name of the bucket, which exists already."
    )
    prefix: str = Field(
        "",
        pattern=r"^([A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*)?$",
        description='Folder in the bucket that all files go under, for example "fair/models". Default: none.',
    )
    public_url: HttpUrl | None = Field(
        None,
        description="Address under which everybody reads what lies under bucket and prefix; items then name "
        "files by it. Default: items name files as s3://bucket/key.",
    )

    @field_validator("credentials", mode="before")
    @classmethod
    def _of_their_kind(cls, value: Any) -> Any:
        """The server hands them back as a mapping, which AwsCredentials would take whatever is in it."""
        if not isinstance(value, Mapping):
            return value
        kind = MinIOCredentials if "minio_root_user" in value else AwsCredentials
        return kind.model_validate(value)

    @field_validator("credentials")
    @classmethod
    def _can_travel(cls, value: AwsCredentials | MinIOCredentials) -> AwsCredentials | MinIOCredentials:
        """Credentials travel in variables of the environment, and not everything has one."""
        if getattr(value, "assume_role_arn", None):
            raise ValueError(
                "assume_role_arn is not used: give the worker's machine or its service account the role"
            )
        if value.aws_client_parameters.verify is False:
            raise ValueError("verify cannot be switched off: name the certificate in verify_cert_path")
        return value

    def environment(self) -> dict[str, str]:
        """The variables that make a process use this bucket: settings, boto3's, GDAL's and ZenML's alike."""
        place = "/".join(part for part in (self.bucket, self.prefix) if part)
        public = {"FAIR_PUBLIC_STORE_URL": str(self.public_url)} if self.public_url else {}
        return {"FAIR_STORE": f"s3://{place}", **public, **_access(self.credentials)}

    def open(self) -> Store:
        """The store. Its `environment` is put into this process first: GDAL and ZenML read it too."""
        from fair_models.store import opening

        os.environ.update(self.environment())
        return opening.open_store(settings.current())


def _access(credentials: AwsCredentials | MinIOCredentials) -> dict[str, str]:
    if isinstance(credentials, MinIOCredentials):
        keys: dict[str, str | None] = {
            "AWS_ACCESS_KEY_ID": credentials.minio_root_user,
            "AWS_SECRET_ACCESS_KEY": credentials.minio_root_password.get_secret_value(),
        }
    else:
        secret = credentials.aws_secret_access_key
        keys = {
            "AWS_ACCESS_KEY_ID": credentials.aws_access_key_id,
            "AWS_SECRET_ACCESS_KEY": secret.get_secret_value() if secret else None,
            "AWS_SESSION_TOKEN": credentials.aws_session_token,
            "AWS_PROFILE": credentials.profile_name,
        }
    client = credentials.aws_client_parameters
    certificate = client.verify_cert_path
    place = {
        "AWS_REGION": credentials.region_name,
        "AWS_DEFAULT_REGION": credentials.region_name,  # boto3 reads this one, GDAL either
        "AWS_ENDPOINT_URL": client.endpoint_url,
        "AWS_CA_BUNDLE": str(certificate) if certificate else None,
    }
    return {name: value for name, value in {**keys, **place}.items() if value}
