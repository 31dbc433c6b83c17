"""Ids that are nearly right: what is suggested, whatever the case and the letters."""

from __future__ import annotations

import pytest

from hansa.model.ids import did_you_mean, suggest_name


@pytest.mark.parametrize(
    ("text", "known", "hint"),
    [
        ("departurs", ["arrivals", "departures"], "Did you mean 'departures'?"),
        ("DEPARTURES", ["arrivals", "departures"], "Did you mean 'departures'?"),
        ("straße", ["strasse"], "Did you mean 'strasse'?"),
        ("STRASSE", ["weg", "Straße"], "Did you mean 'Straße'?"),
        ("ßßß", ["ssssss", "ss"], "Did you mean 'ssssss'?"),
        ("weather", ["flights"], None),
        ("ß", [], None),
    ],
)
def test_the_nearest_known_id_is_suggested_as_it_is_spelt(text: str, known: list[str], hint: str | None) -> None:
    assert did_you_mean(text, known) == hint


@pytest.mark.parametrize(
    ("text", "name"),
    [("Straße", "strasse"), ("Zürich Flüge", "zurich_fluge"), ("GateChanges", "gate_changes"), ("7", None)],
)
def test_a_name_is_made_of_what_letters_there_are(text: str, name: str | None) -> None:
    assert suggest_name(text) == name
