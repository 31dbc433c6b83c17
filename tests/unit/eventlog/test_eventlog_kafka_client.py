from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException

from hansa.errors import OperatorError, Unavailable
from hansa.eventlog.kafka import kafka_name
from hansa.eventlog.kafka_client import translated


@pytest.mark.parametrize(
    ("number", "family", "code"),
    [
        (KafkaError._TRANSPORT, Unavailable, "log.unreachable"),
        (KafkaError._TIMED_OUT, Unavailable, "log.unreachable"),
        (KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, OperatorError, "kafka.denied"),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, OperatorError, "kafka.denied"),
        (KafkaError.INVALID_REPLICATION_FACTOR, OperatorError, "kafka.unfit"),
    ],
)
def test_what_kafka_says_is_one_of_our_errors(number: int, family: type[OperatorError], code: str) -> None:
    with pytest.raises(OperatorError) as caught, translated():
        raise KafkaException(KafkaError(number))
    assert (type(caught.value), caught.value.code) == (family, code)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("topic", "name"),
    [("a.b/c@1", "a-b-c-v1"), ("_runs", "_runs"), ("_quarantine:a.b/c@1", "_quarantine-a.b-c-1")],
)
def test_ports_are_called_as_everywhere_outside(topic: str, name: str) -> None:
    assert kafka_name(topic) == name
