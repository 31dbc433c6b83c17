"""Folders load as packages of their own; what goes wrong names the author's file and line."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hansa.errors import PlanError
from hansa.sdk.load import load_product, unload_product

PRODUCT = "from hansa import DataProduct\nfrom .helpers import NAME\nproduct = DataProduct(__file__)\n"


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    for package in ("loaded_one", "loaded_two"):
        unload_product(package)


def folder(at: Path, product: str = PRODUCT, **modules: str) -> Path:
    at.mkdir(parents=True, exist_ok=True)
    (at / "product.py").write_text(product)
    for name, source in modules.items():
        (at / f"{name}.py").write_text(source)
    return at


def finding(at: Path) -> tuple[str, str, int]:
    with pytest.raises(PlanError) as refused:
        load_product(at, "loaded_one")
    [found] = refused.value.details["findings"]
    assert "loaded_one" not in sys.modules
    return found["code"], found["file"], found["line"]


def test_two_products_with_the_same_module_names_do_not_collide(tmp_path: Path) -> None:
    one = load_product(folder(tmp_path / "one", helpers="NAME = 1"), "loaded_one")
    two = load_product(folder(tmp_path / "two", helpers="NAME = 2"), "loaded_two")
    assert (one.folder.name, two.folder.name) == ("one", "two")
    assert (sys.modules["loaded_one.product"].NAME, sys.modules["loaded_two.product"].NAME) == (1, 2)  # type: ignore[attr-defined]
    assert "product" not in sys.modules
    assert "helpers" not in sys.modules


def test_a_changed_folder_loads_anew(tmp_path: Path) -> None:
    load_product(folder(tmp_path, helpers="NAME = 1"), "loaded_one")
    load_product(folder(tmp_path, helpers="NAME = 'changed'"), "loaded_one")
    assert sys.modules["loaded_one.product"].NAME == "changed"  # type: ignore[attr-defined]


def test_a_package_file_runs_first(tmp_path: Path) -> None:
    product = "from hansa import DataProduct\nfrom . import STARTED\nproduct = DataProduct(__file__)\n"
    at = folder(tmp_path, product, __init__="STARTED = True")
    assert load_product(at, "loaded_one").folder == tmp_path.resolve()


def test_a_folder_without_product_is_refused(tmp_path: Path) -> None:
    assert finding(tmp_path) == ("product.missing_file", "product.py", 0)


@pytest.mark.parametrize(
    ("product", "helpers", "expected"),
    [
        ("x = 1\ndef broken(:\n", "", ("product.syntax", "product.py", 2)),
        ("from . import helpers\n", "x = 1\n\nx = (\n", ("product.syntax", "helpers.py", 3)),
        ("import json\nimport no_such_library\n", "", ("product.import_failed", "product.py", 2)),
        ("\nfrom . import helpers\n", "\n\nimport no_such.library\n", ("product.import_failed", "helpers.py", 3)),
        ("from .helpers import MISSING\n", "NAME = 1", ("product.import_failed", "product.py", 1)),
        ("x = 1\ny = x / 0\n", "", ("product.raised", "product.py", 2)),
        ("import sys\nsys.exit(3)\n", "", ("product.raised", "product.py", 2)),
        ("from hansa import http\nhttp.get('orders')\n", "", ("http.path", "product.py", 2)),
        ("x = 1\n", "", ("product.no_product", "product.py", 0)),
        ("from hansa import DataProduct\na, b = DataProduct(__file__), DataProduct(__file__)\n", "",
         ("product.several", "product.py", 0)),
    ],
)  # fmt: skip
def test_a_folder_that_cannot_be_loaded_names_file_and_line(
    tmp_path: Path, product: str, helpers: str, expected: tuple[str, str, int]
) -> None:
    assert finding(folder(tmp_path, product, helpers=helpers)) == expected


def test_a_missing_module_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(PlanError) as refused:
        load_product(folder(tmp_path, "import no_such_library.part\n"), "loaded_one")
    assert "product.py:1: No module named 'no_such_library'" in refused.value.message
    assert "'no_such_library' to requirements.txt" in str(refused.value.hint)


def test_missing_ports_point_to_sync(tmp_path: Path) -> None:
    with pytest.raises(PlanError) as refused:
        load_product(folder(tmp_path, "from .ports import orders\n"), "loaded_one")
    assert "hansa sync" in str(refused.value.hint)


def test_an_import_without_end_names_the_line_where_it_was(tmp_path: Path) -> None:
    at = folder(tmp_path, "from hansa import DataProduct\nwhile True:\n    pass\n")
    with pytest.raises(PlanError) as refused:
        load_product(at, "loaded_one", within_s=0.05)
    [found] = refused.value.details["findings"]
    assert (found["code"], found["file"]) == ("product.slow", "product.py")
    assert found["line"] in (2, 3)
    assert "loaded_one" not in sys.modules


def test_what_went_wrong_is_told_without_the_names_that_only_hansa_has(tmp_path: Path) -> None:
    at = folder(tmp_path, "from .helpers import MISSING\n", helpers="")
    with pytest.raises(PlanError) as refused:
        load_product(at, "loaded_one")
    [found] = refused.value.details["findings"]
    assert found["message"] == "cannot import name 'MISSING' from 'helpers' (helpers.py)"
