"""AsyncAPI 3.1 of the streams: port versions as channels, their records as CloudEvents, who sends and who receives.

As with OpenAPI, the part of a product depends on its revision and the notice on its ports alone. Names of channels are
the CloudEvents `type` of their records, so that one name leads through all documents.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote, urlsplit

from hansa.contracts.schemas import avro
from hansa.contracts.schemas.contract import record_of
from hansa.errors import AuthorError
from hansa.model.ids import PortId
from hansa.model.product import EventTrigger, OutputPortSpec, PortTrigger, ProcessSpec, ProductSpec
from hansa.outputs.feed import event_type, port_urn
from hansa.server.about import about
from hansa.server.notice import Notice
from hansa.server.parts import Part, joined
from hansa.server.record_schema import record_schema

VERSION: Final = "3.1.0"
MEDIA: Final = "application/vnd.aai.asyncapi+json;version=3.1.0"
AVRO: Final = "application/vnd.apache.avro;version=1.9.0"
EVENT: Final = "application/cloudevents+json"
_ENVELOPE: Final[dict[str, Any]] = {
    "title": "CloudEvent",
    "description": "CloudEvents 1.0 in JSON, as HTTP Feeds carry them. A deletion has `method: DELETE` and no data.",
    "type": "object",
    "required": ["specversion", "id", "source", "type"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "description": "Ordered within the port; where to go on reading."},
        "source": {"type": "string", "format": "uri-reference"},
        "type": {"type": "string"},
        "time": {"type": "string", "format": "date-time"},
        "subject": {"type": "string", "description": "The record's key."},
        "run": {"type": "string", "description": "The run that published it."},
        "method": {"const": "DELETE"},
        "datacontenttype": {"const": "application/json"},
        "dataschema": {"type": "string", "format": "uri", "description": "The contract of the port."},
        "data": {},
    },
}
_FEED_QUERY: Final = {
    "type": "object",
    "properties": {
        "lastEventId": {"type": "string", "description": "The id of the last event that was handled."},
        "timeout": {"type": "integer", "minimum": 0, "maximum": 60000, "description": "Milliseconds to wait."},
        "limit": {"type": "integer", "minimum": 1},
    },
}
_COMMON: Final[Part] = {"schemas": {"CloudEvent": _ENVELOPE}}


def part_of(spec: ProductSpec, notices: Mapping[str, Notice]) -> Part:
    """The channels, operations, messages and schemas of a product. `receives` has the operations of its processes by
    `channel#name`: a document takes those whose channel it has."""
    found = joined(_port(spec, port, notices.get(port.id, Notice())) for port in spec.outputs)
    for process in spec.processes:
        for trigger in process.triggers:
            if isinstance(trigger, PortTrigger):
                channel = event_type(PortId.parse(trigger.port))
                found["receives"][f"{channel}#{spec.id}.{process.name}"] = _received(spec, process, channel, "record")
            elif isinstance(trigger, EventTrigger):
                channel = f"events.{trigger.name}"
                found["channels"][channel] = _event_channel(trigger.name)
                found["receives"][f"{channel}#{spec.id}.{process.name}"] = _received(spec, process, channel, "event")
    return found


def document(url: str, parts: Iterable[Part], info: Mapping[str, Any]) -> dict[str, Any]:
    """The whole document of the Hansa at `url`."""
    found, place = joined([_COMMON, *parts]), urlsplit(url)
    received = {key.partition("#")[2] + f".{key.partition('#')[0]}": op for key, op in _known(found)}
    return {
        "asyncapi": VERSION,
        "info": info,
        "defaultContentType": EVENT,
        "servers": {
            "hansa": {
                "host": place.netloc,
                "protocol": place.scheme,
                "title": "Hansa",
                "description": "HTTP Feeds (http-feeds.org) and server-sent events, by the Accept header.",
                "security": [{"$ref": "#/components/securitySchemes/token"}],
            }
        },
        "channels": found["channels"],
        "operations": {**found["operations"], **received},
        "components": {
            "messages": found["messages"],
            "schemas": found["schemas"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def info_of(spec: ProductSpec, url: str) -> dict[str, Any]:
    """What the document of a product says of it: who answers for it, its tags, and where it is told whole."""
    return {
        **about(spec),
        "tags": [{"name": tag} for tag in dict.fromkeys((spec.domain, *spec.tags))],
        "externalDocs": {"url": f"{url}/products/{spec.id}/document", "description": "The product in Bitol ODPS"},
    }


def _known(found: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    for key, operation in found["receives"].items():
        if key.partition("#")[0] in found["channels"]:
            yield key, operation


def _port(spec: ProductSpec, port: OutputPortSpec, notice: Notice) -> Part:
    name, marks = event_type(PortId.parse(port.id)), notice.marks()
    channel = {
        "address": f"/ports/{port.id}/records",
        "title": port.id,
        **({"description": port.description} if port.description else {}),
        "servers": [_ref("servers", "hansa")],
        "messages": {"record": _ref("components", "messages", name)},
        "tags": _tags(spec),
        "x-contract": f"/ports/{port.id}/contract",
        **marks,
    }
    sent = {
        "action": "send",
        "channel": _ref("channels", name),
        "summary": f"{spec.id} publishes records of {port.id}",
        "tags": _tags(spec),
        "bindings": {"http": {"method": "GET", "query": _FEED_QUERY, "bindingVersion": "0.3.0"}},
        "messages": [_ref("channels", name, "messages", "record")],
        **marks,
    }
    return {
        "channels": {name: channel},
        "operations": {f"{name}.send": sent},
        "messages": {name: _message(spec, port, name, marks)},
        "schemas": _schemas(port, name, notice),
    }


def _message(spec: ProductSpec, port: OutputPortSpec, name: str, marks: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "title": f"A record of {port.name}",
        **({"summary": port.contract.description} if port.contract.description else {}),
        "contentType": EVENT,
        "payload": _ref("components", "schemas", f"{name}.event"),
        "correlationId": {"location": "$message.payload#/run", "description": "The run that published the record"},
        "tags": _tags(spec),
        **marks,
    }


def _schemas(port: OutputPortSpec, name: str, notice: Notice) -> dict[str, Any]:
    """The record in JSON, in its envelope, and in Avro where Avro can carry it."""
    own = {
        "type": {"const": name},
        "source": {"const": port_urn(PortId.parse(port.id))},
        "data": _ref("components", "schemas", name),
    }
    event: dict[str, Any] = {"allOf": [_ref("components", "schemas", "CloudEvent"), {"properties": own}]}
    if notice.is_deprecated:
        event["deprecated"] = True
    found = {name: record_schema(port.contract), f"{name}.event": event}
    try:
        schema = avro.derive(record_of(port.contract), namespace=name)
    except AuthorError:
        return found
    return found | {f"{name}.avro": {"schemaFormat": AVRO, "schema": schema}}


def _event_channel(event: str) -> dict[str, Any]:
    """Events of one name: their payload is whatever their author emits."""
    payload = {
        "allOf": [_ref("components", "schemas", "CloudEvent"), {"properties": {"type": {"const": event}}}],
    }
    return {
        "address": "/events/follow",
        "title": f"Events {event}",
        "servers": [_ref("servers", "hansa")],
        "messages": {"event": {"name": event, "contentType": EVENT, "payload": payload}},
    }


def _received(spec: ProductSpec, process: ProcessSpec, channel: str, message: str) -> dict[str, Any]:
    return {
        "action": "receive",
        "channel": _ref("channels", channel),
        "summary": f"{spec.id}:{process.name} is started by it",
        "tags": _tags(spec),
        "messages": [_ref("channels", channel, "messages", message)],
    }


def _tags(spec: ProductSpec) -> list[dict[str, Any]]:
    return [{"name": tag} for tag in dict.fromkeys((spec.id, spec.domain, *spec.tags))]


def _ref(*path: str) -> dict[str, str]:
    """A reference within the document (RFC 6901 in a URI fragment)."""
    return {"$ref": "#/" + "/".join(quote(part.replace("~", "~0").replace("/", "~1")) for part in path)}
