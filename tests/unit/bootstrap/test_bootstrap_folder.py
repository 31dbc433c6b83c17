"""A folder that cannot be made is told in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from hansa.bootstrap.folder import make_folder
from hansa.errors import OperatorError


def test_a_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_one_that_cannot_be_made_is_named_with_the_reason(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OperatorError) as refused:
        make_folder(tmp_path / name)
    assert refused.value.code == "folder.unusable"
    assert str(tmp_path / name) in refused.value.message
