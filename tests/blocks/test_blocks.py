"""Prefect's own tests for blocks, what the blocks build, and which variables they stand for."""

import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from prefect.blocks.core import Block
from prefect.testing.standard_test_suites import BlockStandardTestSuite
from prefect_aws import AwsCredentials, MinIOCredentials
from pydantic import ValidationError

from blocks.bucket_store import BucketStore
from blocks.local_catalog import LocalCatalog
from blocks.local_store import LocalStore
from blocks.pgstac_catalog import PgstacCatalog
from blocks.runtime import Runtime
from blocks.tracking import Tracking
from fair_models.settings import Settings, current
from flows.runtime import places

BLOCKS = [BucketStore, LocalCatalog, LocalStore, PgstacCatalog, Runtime, Tracking]


@pytest.mark.parametrize("block", BLOCKS)
class TestBlocks(BlockStandardTestSuite):
    @pytest.fixture
    def block(self, request: pytest.FixtureRequest) -> type[Block]:
        kind: type[Block] = request.param
        return kind

    # A logo is an address on the web, which a machine without network cannot look at: the blocks have none.
    test_has_a_valid_image = None


def test_flows_look_for_every_kind_of_block_by_its_slug() -> None:
    looked_for = {slug: name for kinds in places.PURPOSES for slug, name in kinds.items()}
    assert looked_for == {kind.get_block_type_slug(): f"{kind.__module__}.{kind.__name__}" for kind in BLOCKS}


def test_each_block_documents_itself_and_every_field() -> None:
    for kind in BLOCKS:
        assert str(kind._documentation_url).endswith("docs/guides/blocks.md")
        assert all(field.description for field in kind.model_fields.values())


