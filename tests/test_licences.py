"""Licences as people write them."""

from __future__ import annotations

import pytest

from fair_models import licences


@pytest.mark.parametrize(
    ("text", "identifier"),
    [
        ("CC-BY 4.0", "CC-BY-4.0"),
        ("CC BY 4.0", "CC-BY-4.0"),
        ("CC-BY-4.0", "CC-BY-4.0"),
        ("cc-by-4.0", "CC-BY-4.0"),
        ("CC BY-SA 4.0", "CC-BY-SA-4.0"),
        ("CC BY-NC 4.0", "CC-BY-NC-4.0"),
        ("CC_BY_NC_SA_3.0", "CC-BY-NC-SA-3.0"),
        ("CC BY 3.0 IGO", "CC-BY-3.0-IGO"),
        ("https://creativecommons.org/licenses/by-sa/4.0/", "CC-BY-SA-4.0"),
        ("http://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
        ("CC0", "CC0-1.0"),
        ("ODbL 1.0", "ODbL-1.0"),
        ("Apache 2.0", "Apache-2.0"),
        ('&copy; Flyers, <a href="https://creativecommons.org/licenses/by/4.0/">CC BY 4.0</a>', "CC-BY-4.0"),
        ("Imagery CC BY 4.0 by Flyers", "CC-BY-4.0"),
        ("Imagery CC BY 4.0, map CC BY-SA 4.0", ""),
        ("CC BY", ""),
        ("CC BY 9.9", ""),
        ("All rights reserved", ""),
        ("proprietary", ""),
        ("other", ""),
        ("", ""),
    ],
)
def test_a_licence_is_known_by_the_ways_it_is_written(text: str, identifier: str) -> None:
    assert licences.named(text) == identifier
