"""What Prometheus' own tool says of the metrics, the alerts and their tests; and that alerts, dashboard and guide speak
of metrics that there are."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engines import install
from relay import relaying
from ruamel.yaml import YAML
from server import Server

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "deploy" / "observability"
RULES = SHIPPED / "prometheus-rules.yml"
TESTS = SHIPPED / "prometheus-rules.test.yml"
DASHBOARD = SHIPPED / "grafana-dashboard.json"
NAME = re.compile(r"\b(?:hansa|process)_[a-z_]*[a-z]\b")


@pytest.fixture(scope="session")
def promtool() -> str:
    try:
        return str(install.promtool())
    except install.Missing as missing:
        refuse = pytest.fail if os.environ.get("CI") else pytest.skip
        return refuse(f"left out: what promtool says of metrics and alerts: {missing}")


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose runs have ended in every way, with records set aside."""
    with relaying(tmp_path_factory.mktemp("metrics")) as (server, _):
        server.call("POST", "/shop/relay/marks", {"id": "good", "size": 1}).raise_for_status()
        server.call("POST", "/shop/relay/marks", {"id": "bad", "size": -1}).raise_for_status()
        server.call("POST", "/shop/relay/falls", {})
        server.call("GET", "/shop/relay/nowhere/at/all")
        server.until(lambda: server.events('name="noted"'))
        yield server


@pytest.fixture(scope="module")
def scrape(relay: Server) -> str:
    return relay.call("GET", "/metrics").raise_for_status().text


def value(scrape: str, name: str, **labels: str) -> float:
    """The sum of what stands for a metric with these labels."""
    found = [line for line in scrape.splitlines() if line.startswith((f"{name}{{", f"{name} "))]
    assert found, f"{name} is not told"
    wanted = [f'{key}="{text}"' for key, text in labels.items()]
    return sum(float(line.rpartition(" ")[2]) for line in found if all(part in line for part in wanted))


def names(scrape: str) -> set[str]:
    """What can be asked of a scrape."""
    found: set[str] = set()
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", scrape, re.MULTILINE):
        found |= {f"{name}_{part}" for part in ("bucket", "sum", "count")} if kind == "histogram" else {name}
    return found


def test_promtool_finds_nothing_wrong_with_the_metrics(promtool: str, scrape: str) -> None:
    done = subprocess.run([promtool, "check", "metrics"], input=scrape, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_metrics_tell_what_was_done(relay: Server, scrape: str) -> None:
    ran = {"product": "shop.relay", "process": "take"}
    assert value(scrape, "hansa_runs_total", **ran, state="succeeded") == 2
    assert value(scrape, "hansa_runs_total", product="shop.relay", process="fall", state="failed") == 1
    assert value(scrape, "hansa_run_duration_seconds_count", **ran) == 2
    assert value(scrape, "hansa_run_duration_seconds_bucket", **ran, le="+Inf") == 2
    marks = {"method": "POST", "route": "/shop/relay/marks"}
    assert value(scrape, "hansa_calls_total", **marks, status="2xx") == 2
    assert value(scrape, "hansa_calls_total", route="/shop/relay/falls", status="5xx") == 1
    assert value(scrape, "hansa_calls_total", method="", route="", status="4xx") == 1
    port = {"port": "shop.relay/marks@1"}
    assert value(scrape, "hansa_published_records_total", **port) == 1
    assert value(scrape, "hansa_quarantine_entries_total", **port) == 1
    assert value(scrape, "hansa_checks_total", **port, state="failed") == 1
    assert value(scrape, "hansa_check_violations_total", **port, action="quarantine") == 1
    assert value(scrape, "hansa_events_total") == 1
    follow = {"process": "shop.relay:follow", "topic": "shop.relay/marks@1", "partition": "0"}
    assert value(scrape, "hansa_subscription_lag_records", **follow) == 0
    assert value(scrape, "hansa_commit_sets_total", outcome="committed") == value(scrape, "hansa_commit_sets_sum") > 5
    assert value(scrape, "hansa_appended_bytes_total") > 500
    assert value(scrape, "hansa_workers", product="shop.relay") >= 1
    assert value(scrape, "hansa_products", state="live") == 1
    assert value(scrape, "process_resident_memory_bytes") > 1e6


@pytest.mark.usefixtures("scrape")  # is read before
def test_a_subscription_that_stands_still_is_behind_by_records_and_seconds(relay: Server) -> None:
    key = "shop.relay:hear"
    relay.call("POST", "/shop/relay/slow", {"pause": 2.0}).raise_for_status()
    waiting = relay.until(lambda: (text := _behind(relay, key)) and text)
    assert value(waiting, "hansa_subscription_lag_records", process=key) >= 1
    assert 0 < value(waiting, "hansa_subscription_lag_seconds", process=key) < 20
    relay.until(lambda: not value(relay.call("GET", "/metrics").text, "hansa_subscription_lag_records", process=key))


def _behind(relay: Server, process: str) -> str | None:
    text = relay.call("GET", "/metrics").text
    return text if value(text, "hansa_subscription_lag_seconds", process=process) > 0 else None


def test_a_token_for_metrics_is_good_for_nothing_else(relay: Server) -> None:
    made = relay.call("POST", "/tokens", {"name": "prometheus", "scopes": ["metrics"]}).json()
    headers = {"authorization": f"Bearer {made['token']}", "accept": "application/openmetrics-text; version=1.0.0"}
    answer = relay.call("GET", "/metrics", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")
    assert relay.call("GET", "/runs", headers=headers).status_code == 403
    assert relay.call("GET", "/metrics", headers={"authorization": ""}).status_code == 401


def test_promtool_finds_the_alerts_right_and_each_fires(promtool: str) -> None:
    for command in (["check", "rules", str(RULES)], ["test", "rules", str(TESTS)]):
        done = subprocess.run([promtool, *command], text=True, capture_output=True, check=False, cwd=SHIPPED)
        assert done.returncode == 0, done.stdout + done.stderr
    tested = {case["name"]: case["promql_expr_test"] for case in YAML(typ="safe").load(TESTS)["tests"]}
    assert tested.keys() == {rule["alert"] for rule in rules()}
    for name, cases in tested.items():
        assert [bool(case["exp_samples"]) for case in cases] == [False, True], name


def rules() -> list[dict[str, Any]]:
    return [rule for group in YAML(typ="safe").load(RULES)["groups"] for rule in group["rules"]]


def test_every_alert_says_what_is_wrong_and_how_to_mend_it() -> None:
    guide = (ROOT / "docs" / "guide" / "observing.md").read_text()
    for rule in rules():
        told = rule["annotations"]
        assert told.keys() == {"summary", "description", "how", "runbook"}
        assert f"\n### {rule['alert']}\n\n{told['description']} {told['how'].split('{{')[0]}" in guide, rule["alert"]
        assert told["runbook"] == f"docs/guide/observing.md#{rule['alert'].lower()}"


def test_alerts_and_dashboard_speak_of_metrics_that_there_are(scrape: str) -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    asked = [rule["expr"] for rule in rules()] + [one["expr"] for panel in panels for one in panel["targets"]]
    spoken = {name for text in asked for name in NAME.findall(text)} - {"hansa", "process"}
    assert spoken
    assert spoken - names(scrape) == set()
