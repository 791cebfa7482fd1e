"""Any bytes as JSON and YAML."""

import orjson
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fair_models.store import documents
from tests.fuzzing import JSON, fuzz, mutated_bytes, only_our_errors

DOCUMENT = {"type": "Feature", "properties": {"a": [1, 2.5, None, True], "é": "\n"}, "links": [{}]}
SIGNS = st.text(alphabet='{}[]",:\\ \n-&*!|>%@`#?1e9.~<=aé\u0000\ufeff', max_size=40)


@given(data=st.binary(max_size=60) | SIGNS.map(str.encode) | mutated_bytes(orjson.dumps(DOCUMENT)))
@fuzz(1000)
def test_any_bytes_are_json_or_told(data: bytes) -> None:
    with only_our_errors():
        documents.parse_json(data, "a.json")


@given(data=st.binary(max_size=60) | SIGNS.map(str.encode) | mutated_bytes(yaml.safe_dump(DOCUMENT).encode()))
@fuzz(1000)
def test_any_bytes_are_yaml_or_told(data: bytes) -> None:
    with only_our_errors():
        documents.parse_yaml(data, "a.yaml")


@given(value=JSON)
@fuzz(500)
def test_what_is_read_can_be_written_and_read_again(value: object) -> None:
    try:
        data = orjson.dumps(value)
    except TypeError:  # whole numbers beyond 64 bit
        return
    with only_our_errors():
        read = documents.parse_json(data, "a.json")
        assert documents.parse_json(orjson.dumps(read), "a.json") == read
