"""The chart: Helm and the schemas of Kubernetes take it, and what it makes keeps the rules that the guide states."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, cast

import pytest
from charts import CHART, KUBERNETES, ROOT, Render

from hansa.server import health
from hansa.server.services import Services

FILES = {
    "one node": (),
    "small": ("small",),
    "production": ("production",),
    "keda": ("production", "keda"),
}
RULES = (ROOT / "deploy" / "observability" / "prometheus-rules.yml").read_text("utf-8")
every_file = pytest.mark.parametrize("names", FILES.values(), ids=FILES.keys())


def objects(told: dict[str, Any], *kinds: str) -> list[dict[str, Any]]:
    assert told["findings"] == []
    return [made for made in told["objects"] if not kinds or made["kind"] in kinds]


def groups(told: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The groups of nodes, by name."""
    found = objects(told, "Deployment", "StatefulSet")
    return {made["metadata"]["labels"]["app.kubernetes.io/component"]: made for made in found}


def pods(told: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for group in groups(told).values():
        yield group["spec"]["template"]["spec"]


def environment(pod: dict[str, Any]) -> dict[str, Any]:
    (container,) = pod["containers"]
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in container["env"]}


@every_file
@pytest.mark.parametrize("version", KUBERNETES)
def test_helm_and_kubernetes_take_what_the_chart_makes(render: Render, names: tuple[str, ...], version: str) -> None:
    monitoring = {"serviceMonitor": {"enabled": True}, "rules": {"file": RULES}}
    told = render(*names, version=version, monitoring=monitoring)
    kinds = {made["kind"] for made in objects(told)}
    assert kinds - set(told["judged"]) <= {"ScaledObject", "HTTPRoute", "ServiceMonitor", "PrometheusRule"}
    assert {"Service", "NetworkPolicy", "ServiceAccount", "PrometheusRule"} <= kinds


