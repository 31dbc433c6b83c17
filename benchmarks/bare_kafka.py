"""The limit of records through Kafka: a loop of Kafka's own client that consumes, transforms and produces in
transactions, with the offsets in them, and as many records to a transaction as Hansa has to a run."""

from __future__ import annotations

import json
import uuid
from time import perf_counter
from typing import Any, Final

from benchmarks.environment import Unavailable

TIMEOUT_S: Final = 30.0


def per_s(bootstrap: str, records: int, batch: int) -> float:
    """Records per second, from the first transaction to the last. Raises `ValueError` where one is missing."""
    try:
        from confluent_kafka import Consumer, Producer
        from confluent_kafka.admin import AdminClient
        from confluent_kafka.cimpl import NewTopic
    except ImportError as failure:
        raise Unavailable("confluent-kafka is not installed") from failure
    name = f"bare{uuid.uuid4().hex[:8]}"
    settings = {"bootstrap.servers": bootstrap, "log_level": 2}
    topics = [NewTopic(f"{name}-in", 1, 1), NewTopic(f"{name}-out", 1, 1)]
    admin = AdminClient(settings)
    for made in admin.create_topics(topics).values():
        made.result()
    _fill(Producer({**settings, "queue.buffering.max.messages": 10_000_000}), f"{name}-in", records)
    consumer = Consumer(
        {**settings, "group.id": name, "auto.offset.reset": "earliest", "enable.auto.commit": False,
         "isolation.level": "read_committed"}
    )  # fmt: skip
    producer = Producer({**settings, "transactional.id": name, "queue.buffering.max.messages": 10_000_000})
    producer.init_transactions(TIMEOUT_S)
    consumer.subscribe([f"{name}-in"])
    first = consumer.consume(batch, TIMEOUT_S)
    begun, done = perf_counter(), 0
    while first:
        producer.begin_transaction()
        for message in first:
            record = _graded(_celsius(json.loads(message.value())))
            producer.produce(f"{name}-out", json.dumps(record).encode(), message.key())
        producer.send_offsets_to_transaction(
            consumer.position(consumer.assignment()), consumer.consumer_group_metadata(), TIMEOUT_S
        )
        producer.commit_transaction(TIMEOUT_S)
        done += len(first)
        first = consumer.consume(min(batch, records - done), TIMEOUT_S) if done < records else []
    took = perf_counter() - begun
    consumer.close()
    if done != records:
        raise ValueError(f"{done} records came through instead of {records}")
    return records / took


def _fill(producer: Any, topic: str, records: int) -> None:
    for number in range(records):
        reading = {
            "reading_id": f"r{number:07}", "sensor": f"sensor-{number % 500:03}", "taken_at": "2026-01-01T00:00:00Z",
            "temperature_f": number * 7919 % 140 - 20, "humidity_percent": number * 31 % 101,
        }  # fmt: skip
        producer.produce(topic, json.dumps(reading).encode(), reading["reading_id"])
    producer.flush(TIMEOUT_S)


def _celsius(reading: dict[str, Any]) -> dict[str, Any]:
    return {**reading, "temperature_c": round((reading["temperature_f"] - 32) * 5 / 9, 1)}


def _graded(reading: dict[str, Any]) -> dict[str, Any]:
    humidity = reading["humidity_percent"]
    grade = "dry" if humidity < 30 else "damp" if humidity > 60 else "fair"
    return {**{name: reading[name] for name in ("reading_id", "sensor", "taken_at", "temperature_c")}, "grade": grade}
