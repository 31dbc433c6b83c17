"""Environments from wheels made here: nothing is asked of a package index."""

import os
import subprocess
import sys
import tarfile
import threading

import pytest
from wheels import make_wheel

from hansa.errors import AuthorError
from hansa.runtime.environment import EnvironmentBuilder, environment_key, import_names, normalized


@pytest.fixture
def wheels(tmp_path):
    folder = tmp_path / "wheels"
    folder.mkdir()
    make_wheel(folder, "tide_tables", "1.0", {"tides/__init__.py": "HIGH = 3\n", "_tides_native.py": ""}, "harbour")
    make_wheel(folder, "harbour", "2.0", {"harbour.py": "NAME = 'Lübeck'\n"})
    return folder


def builder(tmp_path, wheels):
    return EnvironmentBuilder(tmp_path / "environments", index_arguments=("--no-index", "--find-links", str(wheels)))


def test_an_environment_is_built_once_and_can_be_imported(tmp_path, wheels):
    lines = []
    built = builder(tmp_path, wheels).ensure(("Tide.Tables>=1",), lines.append)
    assert lines
    assert built.modules == ("tides",)
    assert list(built.path.glob("tides/__pycache__/*.pyc"))
    code = "import tides, harbour; print(tides.HIGH, harbour.NAME)"
    command = [sys.executable, "-X", "utf8", "-c", code]
    ended = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(built.path)}, capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == "3 Lübeck"
    again = []
    assert builder(tmp_path, wheels).ensure(("Tide.Tables>=1",), again.append) == built
    assert again == []


def test_concurrent_requests_build_once(tmp_path, wheels):
    lines, found = [], []

    def ask():
        found.append(builder(tmp_path, wheels).ensure(("harbour",), lines.append))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1
    assert lines.count("compiling") == 1


def test_a_failed_installation_says_the_installers_words_and_leaves_nothing(tmp_path, wheels):
    with pytest.raises(AuthorError, match=r"requirements\.failed") as caught:
        builder(tmp_path, wheels).ensure(("no-such-thing==9",), lambda line: None)
    assert any("no-such-thing" in line for line in caught.value.details["output"])
    assert [path for path in (tmp_path / "environments").iterdir() if path.is_dir()] == []


@pytest.mark.parametrize(
    "requirement", ["--index-url=http://evil", "-r other.txt", "./local", "x @ file:///etc", "a\nb", "", "https://x/y"]
)
def test_what_would_steer_the_installer_is_refused(requirement):
    with pytest.raises(AuthorError, match=r"requirements\.invalid"):
        normalized((requirement,))


@pytest.mark.parametrize("requirement", ["polars", "polars>=1.5,<2", "pandas[parquet]~=2.2", "x>1; python_version>'3'"])
def test_ordinary_requirements_are_accepted(requirement):
    assert normalized((f" {requirement} ",)) == (requirement,)


def test_the_key_depends_on_what_is_asked_for_and_by_whom():
    key = environment_key(("a", "b"), "cpython-311")
    assert len(key) == 64
    assert environment_key(("b", "a", "a"), "cpython-311") == key
    assert environment_key(("a", "b"), "cpython-312") != key
    assert environment_key(("a",), "cpython-311") != key


def test_import_names_are_top_level_and_public():
    files = ["a/__init__.py", "a/b/c.py", "d.py", "e.cpython-311-x86_64-linux-gnu.so", "_f.py", "g-1.dist-info/RECORD"]
    assert import_names(files) == ("a", "d", "e")


def test_a_source_distribution_is_refused_and_not_run(tmp_path):
    folder = tmp_path / "wheels"
    source = folder / "evil-1.0"
    source.mkdir(parents=True)
    (source / "setup.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    (source / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n")
    with tarfile.open(folder / "evil-1.0.tar.gz", "w:gz") as archive:
        archive.add(source, "evil-1.0")
    with pytest.raises(AuthorError, match=r"requirements\.failed"):
        builder(tmp_path, folder).ensure(("evil",), lambda line: None)
    assert not (tmp_path / "ran").exists()


def test_what_a_crash_left_is_swept_away_and_what_is_whole_stays(tmp_path, wheels):
    environments = builder(tmp_path, wheels)
    built = environments.ensure(("harbour",), lambda line: None)
    left = tmp_path / "environments" / "building-left"
    left.mkdir()
    environments.sweep()
    assert built.path.exists()
    assert not left.exists()
