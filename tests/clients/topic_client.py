"""Run by an environment with confluent-kafka: reads a topic to its end with the stock deserialisers, as they come;
nothing of Hansa in it.

python topic_client.py BROKERS REGISTRY TOKEN TOPIC FORM > records(JSON)
"""

import base64
import datetime as dt
import decimal
import json
import sys

from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory, timestamp_pb2  # noqa: F401

BROKERS, REGISTRY, TOKEN, TOPIC, FORM = sys.argv[1:]
registry = SchemaRegistryClient({"url": REGISTRY, "basic.auth.user.info": f"hansa:{TOKEN}"})


def plain(value):
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, dt.datetime):
        return value.isoformat().replace("+00:00", "Z")
    return str(value) if isinstance(value, decimal.Decimal) else value


def message_class():
    text = registry.get_latest_version(f"{TOPIC}-value", "serialized").schema.schema_str
    file = descriptor_pb2.FileDescriptorProto.FromString(base64.b64decode(text))
    file.name = "sent.proto"
    found = descriptor_pool.Default().AddSerializedFile(file.SerializeToString())
    name = next(iter(found.message_types_by_name))
    return message_factory.GetMessageClass(found.message_types_by_name[name])


def deserialiser():
    if FORM == "avro":
        return AvroDeserializer(registry)
    if FORM == "json":
        return JSONDeserializer(None, schema_registry_client=registry)
    read = ProtobufDeserializer(message_class(), {"use.deprecated.format": False}, registry)
    return lambda data, context: json_format.MessageToDict(read(data, context), preserving_proto_field_name=True)


def main():
    read, context = deserialiser(), SerializationContext(TOPIC, MessageField.VALUE)
    consumer = Consumer(
        {"bootstrap.servers": BROKERS, "group.id": "stock", "enable.partition.eof": True,
         "auto.offset.reset": "earliest", "isolation.level": "read_committed", "enable.auto.commit": False}
    )  # fmt: skip
    consumer.assign([TopicPartition(TOPIC, 0, 0)])
    found = []
    while (message := consumer.poll(10)) is not None:
        if message.error() and message.error().code() == KafkaError._PARTITION_EOF:
            break
        found.append(plain(read(message.value(), context)))
    consumer.commit(offsets=[TopicPartition(TOPIC, 0, 1)], asynchronous=False)
    consumer.close()
    print(json.dumps(found))


main()