@every_file
def test_no_pod_has_more_rights_than_hansa_needs(render: Render, names: tuple[str, ...]) -> None:
    for pod in pods(render(*names)):
        assert pod["automountServiceAccountToken"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & pod.keys()
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == 10001
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not [volume for volume in pod["volumes"] or () if "hostPath" in volume]
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert [mount["name"] for mount in container["volumeMounts"] if not mount.get("readOnly")] == ["data"]


@every_file
def test_every_pod_has_bounds_of_memory_and_disk_and_none_of_processor_time(
    render: Render, names: tuple[str, ...]
) -> None:
    for pod in pods(render(*names)):
        resources = pod["containers"][0]["resources"]
        assert set(resources["limits"]) == {"memory", "ephemeral-storage"}
        assert set(resources["requests"]) == {"cpu", "memory", "ephemeral-storage"}


@every_file
def test_every_variable_is_a_setting_that_is_documented(render: Render, names: tuple[str, ...]) -> None:
    documented = set(re.findall(r"`(HANSA_\w+)`", (ROOT / "docs/reference/settings.md").read_text("utf-8")))
    for pod in pods(render(*names)):
        used = {name for name in environment(pod) if name.startswith("HANSA_")}
        assert used
        assert used <= documented


@every_file
def test_a_node_has_a_name_of_its_own_and_says_where_it_is(render: Render, names: tuple[str, ...]) -> None:
    for pod in pods(render(*names)):
        told = environment(pod)
        order = list(told)
        assert told["HANSA_NODE"] == "$(POD_NAME).$(POD_NAMESPACE)"
        assert told["POD_NAME"] == {"fieldRef": {"fieldPath": "metadata.name"}}
        assert told["HANSA_ADVERTISE"] == "$(POD_IP)"
        assert max(order.index("POD_NAME"), order.index("POD_NAMESPACE")) < order.index("HANSA_NODE")
        assert order.index("POD_IP") < order.index("HANSA_ADVERTISE")


def test_nodes_that_may_own_the_log_are_reached_at_their_channel(render: Render) -> None:
    told = render("production")
    for name, group in groups(told).items():
        pod = group["spec"]["template"]["spec"]
        ports = {port["name"]: port["containerPort"] for port in pod["containers"][0]["ports"]}
        assert ("channel" in ports) == (name == "scheduler")
        assert ports.get("channel", 8081) == int(environment(pod)["HANSA_CHANNEL_PORT"])


@every_file
def test_a_selector_finds_what_it_is_meant_for(render: Render, names: tuple[str, ...]) -> None:
    told = render(*names)
    labels = {name: group["spec"]["template"]["metadata"]["labels"] for name, group in groups(told).items()}
    for name, group in groups(told).items():
        wanted = group["spec"]["selector"]["matchLabels"]
        assert [other for other, has in labels.items() if wanted.items() <= has.items()] == [name]
    (door,) = [made for made in objects(told, "Service") if made["metadata"]["name"] == "hansa"]
    reached = {name for name, has in labels.items() if door["spec"]["selector"].items() <= has.items()}
    assert reached == {name for name, group in groups(told).items() if "api" in _roles(group)}


def _roles(group: dict[str, Any]) -> list[str]:
    roles: str = environment(group["spec"]["template"]["spec"])["HANSA_ROLES"]
    return roles.split(",")


def test_nothing_reaches_a_node_but_what_is_listed(render: Render) -> None:
    policies = {made["metadata"]["name"]: made["spec"] for made in objects(render("production"), "NetworkPolicy")}
    assert policies["hansa"]["policyTypes"] == ["Ingress", "Egress"]
    between, scraped = policies["hansa"]["ingress"]
    assert [port["port"] for port in between["ports"]] == ["http", "channel"]
    assert "namespaceSelector" not in between["from"][0]
    assert [port["port"] for port in scraped["ports"]] == ["http"]
    outwards = {port["port"] for rule in policies["hansa"]["egress"] for port in rule["ports"]}
    assert outwards == {"http", "channel", 53, 9093, 5432, 443}
    assert all(rule.get("to") for rule in policies["hansa"]["egress"])
    assert policies["hansa-api"]["podSelector"]["matchLabels"]["hansa/api"] == "true"


@every_file
def test_probes_ask_what_the_server_answers(render: Render, names: tuple[str, ...]) -> None:
    answered = {route.path for route in health.routes(cast("Services", None))}
    for pod in pods(render(*names)):
        container = pod["containers"][0]
        asked = {container[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "liveness", "readiness")}
        assert asked == {"/health/live", "/health/ready"}
        assert asked <= answered


@every_file
def test_a_node_has_time_to_end(render: Render, names: tuple[str, ...]) -> None:
    for pod in pods(render(*names)):
        slept = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert pod["terminationGracePeriodSeconds"] >= slept + 20


def test_a_group_with_storage_keeps_its_names_and_one_without_begins_empty(render: Render) -> None:
    found = groups(render("production"))
    assert {name: group["kind"] for name, group in found.items()} == {
        "api": "Deployment", "scheduler": "Deployment", "worker": "StatefulSet",
    }  # fmt: skip
    (claim,) = found["worker"]["spec"]["volumeClaimTemplates"]
    assert claim["metadata"]["name"] == "data"


def test_groups_of_several_nodes_lose_one_at_a_time_to_maintenance(render: Render) -> None:
    budgets = objects(render("production"), "PodDisruptionBudget")
    assert {made["metadata"]["name"] for made in budgets} == {"hansa-api", "hansa-worker", "hansa-scheduler"}
    assert not objects(render(), "PodDisruptionBudget")


def test_workers_are_scaled_by_load_and_by_lag(render: Render) -> None:
    scalers = objects(render("production"), "HorizontalPodAutoscaler")
    scaled = {made["metadata"]["name"]: made["spec"] for made in scalers}
    assert [metric["type"] for metric in scaled["hansa-worker"]["metrics"]] == ["Resource", "External"]
    assert [metric["type"] for metric in scaled["hansa-api"]["metrics"]] == ["Resource"]
    (lag,) = [metric["external"]["metric"]["name"] for metric in scaled["hansa-worker"]["metrics"][1:]]
    assert f"`{lag}`" in (ROOT / "docs/reference/metrics.md").read_text("utf-8")
    (by_keda,) = objects(render("production", "keda"), "ScaledObject")
    assert lag in by_keda["spec"]["triggers"][1]["metadata"]["query"]
    assert by_keda["spec"]["scaleTargetRef"]["name"] == "hansa-worker"
    assert [trigger["type"] for trigger in by_keda["spec"]["triggers"]] == ["cpu", "prometheus"]


def test_secrets_stand_in_no_other_object(render: Render) -> None:
    told = render("small")
    (secret,) = objects(told, "Secret")
    assert re.fullmatch(r"[0-9a-f]{64}", secret["stringData"]["pepper"])
    others = json.dumps([made for made in objects(told) if made is not secret])
    assert "change-me" not in others
    assert secret["stringData"]["pepper"] not in others
    assert not objects(render("production"), "Secret")


@pytest.mark.parametrize(
    ("values", "files"),
    [
        ({"logSettings": True, "authority": True}, ["kafka.properties", "authority.crt"]),
        ({"authority": True, "logSettings": False}, ["authority.crt"]),
        ({"logSettings": False, "authority": False}, []),
    ],
)
def test_what_leads_to_the_engines_is_a_file_of_the_secret(
    render: Render, values: dict[str, Any], files: list[str]
) -> None:
    for pod in pods(render("production", **values)):
        mounted = [volume for volume in pod["volumes"] if volume["name"] == "engines"]
        assert [item["path"] for volume in mounted for item in volume["secret"]["items"]] == files
        mounts = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
        assert mounts.get("engines") == ("/etc/hansa" if files else None)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"nodes": {"all": {"replicas": 2}}}, "set log.brokers"),
        ({"nodes": {"all": {"storage": ""}}}, "set its storage"),
        ({"nodes": {"all": {"roles": ["api", "worker"]}}}, "the role scheduler"),
        ({"log": {"brokers": "kafka:9092"}, "secrets": {"existing": "a"}}, "blobs.url is not"),
        ({"log": {"brokers": "kafka:9092"}, "blobs": {"url": "s3://a/b"}}, "no database"),
        ({"node": {"graceSeconds": 10}}, "graceSeconds"),
        ({"log": {"brokers": "kafka"}}, "brokers"),
        ({"secrets": {"pepper": "short"}}, "pepper"),
        ({"user": 0}, "user"),
        ({"nodez": {}}, "nodez"),
        ({"node": {"autoscaling": {"max": 3}}}, "min"),
        ({"settings": {"PATH": "/"}}, "PATH"),
    ],
)
def test_values_that_cannot_work_are_refused_in_words(render: Render, values: dict[str, Any], told: str) -> None:
    assert told in str(render(**values).get("refused"))


def test_notes_name_what_to_do_next(render: Render) -> None:
    assert "statefulset/hansa-worker -- hansa doctor" in render("production")["notes"]
    assert "does not outlive its volume" in render()["notes"]


def test_the_chart_and_the_package_have_one_version() -> None:
    (package,) = re.findall(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    assert re.findall(r"^appVersion: (.+)$", (CHART / "Chart.yaml").read_text("utf-8"), re.MULTILINE) == [package]
