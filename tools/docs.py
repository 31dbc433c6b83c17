"""Writes the reference pages that come from the source: errors, api, settings, cli, custom properties and metrics.

`--check` writes nothing: it fails where a page says something else than the source, and names the command that mends
it.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple, cast, get_args, get_origin

import msgspec

ROOT: Final = Path(__file__).resolve().parent.parent
SOURCE: Final = ROOT / "src" / "hansa"
PAGES: Final = ROOT / "docs" / "reference"
MEND: Final = "make docs"
CODE: Final = re.compile(r"[a-z][a-z_]*\.[a-z][a-z_]*")

# Errors

FAMILIES: Final = {
    "CallerError": "caller",
    "AuthorError": "author",
    "PlanError": "author",
    "OperatorError": "operator",
    "Unavailable": "unavailable",
    "InternalError": "internal",
    "RunError": "run",
    "Refused": "commit",
    "Problem": "caller",
    "Violation": "author",
    "Finding": "author",
    "Fault": "author",
    "report": "author",
    "_report_at": "author",
    "_refusal": "author",
    "choice": "author",
    "duration": "author",
}
"""What is called with a code, and whom the code concerns."""
CONNECTION: Final = {"refused": ("author", 0, "too_large"), "unavailable": ("unavailable", 2, "failed")}
"""Helpers of `egress` that put `connection.` before a reason: family, the reason's place, its default."""
WHO: Final = {
    "caller": "whoever asks changes the request, the id or the token",
    "author": "the author of the product changes its files",
    "operator": "whoever runs this Hansa acts: disk, limits, isolation, settings",
    "unavailable": "nothing was done; the same request may succeed later",
    "run": "how a run failed; it stands in the run's history",
    "commit": "why a commit was refused; the run is tried again or told",
    "internal": "a bug of ours",
}


class Code(NamedTuple):
    """One code as the source raises it."""

    code: str
    family: str
    message: str


def codes() -> list[Code]:
    """Every code that the source raises, once for each family, with the first message that it comes with."""
    found: dict[tuple[str, str], str] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        connections = _connections(tree) if path.parent.name == "egress" else ()
        for one in (*_called(tree), *connections, *_nouns(tree), *_tables(tree)):
            if not found.get((one.code, one.family)):
                found[one.code, one.family] = one.message
    return [Code(code, family, message) for (code, family), message in sorted(found.items())]


def _called(tree: ast.AST) -> Iterator[Code]:
    for call, scope in _calls(tree):
        family = FAMILIES.get(_name(call.func))
        for index, argument in enumerate(call.args):
            if family is not None and isinstance(argument, ast.Constant) and CODE.fullmatch(str(argument.value)):
                following = call.args[index + 1] if index + 1 < len(call.args) else None
                yield Code(str(argument.value), family, _text(following, scope))
                break


def _connections(tree: ast.AST) -> Iterator[Code]:
    for call, scope in _calls(tree):
        if _name(call.func) not in CONNECTION:
            continue
        family, place, default = CONNECTION[_name(call.func)]
        reason = call.args[place] if place < len(call.args) else ast.Constant(default)
        if isinstance(reason, ast.Constant) and isinstance(reason.value, str):
            yield Code(f"connection.{reason.value}", family, _text(call.args[1 if place == 0 else 0], scope))


def _nouns(tree: ast.AST) -> Iterator[Code]:
    """What the registry says of an id that it does not know: a code for each of its nouns."""
    for call, _ in _calls(tree):
        if _name(call.func) == "Noun" and isinstance(call.args[0], ast.Constant):
            noun = call.args[0].value
            yield Code(f"{noun}.unknown", "caller", f"There is no {noun} …")


def _tables(tree: ast.AST) -> Iterator[Code]:
    """Codes that stand in tuples: (code, message, …) of runs, and (sign in a message, code) of broken contracts; and
    those that a dict gives for a rule of the schema."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            values = [str(part.value) if isinstance(part, ast.Constant) else "" for part in node.values]
            yield from map(_broken, values if all(value.startswith("field.") for value in values) else ())
            continue
        if not isinstance(node, ast.Tuple) or len(node.elts) not in (2, 3):
            continue
        values = [part.value if isinstance(part, ast.Constant) else None for part in node.elts]
        if len(values) == 3 and str(values[0]).startswith("run.") and CODE.fullmatch(str(values[0])):
            yield Code(str(values[0]), "run", _text(node.elts[1], tree))
        if len(values) == 2 and str(values[1]).startswith("field."):
            yield _broken(str(values[1]))


def _broken(code: str) -> Code:
    return Code(code, "author", "A field of a record breaks the port's contract")


def _calls(tree: ast.AST) -> Iterator[tuple[ast.Call, ast.AST]]:
    """Each call with the function (or module) that it stands in."""
    inner = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    seen: set[int] = set()
    for scope in (*reversed(inner), tree):
        for node in ast.walk(scope):
            if isinstance(node, ast.Call) and id(node) not in seen:
                seen.add(id(node))
                yield node, scope


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _text(node: ast.expr | None, scope: ast.AST) -> str:
    """What a message says, with `…` for what is filled in; empty where the source does not tell."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        parts = [str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values]
        return "".join(parts).replace("'…'", "…")
    if isinstance(node, ast.Name):
        given = [
            _text(one.value, scope)
            for one in ast.walk(scope)
            if isinstance(one, ast.Assign) and any(getattr(target, "id", "") == node.id for target in one.targets)
        ]
        return given[0] if given else ""
    return ""


