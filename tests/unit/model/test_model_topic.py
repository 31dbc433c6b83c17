from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hansa.model.ids import NAME, PortId, ProductId
from hansa.model.topic import port_of_topic, topic_name

NAMES = st.from_regex(NAME, fullmatch=True)
PORTS = st.builds(PortId, st.builds(ProductId, NAMES, NAMES), NAMES, st.integers(1, 9999))


def test_a_topic_reads_as_its_port() -> None:
    assert topic_name(PortId.parse("operations.flights/departures@1")) == "operations-flights-departures-v1"


@given(PORTS)
def test_every_port_has_a_topic_that_kafka_permits_and_that_leads_back(port: PortId) -> None:
    topic = topic_name(port)
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,249}", topic)
    assert port_of_topic(topic) == port


@given(PORTS, PORTS)
def test_topics_of_two_ports_differ_in_more_than_dots_and_underscores(one: PortId, other: PortId) -> None:
    alike = topic_name(one).replace(".", "_") == topic_name(other).replace(".", "_")
    assert alike == (one == other)


def test_underscores_in_names_do_not_make_two_ports_one() -> None:
    names = {topic_name(PortId.parse(port)) for port in ("a.b_c/d@1", "a.b/c_d@1", "a_b.c/d@1")}
    assert len(names) == 3


@pytest.mark.parametrize("topic", ["orders", "a-b-c", "a-b-c-v0", "a-b-c-v01", "A-b-c-v1", "a-b-c-d-v1", "a.b-c-v1"])
def test_other_topics_are_of_no_port(topic: str) -> None:
    assert port_of_topic(topic) is None
