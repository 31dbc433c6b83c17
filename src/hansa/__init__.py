"""Hansa, an operating centre for a data mesh. This is what authors of data products import; it loads nothing heavy."""

from msgspec import Meta, field

from hansa.errors import AuthorError, CallerError, HansaError
from hansa.model.product import RetryPolicy as Retry
from hansa.sdk.connections import Files, Http, HttpResponse, Mail, Sql
from hansa.sdk.context import Context, ReadContext, RunInfo, TriggerInfo
from hansa.sdk.encode import ContractViolation
from hansa.sdk.flow import each, parallel, when
from hansa.sdk.logic import publish_to, reply
from hansa.sdk.ports import InputPort, OutputPort, Record
from hansa.sdk.product import DataProduct
from hansa.sdk.triggers import http, manual, on, once, schedule
from hansa.sdk.values import Chunk, Drop, Error, Message, Problem, Reply

__all__ = [
    "AuthorError",
    "CallerError",
    "Chunk",
    "Context",
    "ContractViolation",
    "DataProduct",
    "Drop",
    "Error",
    "Files",
    "HansaError",
    "Http",
    "HttpResponse",
    "InputPort",
    "Mail",
    "Message",
    "Meta",
    "OutputPort",
    "Problem",
    "ReadContext",
    "Record",
    "Reply",
    "Retry",
    "RunInfo",
    "Sql",
    "TriggerInfo",
    "each",
    "field",
    "http",
    "manual",
    "on",
    "once",
    "parallel",
    "publish_to",
    "reply",
    "schedule",
    "when",
]