def errors_page() -> str:
    by_family: dict[str, list[Code]] = defaultdict(list)
    for one in codes():
        by_family[one.family].append(one)
    lines = [
        "# Error codes",
        "",
        "Generated from the source. A code is public and only ever added; its wording may change.",
    ]
    lines += ["Over HTTP it is `code` of a problem document (RFC 9457); on the command line it stands in brackets."]
    for family, who in WHO.items():
        lines += ["", f"## {family}", "", f"Who acts: {who}.", "", "| code | message |", "|---|---|"]
        lines += [f"| `{one.code}` | {_cell(one.message)} |" for one in by_family[family]]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;") or "…"


# HTTP API


def api_page() -> str:
    from hansa.server.api.base import Endpoint
    from hansa.server.api.operations import GROUPS

    lines = ["# HTTP API", "", *_API_HEAD]
    endpoint = Endpoint(cast("Any", None))
    for module in GROUPS:
        lines += ["", f"## {module.__name__.rpartition('.')[2]}", "", (inspect.getdoc(module) or "").strip()]
        for route in module.routes(endpoint):
            lines += _route(route.operation)
    return "\n".join(lines) + "\n"


_API_HEAD: Final = (
    "Generated from the operations. Requests carry `Authorization: Bearer hansa_…`; answers are JSON, errors are",
    "problem documents (RFC 9457) with a [code](errors.md). `GET /health` and `GET /openapi.json` need no token; the",
    "latter has this API with every schema, and as much of what is deployed as its reader may see. Times are RFC 3339",
    "in UTC; names that end in `_us` are microseconds since 1970. `?` marks what may be left out.",
    "",
    "What commits answers with the header `Hansa-Token`. Whoever sends it with a later call sees what was committed",
    "with it: in lookups, run history and events, and in what a deployed route looks up.",
)


def _route(operation: Any) -> list[str]:
    """One operation: what it does, what it takes, and which action it is."""
    from hansa.access.decide import SCOPE_OF

    text = inspect.getdoc(operation.handler) or ""
    lines = ["", f"### {operation.method} {operation.template}", "", " ".join(text.split())]
    if operation.query is not None:
        lines += ["", f"Query: {_fields(operation.query)}."]
    if operation.body is not None:
        lines += ["", f"Body: {_fields(operation.body)}."]
    elif operation.content is not None:
        lines += ["", f"Body: `{operation.content}`."]
    lines += ["", f"Answer: {'; '.join(_answered(media, kind) for media, kind in operation.answers.items())}."]
    return [*lines, "", f"Action: `{operation.action}` (scope `{SCOPE_OF[operation.action]}`)."]


def _answered(media: str, kind: Any) -> str:
    """What an operation answers in a media type: the fields of its struct, `items` of them, or the type alone."""
    is_many = get_origin(kind) is list
    inner = get_args(kind)[0] if is_many else kind
    named = _fields_answered(inner)
    if media != "application/json" or not named:
        return f"`{media}`"
    return f"`items` of {named}" if is_many else named


def _fields_answered(kind: Any) -> str:
    if dataclasses.is_dataclass(kind):
        return ", ".join(f"`{field.name}`" for field in dataclasses.fields(kind))
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return ""
    return ", ".join(f"`{field.encode_name}`" for field in msgspec.structs.fields(kind))


def _fields(kind: Any) -> str:
    """The fields of a struct; `?` marks those that may be left out."""
    if not issubclass(kind, msgspec.Struct):
        return "the fields of the key, `token`?"
    return ", ".join(f"`{f.encode_name}`" + ("" if f.required else "?") for f in msgspec.structs.fields(kind))


# Settings

