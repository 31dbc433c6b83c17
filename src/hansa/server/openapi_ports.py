"""OpenAPI of the output ports of a product: their records as pages, feeds and followers, and looking them up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from hansa.model.ids import PortId
from hansa.model.product import FieldSpec, OutputPortSpec, ProductSpec
from hansa.outputs.feed import event_type, port_urn
from hansa.server.forms import ServerSentEvent
from hansa.server.notice import Notice
from hansa.server.openapi_schemas import PROBLEM, REFERENCE, parameter_name
from hansa.server.operation import EVENT_STREAM, JSON
from hansa.server.port_forms import FEED, LookedUp, RecordEvent, RecordItem, RecordPage, RecordsQuery
from hansa.server.record_schema import record_schema

_QUERY: Final = RecordsQuery.__struct_fields__
_REFUSALS: Final = {"401": "No token", "403": "Not allowed"}
_IN_QUERY: Final = {"integer": "integer", "number": "number", "boolean": "boolean"}


def described(spec: ProductSpec, notices: Mapping[str, Notice]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The paths and the schemas of the ports. A schema is called as the CloudEvents `type` of the port's records."""
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {}
    for port in spec.outputs:
        name, notice = event_type(PortId.parse(port.id)), notices.get(port.id, Notice())
        schemas[name] = record_schema(port.contract)
        paths[f"/ports/{port.id}/records"] = {"get": _records(spec, port, name, notice)}
        if port.contract.key:
            paths[f"/ports/{port.id}/lookup"] = {"get": _lookup(spec, port, name, notice)}
    return paths, schemas


def _operation(spec: ProductSpec, port: OutputPortSpec, verb: str, summary: str, notice: Notice) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": f"{event_type(PortId.parse(port.id))}.{verb}".replace(".", "_"),
        "tags": [spec.id],
        "summary": summary,
        "externalDocs": {"url": f"/ports/{port.id}/contract", "description": "The contract"},
        "security": [{"token": []}],
    }
    if port.description:
        found["description"] = port.description
    return found | notice.words()


def _records(spec: ProductSpec, port: OutputPortSpec, name: str, notice: Notice) -> dict[str, Any]:
    content = {
        JSON: _page(name, port.contract.fields),
        FEED: _feed(PortId.parse(port.id), name),
        EVENT_STREAM: _ref(ServerSentEvent.__name__),
    }
    return {
        **_operation(spec, port, "records", f"Records of {port.id}", notice),
        "parameters": [{"$ref": f"#/components/parameters/{parameter_name('records', name)}"} for name in _QUERY],
        "responses": {
            "200": {
                "description": "Records: a page, an HTTP Feed, or server-sent events without end",
                "content": {media: {"schema": schema} for media, schema in content.items()},
            },
            **_problems(),
        },
    }


def _page(name: str, fields: Sequence[FieldSpec]) -> dict[str, Any]:
    """A page of records, whole or with the fields that `select` names; one that was deleted is null."""
    within = REFERENCE.format(name=name) + "/properties/"
    some = {field.name: {"$ref": within + quote(field.name.replace("~", "~0").replace("/", "~1"))} for field in fields}
    selected = {"title": "The fields that `select` names", "type": "object", "properties": some}
    record = {"anyOf": [_ref(name), selected, {"type": "null"}]}
    item = {"allOf": [_ref(RecordItem.__name__), {"properties": {"record": record}}]}
    return {"allOf": [_ref(RecordPage.__name__), {"properties": {"items": {"items": item}}}]}


def _feed(port: PortId, name: str) -> dict[str, Any]:
    own = {"type": {"const": event_type(port)}, "source": {"const": port_urn(port)}, "data": _ref(name)}
    return {"type": "array", "items": {"allOf": [_ref(RecordEvent.__name__), {"properties": own}]}}


def _lookup(spec: ProductSpec, port: OutputPortSpec, name: str, notice: Notice) -> dict[str, Any]:
    fields = {field.name: field for field in port.contract.fields}
    told = {"allOf": [_ref(LookedUp.__name__), {"properties": {"record": _ref(name)}}]}
    return {
        **_operation(spec, port, "lookup", f"The latest record of a key of {port.id}", notice),
        "parameters": [
            *(_key(fields[key]) for key in port.contract.key),
            {"$ref": f"#/components/parameters/{parameter_name('records', 'token')}"},
        ],
        "responses": {
            "200": {"description": "The record", "content": {JSON: {"schema": told}}},
            "404": {"description": "There is no record with that key", **PROBLEM},
            **_problems(),
        },
    }


def _key(field: FieldSpec) -> dict[str, Any]:
    schema = {"type": _IN_QUERY.get(field.type, "string")}
    found = {"name": field.name, "in": "query", "required": True, "schema": schema}
    return {**found, "description": field.description} if field.description else found


def _problems() -> dict[str, Any]:
    refused = {status: {"description": text, **PROBLEM} for status, text in _REFUSALS.items()}
    return {**refused, "default": {"description": "A problem", **PROBLEM}}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": REFERENCE.format(name=name)}