def test_blocks_load_nothing_heavy() -> None:
    names = [kind.__module__ for kind in BLOCKS]
    code = f"""
import importlib, sys
for name in {names!r}:
    importlib.import_module(name)
heavy = ("torch", "zenml", "mlflow", "onnxruntime", "psycopg", "rasterio")
print([each for each in heavy if each in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_catalog_block_opens_the_catalogue_of_its_folder(tmp_path: Path) -> None:
    assert list(LocalCatalog(folder=tmp_path).open().search("datasets")) == []
    assert LocalCatalog(folder=tmp_path).environment() == {"FAIR_CATALOG": str(tmp_path)}


def test_a_store_block_opens_the_store_of_its_folder(tmp_path: Path) -> None:
    stored = LocalStore(folder=tmp_path).open().put("datasets/x/v1/a-000000000000.txt", b"a")
    assert Path(stored.href).is_relative_to(tmp_path)
    assert LocalStore(folder=tmp_path).environment() == {"FAIR_STORE": str(tmp_path)}


def test_a_bucket_block_opens_the_store_in_its_bucket(
    s3_bucket: str, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FAIR_STORE", "FAIR_PUBLIC_STORE_URL", "AWS_PROFILE"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)  # what the block sets is taken back after the test
    credentials = MinIOCredentials(
        minio_root_user="me", minio_root_password="mine", aws_client_parameters={"endpoint_url": s3_endpoint}
    )
    block = BucketStore(
        credentials=credentials, bucket=s3_bucket, prefix="fair", public_url="https://data.example.org/fair"
    )
    stored = block.open().put("datasets/x/v1/a-000000000000.txt", b"a")
    assert stored.href == "https://data.example.org/fair/datasets/x/v1/a-000000000000.txt"
    assert block.open().fetch(stored.href).read_bytes() == b"a"


def test_credentials_of_aws_become_its_own_variables() -> None:
    credentials = AwsCredentials(
        aws_access_key_id="AKIA",
        aws_secret_access_key="s/e+c",
        aws_session_token="t",
        region_name="eu-west-1",
    )
    assert BucketStore(credentials=credentials, bucket="models").environment() == {
        "FAIR_STORE": "s3://models",
        "AWS_ACCESS_KEY_ID": "AKIA",
        "AWS_SECRET_ACCESS_KEY": "s/e+c",
        "AWS_SESSION_TOKEN": "t",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }


@pytest.mark.parametrize(
    "clear",
    [
        {"minio_root_user": "me", "minio_root_password": "mine", "region_name": "eu-west-1"},
        {"aws_access_key_id": "me", "aws_secret_access_key": "mine", "region_name": "eu-west-1"},
    ],
)
def test_saved_credentials_come_back_with_their_keys(clear: dict[str, str]) -> None:
    told = BucketStore.model_validate({"bucket": "models", "credentials": clear}).environment()
    assert (told["AWS_ACCESS_KEY_ID"], told["AWS_SECRET_ACCESS_KEY"]) == ("me", "mine")


@pytest.mark.parametrize(
    "wish", [{"assume_role_arn": "arn:aws:iam::1:role/x"}, {"aws_client_parameters": {"verify": False}}]
)
def test_credentials_that_no_variable_can_say_are_refused(wish: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=r"not used|cannot be switched off"):
        BucketStore(credentials=AwsCredentials(**wish), bucket="models")


def test_a_pgstac_block_quotes_its_password_and_hides_it(monkeypatch: pytest.MonkeyPatch) -> None:
    block = PgstacCatalog(
        url="postgresql://fair@db:5432/pgstac", password="p@ss:w/rd", api_url="https://stac.example.org/"
    )
    said = block.environment()
    assert said["FAIR_CATALOG"] == "postgresql://fair:p%40ss%3Aw%2Frd@db:5432/pgstac"
    assert said["FAIR_CATALOG_API_URL"] == "https://stac.example.org"
    assert "w/rd" not in repr(block) + block.model_dump_json()
    with pytest.raises(ValidationError, match="url"):
        PgstacCatalog(url="postgresql://fair:clear@db/pgstac", password="x", api_url="https://a.example.org")


def test_a_pgstac_block_opens_the_catalogue_of_its_database(
    shared_pgstac_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FAIR_CATALOG", "FAIR_CATALOG_API_URL"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    parts = urlsplit(shared_pgstac_url)
    block = PgstacCatalog(
        url=f"postgresql://{parts.username}@{parts.hostname}:{parts.port}{parts.path}",
        password=unquote(parts.password or ""),
        api_url="https://stac.example.org",
    )
    assert list(block.open().search("datasets")) == []


def test_a_tracking_block_says_servers_and_hides_their_keys() -> None:
    block = Tracking(
        zenml_url="https://zenml.example.org",
        zenml_api_key="ZENKEY_1",
        zenml_artifacts="s3://models/zenml",
        mlflow_uri="https://mlflow.example.org",
        mlflow_username="fair",
        mlflow_password="hidden-one",
    )
    assert block.environment() == {
        "ZENML_STORE_TYPE": "rest",
        "ZENML_STORE_URL": "https://zenml.example.org",
        "ZENML_STORE_API_KEY": "ZENKEY_1",
        "FAIR_ZENML_ARTIFACTS": "s3://models/zenml",
        "FAIR_ZENML_TRACKER": "none",
        "MLFLOW_TRACKING_URI": "https://mlflow.example.org",
        "MLFLOW_TRACKING_USERNAME": "fair",
        "MLFLOW_TRACKING_PASSWORD": "hidden-one",
    }
    assert "hidden-one" not in repr(block)
    assert "ZENKEY" not in repr(block)
    for wrong in ({"mlflow_uri": "https://me:secret@mlflow"}, {"zenml_url": "https://zenml.example.org"}):
        with pytest.raises(ValidationError):
            Tracking(**wrong)


def test_a_runtime_block_says_what_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    block = Runtime(train_pool="gpu", train_memory="8Gi", accelerator_nodes={"cuda": {"gpu": "true"}})
    for name, value in block.environment().items():
        monkeypatch.setenv(name, value)
    assert json.loads(block.environment()["FAIR_ACCELERATOR_NODES"]) == {"cuda": {"gpu": "true"}}
    assert block.open() == current()
    assert set(Runtime.model_fields) <= set(Settings.model_fields) | set(Block.model_fields)
    with pytest.raises(ValidationError):
        Runtime(train_memory="plenty")
