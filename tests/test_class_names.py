import jsonschema_rs
import pytest
from pydantic import ValidationError

from fair_models import class_names
from fair_models.params import IngestDatasetParams


def asked(*classes: str) -> IngestDatasetParams:
    return IngestDatasetParams(
        name="area-one", title="x", chips="x", classes=list(classes), class_property="k"
    )


def test_values_are_mapped_in_one_option_or_in_several() -> None:
    params = asked("building=yes, house", "building=1", "road", "background=landuse,water")

    assert params.class_names == ["building", "road"]
    assert params.class_values == {
        "building": ["yes", "house", "1"],
        "road": ["road"],
        "background": ["landuse", "water"],
    }


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("Building", "--class building=Building"),
        ("1", "--class building=1"),
        ("solar panel", "--class 'solar-panel=solar panel'"),
        ("Solar panel=x", "--class solar-panel=x"),
        ("घर", "=घर"),
        ("building=", "building=yes,house"),
        ("building= , ", "building=yes,house"),
        ("background", "background=landuse"),
    ],
)
def test_what_is_no_class_is_refused_with_what_to_write(name: str, remedy: str) -> None:
    with pytest.raises(ValidationError) as error:
        asked(name, "road")

    assert remedy in str(error.value)


@pytest.mark.parametrize(
    ("name", "is_right"),
    [
        ("building", True),
        ("building=घर", True),
        ("building=yes,house", True),
        ("Building", False),
        ("a=", False),
    ],
)
def test_the_schema_says_the_same_and_describes_the_rule(name: str, is_right: bool) -> None:
    schema = IngestDatasetParams.model_json_schema()["properties"]["classes"]["items"]

    assert jsonschema_rs.Draft202012Validator(schema).is_valid(name) is is_right
    assert "building=yes,house" in schema["description"]
    assert (class_names.problem(name) is None) is is_right
