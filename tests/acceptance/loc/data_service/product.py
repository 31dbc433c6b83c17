"""Keeps log messages in a database: POST and GET /loc/data_service/v1/logs share their first and last logic."""

from dataclasses import dataclass
from typing import Any

from hansa import DataProduct, Error, Problem, ReadContext, Reply, Sql, http, once, reply

CREATE = "CREATE TABLE IF NOT EXISTS logs (id INTEGER PRIMARY KEY, message TEXT NOT NULL, timestamp TEXT NOT NULL)"
INSERT = "INSERT INTO logs (message, timestamp) VALUES (?, ?)"
LATEST = "SELECT id, message, timestamp FROM logs ORDER BY id DESC LIMIT ?"

product = DataProduct(__file__)


@dataclass(frozen=True)
class NewLogs:
    logs: list[str]


@product.logic
def create_table(*, db: Sql) -> None:
    db.execute(CREATE)


@product.logic
def receive(body: NewLogs | None) -> list[str]:
    """The messages that the caller sends; none where there is no body."""
    if body is None:
        return []
    if not body.logs:
        raise Problem(400, "logs.empty", "The list of logs is empty", hint="Send at least one.")
    return body.logs


@product.logic
def write(messages: list[str], *, db: Sql, ctx: ReadContext) -> dict[str, Any]:
    now = ctx.now().isoformat()
    return {"affectedRowCount": db.execute(INSERT, [(message, now) for message in messages])}


@product.logic
def read(*, db: Sql, limit: int = 1000) -> dict[str, Any]:
    """The latest messages, newest first."""
    logs = db.query(LATEST, (limit,))
    return {"logCount": len(logs), "logs": logs}


@product.aggregator
def respond(result: dict[str, Any], *, ctx: ReadContext, status: int) -> Reply[dict[str, Any]]:
    body = {"status": "ok", "statusCode": status, "timestamp": ctx.now().isoformat(), "result": result}
    return Reply(body, status=status)


@respond.on_error
def respond_error(error: Error, *, ctx: ReadContext) -> Reply[dict[str, Any]]:
    """What went wrong, and in which logic of which run."""
    body = {
        "status": "error",
        "statusCode": 500,
        "timestamp": ctx.now().isoformat(),
        "error": {"name": error.code, "message": error.message, "stack": error.traceback},
        "task": {"run": ctx.run.id, "process": ctx.run.process, "logic": error.origin},
    }
    return Reply(body, status=500)


product.process("migrate", create_table, reply, on=once())
product.process("create", receive, write, respond.using(status=201), on=http.post("/v1/logs"))
product.process("list", receive, read, respond.using(status=200), on=http.get("/v1/logs"))
