"""The documents tell the truth: what they show runs, what they link to exists, what is generated is fresh.

How a page's fenced blocks are taken, in order, in one folder with a server of its own:

    ```bash                    runs, in one shell for the whole page
    ```python title="a/b.py"   is written to that path, relative to where the shell is (yaml and text as well)
    ```text                    right behind a bash block: its lines are in the block's output, `…` stands for anything
    ```python run              is run as a script, in the root of the repository
    ```python                  all of the page's together are the product.py of a product, which must compile
    ```console                 is not run

A page that says `$HANSA_TEST_KAFKA` is taken with the real engines.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import httpx
import pytest
from nodes import Engines

from hansa.cli.environments import LOCAL_FILE
from hansa.egress.exits import open_exit
from hansa.egress.settings_file import FileSettings
from hansa.testing import InlineHansa

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
WRITTEN = "http://127.0.0.1:8080"
"""The address that the pages show; the test's own server stands in its place."""
NODES = ("8091", "8092")
"""The ports that a page gives to nodes which it starts; free ones stand in their place."""
MESH = "first-mesh"
"""What a page calls the log that nodes share; each test has another."""
TOOLS = ("bash", "curl", "sed")
"""What the pages use besides Hansa."""
PAGE_S = 120.0
START_S = 30.0
_FENCE = re.compile(r"^```(?P<told>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_TITLE = re.compile(r'title="([^"]+)"')
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


class Block(NamedTuple):
    """One fenced block and the line that it begins at."""

    language: str
    told: str
    text: str
    line: int

    @property
    def title(self) -> str | None:
        found = _TITLE.search(self.told)
        return found[1] if found else None


def blocks(page: Path) -> list[Block]:
    text = page.read_text("utf-8")
    found = []
    for fence in _FENCE.finditer(text):
        told = fence["told"]
        found.append(Block(told.partition(" ")[0], told, fence["text"], text.count("\n", 0, fence.start()) + 1))
    return found


def pages_with(*languages: str) -> list[str]:
    """The pages that have such blocks, untitled."""
    return [n for n in NAMES if any(b.told in languages for b in blocks(ROOT / n))]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder beside which `hansa up` runs, and the address of it."""
    local = tmp_path / LOCAL_FILE
    with (tmp_path / "up.out").open("wb") as out:
        server = subprocess.Popen(
            [sys.executable, "-c", "from hansa.cli import main; main()", "up", "--port", "0"],
            cwd=tmp_path, stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
    try:
        yield tmp_path, _address(server, local, tmp_path / "up.out")
    finally:
        server.terminate()
        server.wait(30)


def _address(server: subprocess.Popen[bytes], local: Path, output: Path) -> str:
    end = time.monotonic() + START_S
    while time.monotonic() < end and server.poll() is None:
        if local.exists() and (found := re.search(r'"url": "([^"]+)"', local.read_text())):
            try:
                httpx.get(f"{found[1]}/health").raise_for_status()
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                return found[1]
        time.sleep(0.05)
    raise AssertionError(f"hansa up does not answer:\n{output.read_text()}")


def script(page: Path, address: str) -> str:
    """All that the page tells to write and to run, as one shell script; the output of each block ends in a mark."""
    lines = ["set -euo pipefail"]
    for block in blocks(page):
        text = block.text.replace(WRITTEN, address)
        if block.title:
            lines.append(f"mkdir -p {shlex.quote(os.path.dirname(block.title) or '.')}")
            lines.append(f"cat > {shlex.quote(block.title)} <<'END_OF_FILE'\n{text}END_OF_FILE")
        elif block.told == "bash":
            lines += [f"echo '@@ {block.line}' | tee /dev/stderr", text]
    return "\n".join(lines) + "\n"


def on_engines(shown: str, request: pytest.FixtureRequest) -> tuple[str, dict[str, str]]:
    """A script with names and ports that nothing else has, and the addresses of engines as `make engines` says them."""
    addresses = {name: request.getfixturevalue(f"{name}_address") for name in ("kafka", "postgresql", "s3")}
    engines = Engines(**addresses)
    for port in NODES:
        shown = shown.replace(port, str(free_port()))
    told = {f"HANSA_TEST_{name.upper()}": address for name, address in addresses.items()}
    return shown.replace(MESH, engines.name), told | {"HANSA_TEST_POSTGRESQL": engines.database}


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def outputs(page: Path) -> Iterator[tuple[Block, str]]:
    """Each bash block that is followed by what it prints, and that."""
    found = blocks(page)
    for block, following in pairwise(found):
        if block.told == "bash" and following.told == "text":
            yield block, following.text


def pattern(text: str) -> str:
    return re.escape(text.strip("\n")).replace("…", ".*").replace(r"\ ", r"[ \t]+")


@pytest.mark.slow
@pytest.mark.parametrize("name", pages_with("bash"))
def test_what_a_page_shows_at_the_command_line_works(
    name: str, folder: tuple[Path, str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        pytest.skip(f"the pages use {', '.join(missing)}, which this machine does not have")
    at, address = folder
    page = ROOT / name
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HANSA_")}
    environment |= {"PATH": path, "HOME": str(tmp_path), "COLUMNS": "200", "EXAMPLES": str(ROOT / "examples")}
    shown = script(page, address)
    if "$HANSA_TEST_KAFKA" in shown:
        shown, engines = on_engines(shown, request)
        environment |= engines
    done = subprocess.run(
        ["bash"], input=shown, cwd=at, env=environment, text=True, capture_output=True, timeout=PAGE_S,
        check=False,
    )  # fmt: skip
    told = f"{name}\n{done.stdout}\n{done.stderr}\n{(at / 'up.out').read_text()}"
    assert done.returncode == 0, told
    printed = {int(line): text for line, _, text in (p.partition("\n") for p in done.stdout.split("@@ ")[1:])}
    for block, text in outputs(page):
        assert re.search(pattern(text.replace(WRITTEN, address)), printed[block.line], re.DOTALL), (
            f"{block.line}: {told}"
        )


@pytest.mark.parametrize("name", pages_with("python"))
def test_the_code_of_a_guide_is_a_product_that_compiles(name: str, tmp_path: Path) -> None:
    found = blocks(ROOT / name)
    files = {b.title: b.text for b in found if b.title} or {}
    files["product.py"] = "\n".join(b.text for b in found if b.told == "python")
    for file, text in files.items():
        path = tmp_path / "guide" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    synced = subprocess.run(
        [sys.executable, "-c", "from hansa.cli import main; main()", "sync", str(tmp_path / "guide")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert synced.returncode == 0, synced.stderr
    assert InlineHansa().load(tmp_path / "guide").processes
    if any(file.startswith("tests/") for file in files):
        for package in ("", "tests"):
            (tmp_path / "guide" / package / "__init__.py").touch()
        tested = subprocess.run(
            [sys.executable, "-c", "from hansa.cli import main; main()", "test"], cwd=tmp_path / "guide",
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert tested.returncode == 0, tested.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", pages_with("python run"))
def test_the_scripts_of_a_page_run(name: str) -> None:
    found = blocks(ROOT / name)
    for block, following in zip(found, [*found[1:], None], strict=False):
        if block.told == "python run":
            done = subprocess.run(
                [sys.executable, "-c", block.text],
                cwd=ROOT,
                capture_output=True,
                text=True,
                timeout=PAGE_S,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            if following is not None and following.told == "text":
                assert re.search(pattern(following.text), done.stdout, re.DOTALL), done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_every_block_says_what_it_is(name: str) -> None:
    known = re.compile(r'(bash|console|text|yaml|python|python run|json|(python|yaml|text) title="[^"]+")?')
    odd = [f"{name}:{b.line}: {b.told}" for b in blocks(ROOT / name) if not known.fullmatch(b.told)]
    assert not odd


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str) -> None:
    page = ROOT / name
    prose = _FENCE.sub("", page.read_text("utf-8"))
    paths = [target.partition("#")[0] for target in _LINK.findall(prose) if "://" not in target]
    missing = [path for path in paths if path and not (page.parent / path).exists()]
    assert not missing


@pytest.fixture(scope="module")
def docs() -> ModuleType:
    """`tools/docs.py`."""
    spec = importlib.util.spec_from_file_location("hansa_tools_docs", ROOT / "tools" / "docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_pages_are_fresh(docs: ModuleType) -> None:
    assert docs.stale() == [], "run `make docs`"


def test_a_stale_page_is_found_and_the_command_that_mends_it_named(
    docs: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(docs, "PAGES", tmp_path)
    assert docs.main([]) == 0
    assert docs.main(["--check"]) == 0
    (tmp_path / "errors.md").write_text("old", "utf-8")
    assert docs.main(["--check"]) == 1
    assert "errors.md is stale: run `make docs`" in capsys.readouterr().err


def test_error_codes_in_prose_exist(docs: ModuleType) -> None:
    known = {one.code for one in docs.codes()}
    nouns = {code.partition(".")[0] for code in known}
    for name in NAMES:
        for told in re.findall(r"error code `([a-z_]+\.[a-z_]+)`", (ROOT / name).read_text("utf-8")):
            assert told in known, f"{name}: {told}"
        for told in re.findall(r"\[([a-z_]+\.[a-z_]+)\]$", (ROOT / name).read_text("utf-8"), re.MULTILINE):
            assert told in known or told.partition(".")[0] not in nouns, f"{name}: {told}"


def test_the_connections_that_a_page_shows_can_be_opened(tmp_path: Path) -> None:
    (shown,) = [b.text for b in blocks(ROOT / "docs/guide/operations.md") if b.told == "yaml" and "products:" in b.text]
    for name, text in (("connections.yaml", shown), ("secrets.yaml", "all: {billing: a secret}")):
        (tmp_path / name).write_text(text, "utf-8")
        (tmp_path / name).chmod(0o600)
    settings = FileSettings(tmp_path, {})
    names = settings.connections("shop.orders")
    assert names == ("archive", "billing", "ledger")
    for name in names:
        open_exit(settings.connection("shop.orders", name)).close()


def test_every_word_of_the_glossary_is_explained() -> None:
    rows = re.findall(r"^\| \*\*(.+?)\*\* \| (.+?) \|", (ROOT / "docs/reference/glossary.md").read_text("utf-8"), re.M)
    assert len(rows) > 30
    assert all(len(meaning) > 10 for _, meaning in rows)


def test_the_architecture_names_every_room_in_the_order_of_imports() -> None:
    table = re.findall(r"^\| `([a-z]+)` \| \S", (ROOT / "ARCHITECTURE.md").read_text("utf-8"), re.M)
    (layers,) = re.findall(r"^layers = \[(.*?)\]", (ROOT / "pyproject.toml").read_text("utf-8"), re.M | re.S)
    assert table == re.findall(r'"([a-z]+)"', layers)[::-1]


def test_every_library_that_hansa_depends_on_has_its_reason() -> None:
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    names = re.findall(r'^    "([A-Za-z0-9.-]+)>=', project, re.MULTILINE)
    reasons = (ROOT / "docs/decisions/0003-dependencies.md").read_text("utf-8")
    assert len(names) > 15
    assert [name for name in names if f"| {name} |" not in reasons] == []
