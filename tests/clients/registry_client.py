"""Run by an environment with confluent-kafka: one task with the stock client, as it comes, nothing of Hansa in it.

python registry_client.py URL TOKEN TASK ARGUMENTS(JSON) > result(JSON)
"""

import base64
import datetime as dt
import decimal
import json
import sys

from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.schema_registry.rules.jsonata.jsonata_executor import JsonataExecutor
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory, timestamp_pb2  # noqa: F401

JsonataExecutor.register()
URL, TOKEN, TASK, ARGUMENTS = sys.argv[1:]
client = SchemaRegistryClient({"url": f"{URL}/schema-registry", "basic.auth.user.info": f"hansa:{TOKEN}"})


def value_of(topic):
    return SerializationContext(topic, MessageField.VALUE)


def plain(value):
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, dt.datetime):
        return value.isoformat().replace("+00:00", "Z")
    return str(value) if isinstance(value, decimal.Decimal) else value


def round_trip(form, topic, records):
    """Each record through the serialiser, which registers its schema, and the deserialiser; the bytes and the value."""
    return [globals()[f"through_{form}"](topic, record) for record in records]


def through_avro(topic, record):
    text = json.dumps(json.loads(client.get_latest_version(f"{topic}-value").schema.schema_str), indent=4)
    moment = dt.datetime.fromisoformat(record["landed_at"].replace("Z", "+00:00"))
    given = {**record, "landed_at": moment, "fare": decimal.Decimal(record["fare"])}
    data = AvroSerializer(client, text)(given, value_of(topic))
    return [data.hex(), plain(AvroDeserializer(client)(data, value_of(topic)))]


def through_json(topic, record):
    text = json.dumps(json.loads(client.get_latest_version(f"{topic}-value").schema.schema_str), indent=4)
    data = JSONSerializer(text, client)(record, value_of(topic))
    return [data.hex(), JSONDeserializer(None, schema_registry_client=client)(data, value_of(topic))]


def through_protobuf(topic, record):
    kind = message_of(client.get_latest_version(f"{topic}-value", "serialized").schema.schema_str)
    message = json_format.ParseDict(record, kind())
    data = ProtobufSerializer(kind, client, {"use.deprecated.format": False})(message, value_of(topic))
    read = ProtobufDeserializer(kind, {"use.deprecated.format": False}, client)(data, value_of(topic))
    found = json_format.MessageToDict(read, preserving_proto_field_name=True)
    return [data.hex(), {**found, "note": found.get("note")}]


def message_of(serialised):
    file = descriptor_pb2.FileDescriptorProto.FromString(base64.b64decode(serialised))
    file.name = "sent.proto"
    found = descriptor_pool.Default().AddSerializedFile(file.SerializeToString())
    name = next(iter(found.message_types_by_name))
    return message_factory.GetMessageClass(found.message_types_by_name[name])


def read_as(cases):
    """Each case: a record written with the latest schema of the major `written` of a topic, read with settings."""
    return [read_one(**case) for case in cases]


def read_one(form, topic, written, record, read):
    kinds = {"avro": (AvroSerializer, AvroDeserializer), "json": (JSONSerializer, JSONDeserializer)}
    writer, reader = kinds[form]
    settings = {"auto.register.schemas": False, "use.latest.with.metadata": {"major_version": written}}
    if form == "avro":
        data = writer(client, None, conf=settings)(record, value_of(topic))
        return reader(client, None, conf=read)(data, value_of(topic))
    data = writer(None, client, conf=settings)(record, value_of(topic))
    return reader(None, conf=read, schema_registry_client=client)(data, value_of(topic))


def lookups(topic):
    """What stock tools ask."""
    subject = f"{topic}-value"
    latest = client.get_latest_version(subject)
    found = client.lookup_schema(subject, Schema(latest.schema.schema_str, latest.schema.schema_type))
    return {
        "subjects": client.get_subjects(subject_prefix=topic),
        "versions": client.get_versions(subject),
        "same": [found.schema_id, found.version] == [latest.schema_id, latest.version],
        "by_id": [one.subject for one in client.get_schema_versions(latest.schema_id)],
        "compatible": client.test_compatibility(subject, latest.schema),
        "level": client.get_compatibility(subject),
        "mode": client.get_mode(subject),
        "types": client.get_schema_types(),
        "contexts": client.get_contexts(),
    }


def in_context(subject):
    """A subject in a context of its own, beside the one of the same name without."""
    schemas = {f":.apart:{subject}": '"string"', subject: '"long"'}
    ids = {name: client.register_schema(name, Schema(text, "AVRO")) for name, text in schemas.items()}
    return {
        "read": [client.get_latest_version(name).schema.schema_str for name in schemas],
        "same": client.get_latest_version(f":.:{subject}").schema_id == ids[subject],
        "contexts": client.get_contexts(),
    }


def referring(prefix):
    """A schema that refers to another, in each format: registered, and read back by its id."""
    texts = {
        "AVRO": ('{"type":"record","name":"ref.Inner","fields":[{"name":"x","type":"int"}]}', "ref.Inner",
                 '{"type":"record","name":"Outer","fields":[{"name":"inner","type":"ref.Inner"}]}'),
        "JSON": ('{"type":"object","properties":{"x":{"type":"integer"}}}', "inner.json",
                 '{"type":"object","properties":{"inner":{"$ref":"inner.json"}}}'),
        "PROTOBUF": ('syntax = "proto3"; package ref; message Inner { int32 x = 1; }', "inner.proto",
                     'syntax = "proto3"; import "inner.proto"; message Outer { ref.Inner inner = 1; }'),
    }  # fmt: skip
    found = {}
    for kind, (inner, name, outer) in texts.items():
        subject = f"{prefix}-{kind.lower()}"
        client.register_schema(f"{subject}-inner", Schema(inner, kind))
        schema = Schema(outer, kind, [SchemaReference(name, f"{subject}-inner", 1)])
        number = client.register_schema(f"{subject}-outer", schema)
        told = client.get_schema(number)
        found[kind] = [
            client.register_schema(f"{subject}-outer", schema) == number,
            [[one.name, one.subject, one.version] for one in told.references],
            client.get_referenced_by(f"{subject}-inner", 1) == [number],
        ]
    return found


def register(subject, schema, times=1):
    """Registers a schema, whose text is repeated; its id."""
    return client.register_schema(subject, Schema(schema * times, "AVRO"))


try:
    print(json.dumps({"result": globals()[TASK](**json.loads(ARGUMENTS))}, default=str))
except Exception as error:
    told = {name: getattr(error, name, None) for name in ("http_status_code", "error_code")}
    print(json.dumps({"error": f"{error} {error.__cause__ or ''}", **told}))
