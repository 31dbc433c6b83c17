"""What the client says of the headers of an answer: RFC 9745, RFC 8594 and the link to the successor."""

from __future__ import annotations

import pytest

from hansa.client.notices import notice

LINK = '</ports/yard.scale/weights@2>; rel="successor-version", </ports/yard.scale/weights@1/window>; rel="deprecation"'


def test_a_deprecation_is_told_with_its_end_and_its_successor() -> None:
    headers = {"deprecation": "@1767225600", "sunset": "Wed, 31 Dec 2031 00:00:00 GMT", "link": LINK}
    assert notice("yard.scale/weights@1", headers) == (
        "yard.scale/weights@1 is deprecated as of 2026-01-01; it ends on Wed, 31 Dec 2031 00:00:00 GMT; "
        "yard.scale/weights@2 takes its place"
    )
    assert notice("a", {"deprecation": "@0"}) == "a is deprecated as of 1970-01-01"


@pytest.mark.parametrize("told", [{}, {"link": LINK}, {"deprecation": "true"}, {"deprecation": "@soon"}])
def test_nothing_is_told_where_there_is_no_date(told: dict[str, str]) -> None:
    assert notice("yard.scale/weights@1", told) is None
