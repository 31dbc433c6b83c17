"""Imports a product's folder as a package of its own, so that two products never collide.

Only a worker, a test or `hansa dev --inline` does this; the server never imports author code.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import signal
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from hansa.errors import HansaError, PlanError
from hansa.sdk.finding import Finding, plan_error
from hansa.sdk.product import DataProduct

PRODUCT_FILE = "product.py"


class TooLong(BaseException):
    """An import that has not come to its end; no `except Exception` of the author's keeps it."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


def load_product(folder: Path, package: str, *, within_s: float | None = None) -> DataProduct:
    """The one `DataProduct` of the folder's `product.py`, imported as `{package}.product`.

    What was imported under `package` before is forgotten first, so that a changed folder loads anew. Raises `PlanError`
    with one finding: `product.missing_file`, `product.syntax`, `product.import_failed`, `product.no_product`,
    `product.several`, `product.raised`, `product.slow` after `within_s` seconds (in a main thread only), or the code of
    what the SDK refused while the file ran.
    """
    folder = Path(folder).resolve()
    if not (folder / PRODUCT_FILE).is_file():
        message = f"There is no {PRODUCT_FILE} in {folder}"
        raise plan_error(
            [Finding("product.missing_file", message, "Write it, or start with 'hansa new'.", PRODUCT_FILE)]
        )
    unload_product(package)
    try:
        with _limited(within_s):
            return _product_in(_import(folder, package))
    except PlanError:
        unload_product(package)
        raise
    except (Exception, SystemExit, TooLong) as failure:
        unload_product(package)
        raise plan_error([_explain(failure, folder, package)]) from failure


@contextlib.contextmanager
def _limited(within_s: float | None) -> Iterator[None]:
    """Raises `TooLong` in what runs within it, at the line where it is after so many seconds."""
    if within_s is None:
        yield
        return

    def stop(*_: object) -> None:
        raise TooLong(within_s)

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, within_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def unload_product(package: str) -> None:
    """Forgets the package and all its modules. Where there is none, no module's memory is touched: a worker shares it
    with its zygote."""
    if package not in sys.modules:
        return
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        del sys.modules[name]
    importlib.invalidate_caches()


def _import(folder: Path, package: str) -> ModuleType:
    start = folder / "__init__.py"
    spec = importlib.util.spec_from_file_location(
        package, start if start.is_file() else None, submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        spec = importlib.util.spec_from_loader(package, loader=None, is_package=True)
    assert spec is not None
    root = importlib.util.module_from_spec(spec)
    root.__path__ = [str(folder)]
    sys.modules[package] = root
    if spec.loader is not None:
        spec.loader.exec_module(root)
    return importlib.import_module(f"{package}.product")


def _product_in(module: ModuleType) -> DataProduct:
    found = {id(value): value for value in vars(module).values() if isinstance(value, DataProduct)}
    if len(found) == 1:
        return next(iter(found.values()))
    if not found:
        hint = "Begin it with 'product = DataProduct(__file__)'."
        finding = Finding("product.no_product", f"{PRODUCT_FILE} makes no DataProduct", hint, PRODUCT_FILE)
    else:
        message = f"{PRODUCT_FILE} holds {len(found)} DataProducts"
        finding = Finding("product.several", message, "Keep one; a folder is one data product.", PRODUCT_FILE)
    raise plan_error([finding])


def _explain(failure: BaseException, folder: Path, package: str) -> Finding:
    """The failure as its author needs it: what, and where in the author's own files."""
    file, line = _place(failure, folder)
    if isinstance(failure, SyntaxError) and failure.filename and folder in Path(failure.filename).parents:
        file, line = Path(failure.filename).relative_to(folder).as_posix(), failure.lineno or 0
        return Finding("product.syntax", f"Syntax error: {failure.msg}", None, file, line)
    if isinstance(failure, HansaError):
        return Finding(failure.code, failure.message, failure.hint, file, line)
    if isinstance(failure, ImportError):
        message = _own_words(str(failure), folder, package)
        return Finding("product.import_failed", message, _import_hint(failure, package), file, line)
    if isinstance(failure, TooLong):
        message = f"{PRODUCT_FILE} was still being imported after {failure.seconds:g} s"
        hint = "Is it a loop without end, or does it wait? Slow work belongs into a @product.resource."
        return Finding("product.slow", message, hint, file, line)
    message = f"{PRODUCT_FILE} raised {type(failure).__name__}: {_own_words(str(failure), folder, package)}"
    return Finding("product.raised", message, "The file must import without running anything.", file, line)


def _own_words(text: str, folder: Path, package: str) -> str:
    """The message without the names that only Hansa has for the folder and its package."""
    return (
        text.replace(f"{folder}/", "")
        .replace(f" from '{package}'", "")
        .replace(f"{package}.", "")
        .replace(package, ".")
    )


def _import_hint(failure: ImportError, package: str) -> str:
    name = failure.name or ""
    if name == f"{package}.ports":
        return "Run 'hansa sync': it writes ports.py from the contracts."
    if name.startswith(f"{package}."):
        return f"There is no {name.removeprefix(f'{package}.')!r} in the product's folder."
    if isinstance(failure, ModuleNotFoundError):
        return f"Add the distribution that holds {name.partition('.')[0]!r} to requirements.txt."
    return "Check the name, and whether two modules import each other."


def _place(failure: BaseException, folder: Path) -> tuple[str, int]:
    """The innermost of the author's own lines that led to the failure."""
    for frame in reversed(traceback.extract_tb(failure.__traceback__)):
        path = Path(frame.filename)
        if folder in path.parents:
            return path.relative_to(folder).as_posix(), frame.lineno or 0
    return PRODUCT_FILE, 0
