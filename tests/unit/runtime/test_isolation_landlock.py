"""What each version of Landlock is asked to refuse."""

import struct

import pytest

from hansa.runtime import landlock


@pytest.mark.parametrize(
    ("abi", "fields", "gaps"),
    [
        (1, (0x1FFF,), 4),
        (2, (0x3FFF,), 4),
        (3, (0x7FFF,), 3),
        (4, (0x7FFF, 3), 2),
        (5, (0xFFFF, 3), 1),
        (6, (0xFFFF, 3, 3), 0),
        (7, (0xFFFF, 3, 3), 0),
        (99, (0xFFFF, 3, 3), 0),
    ],
)
def test_a_ruleset_holds_all_that_its_version_knows(abi, fields, gaps):
    found = landlock.ruleset(abi)
    packed = found.pack()
    assert struct.unpack(f"={len(packed) // 8}Q", packed) == fields
    assert len(found.gaps) == gaps


def test_no_rule_lets_a_worker_execute_or_make_devices():
    assert not (landlock.READ | landlock.WRITE) & (landlock.EXECUTE | landlock.MAKE_CHAR | landlock.MAKE_BLOCK)