SETTINGS: Final = {
    "HANSA_DATA": ("`make run`", "`.hansa`", "The data folder."),
    "HANSA_PORT": ("`make run`", "`8080`", "The port to listen on."),
    "HANSA_ISOLATION": (
        "server",
        "`strict`",
        "`strict`: author code runs isolated or not at all; `best`: as this machine can; `none`: for debugging only.",
    ),
    "HANSA_SPARES": (
        "server",
        "`1`",
        "Workers that are forked ahead and wait for a product, for each set of libraries.",
    ),
    "HANSA_IDLE_S": ("server", "`300`", "Seconds after which an idle worker leaves."),
    "HANSA_KEEP_RUNS_DAYS": (
        "server",
        "`90`",
        "How long the history of runs is kept; empty is for good. Dead letters stay until they are dealt with.",
    ),
    "HANSA_KEEP_EVENTS_DAYS": ("server", "`365`", "How long events are kept; empty is for good."),
    "HANSA_KEEP_RECORDS_DAYS": ("server", "", "How long records of ports are kept whose contract does not say so."),
    "HANSA_KEEP_EVERY_S": ("server", "`60`", "Seconds between two looks at what is old enough to go."),
    "HANSA_BLOBS": (
        "server",
        "",
        "`s3://BUCKET/PREFIX`: bundles are kept in this object store, to which `AWS_ENDPOINT_URL`, `AWS_REGION`, "
        "`AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` lead; else in the folder `blobs`.",
    ),
    "HANSA_DATABASE": (
        "server",
        "",
        "`postgresql://USER:PASSWORD@HOST:PORT/DATABASE`: registry and views are kept in this PostgreSQL, "
        "which nodes can share; else in the files `registry.db` and `views.db`.",
    ),
    "HANSA_LEASE_S": (
        "server",
        "`30`",
        "Seconds for which a node that does not reach its registry lets people in by what it knew; then it denies.",
    ),
    "HANSA_LOG": (
        "server",
        "",
        "`kafka://HOST:PORT,HOST:PORT/NAME`: the log is kept in this Kafka cluster, and shared by all nodes that name "
        "it; they name the same `HANSA_DATABASE`, `HANSA_BLOBS` and `HANSA_PEPPER`. Else it is the file `log.db`.",
    ),
    "HANSA_TOPICS": (
        "server",
        "`on`",
        "`off` publishes no port to a topic of its own; with a log in Kafka alone ([Kafka](../guide/kafka.md)).",
    ),
    "HANSA_TOPICS_PREFIX": ("server", "", "What stands before the names of the topics that ports are published to."),
    "HANSA_KAFKA_SETTINGS": (
        "server",
        "",
        "A file of lines `name=value`, settings of librdkafka: TLS, SASL and what else a client of this cluster needs.",
    ),
    "HANSA_REPLICATION": (
        "server",
        "`1`",
        "Replicas of the topics of the log that are made; 3 where it must not be lost.",
    ),
    "HANSA_PEPPER": (
        "server",
        "",
        "64 hexadecimal digits, the secret that nodes share: tokens are hashed with it, and nodes know one another by "
        "it. A Hansa that is alone makes its own, in the file `pepper`.",
    ),
    "HANSA_NODE": ("server", "host name and port", "What a node is called; no other node has the name."),
    "HANSA_ROLES": (
        "server",
        "`api,worker,scheduler`",
        "What a node does: `api` answers people and callers, `worker` works what the log brings, `scheduler` may own "
        "the log, and with it fires schedules and takes what is old enough.",
    ),
    "HANSA_ADVERTISE": ("server", "where it listens", "The host name or address at which other nodes reach this one."),
    "HANSA_CHANNEL_PORT": ("server", "any", "The port at which the other nodes reach the one that owns the log."),
    "HANSA_SESSION_S": (
        "server",
        "`5`",
        "Seconds of silence after which a node is lost: so long may the log be without an owner when one dies, and a "
        "node that stood still for longer is not the owner any more.",
    ),
    "HANSA_OUTPUT": (
        "server",
        "`text`",
        "`json`: each line of the server's output is one JSON object, for what collects it.",
    ),
    "HANSA_DRAIN_S": (
        "server",
        "`0`",
        "Seconds for which a server that gets SIGTERM goes on to serve, while `/health/ready` answers 503 already.",
    ),
    "HANSA_REST_S": (
        "server",
        "`30`",
        "Seconds after which an idle worker is exchanged for a fresh one, which shares more of its memory.",
    ),
    "HANSA_INSTALL_S": ("server", "`900`", "Seconds that the installation of a product's requirements may take."),
    "HANSA_URL": ("`hansa`", "", "The Hansa to talk to, before any `.hansa/client.json`."),
    "HANSA_TOKEN": ("`hansa`", "", "The token for `HANSA_URL`."),
    "XDG_CACHE_HOME": ("server", "`~/.cache`", "Where pip and uv keep what they downloaded for requirements."),
    "XDG_CONFIG_HOME": ("`hansa`", "`~/.config`", "`environments.yaml` stands in its folder `hansa`."),
}
"""Variable: who reads it, its default, what it says."""
_VARIABLE: Final = re.compile(r"\b(HANSA_[A-Z_]+|XDG_[A-Z_]+)\b")
_INTERNAL: Final = frozenset({"HANSA_COMPLETE", "_HANSA_COMPLETE"})


