"""Versions of a port go side by side: what a run commits to one, it commits to the other. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from hansa.runtime import wire


def keeps_step(effects: Iterable[wire.Effect], windows: Iterable[tuple[str, str]]) -> bool:
    """True where every window gets as many entries in one version as in the other, in each partition. What was made by
    a revision that knew one version only does not."""
    counts: dict[str, Counter[int]] = {}
    for effect in effects:
        counts.setdefault(effect.topic, Counter())[effect.partition] += effect.count
    return all(counts.get(older) == counts.get(newer) for older, newer in windows)


def passes(effects: Iterable[wire.Effect], barred: Collection[str]) -> bool:
    """True where nothing is for a barred port."""
    return not barred or all(effect.topic not in barred for effect in effects)