def variables() -> set[str]:
    """The environment variables that the source and the Makefile name."""
    texts = [path.read_text("utf-8") for path in (*SOURCE.rglob("*.py"), ROOT / "Makefile")]
    return {name for text in texts for name in _VARIABLE.findall(text)} - _INTERNAL


def settings_page() -> str:
    """Raises `SystemExit` where a variable has no description, or a description no variable."""
    if odd := variables() ^ SETTINGS.keys():
        raise SystemExit(f"tools/docs.py: describe in SETTINGS, or remove there: {', '.join(sorted(odd))}")
    lines = [
        "# Settings",
        "",
        "Environment variables; generated. Options of the commands are in [cli.md](cli.md), connections",
    ]
    lines += ["and secrets in [operations](../guide/operations.md).", "", "| variable | read by | default | meaning |"]
    lines += ["|---|---|---|---|", *(f"| `{name}` | {' | '.join(told)} |" for name, told in SETTINGS.items())]
    return "\n".join(lines) + "\n"


# All pages


def cli_page() -> str:
    from hansa.cli.reference import markdown

    return markdown()


_CUSTOM_HEAD: Final = """\
# Custom properties

Generated from `hansa.contracts.custom`, where they are declared. What ODPS and ODCS cannot say stands in
`customProperties` with `vendor: hansa`; those of other vendors are kept as they are. A name that is not here, or a
value of another kind, is refused with its file and line. `vendor` came with ODPS 1.1 and ODCS 3.2, so a document with
one of these says `apiVersion: v1.1.0` or `v3.2.0`. What is declared and not acted on yet is listed in
[ARCHITECTURE.md](../../ARCHITECTURE.md).

```yaml
customProperties:
  - property: partitions
    value: 4
    vendor: hansa
```
"""
_ON: Final = {
    "product": "On a product",
    "input": "On an input port",
    "output": "On an output port",
    "contract": "On a contract",
    "property": "On a property of a schema",
}


def custom_page() -> str:
    from hansa.contracts.custom import CUSTOM, SHAPES

    lines = [_CUSTOM_HEAD.rstrip()]
    for on, title in _ON.items():
        lines += ["", f"## {title}", "", "| property | value | meaning | example |", "|---|---|---|---|"]
        for c in (c for c in CUSTOM if c.on == on):
            meaning = f"{c.meaning} Written by Hansa into what it tells, not read." if c.told else c.meaning
            lines.append(f"| `{c.name}` | {_kind(c.kind, SHAPES)} | {_cell(meaning)} | `{c.example}` |")
    return "\n".join(lines) + "\n"


_METRICS_HEAD: Final = """\
# Metrics

What `GET /metrics` tells; generated. How to scrape, watch and be warned: [observing](../guide/observing.md). Beside
these stand `process_*` and `python_*` of the server's process, as every client of Prometheus for Python tells them:
processor time, resident memory, open files, garbage collections.

| name | type | labels | meaning |
|---|---|---|---|
"""


def metrics_page() -> str:
    from hansa.observe.metric import METRICS

    rows = [
        f"| `{one.name}` | {one.kind} | {', '.join(f'`{label}`' for label in one.labels)} | {one.help} |\n"
        for one in METRICS
    ]
    return _METRICS_HEAD + "".join(rows)


def _kind(kind: str, shapes: Any) -> str:
    """A kind of the grammar in words."""
    if kind.startswith("="):
        return " · ".join(f"`{word}`" for word in kind[1:].split(","))
    if kind in shapes:
        return "a mapping"
    words = {"[text]": "a list of text", "flag": "true or false", "integer": "a whole number", "any": "any value"}
    return " or ".join(words.get(part, part) for part in kind.split("|"))


PAGE_OF: Final[dict[str, Callable[[], str]]] = {
    "errors.md": errors_page,
    "api.md": api_page,
    "settings.md": settings_page,
    "cli.md": cli_page,
    "custom-properties.md": custom_page,
    "metrics.md": metrics_page,
}


def stale() -> list[str]:
    """The pages that say something else than the source."""
    return [n for n, make in PAGE_OF.items() if not (p := PAGES / n).exists() or p.read_text("utf-8") != make()]


def main(arguments: list[str]) -> int:
    if "--check" in arguments:
        for name in (found := stale()):
            sys.stderr.write(f"docs/reference/{name} is stale: run `{MEND}`\n")
        return 1 if found else 0
    PAGES.mkdir(parents=True, exist_ok=True)
    for name, make in PAGE_OF.items():
        (PAGES / name).write_text(make(), "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
