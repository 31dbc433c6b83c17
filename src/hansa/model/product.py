"""What a revision of a data product contains, as plain values: the registry keeps it, plan compares it.

The runtime describes a product in a worker and sends one `ProductSpec` back; author code is never imported elsewhere.
Ids are strings in the grammar of `hansa.model.ids`; times are in seconds where a name ends in `_s`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

import msgspec

from hansa.model.window import NO_DATES, Dates, Versions, Window

WireFormat = Literal["avro", "json", "protobuf"]


class ProductState(StrEnum):
    DRAFT = "draft"
    ACTIVE = "active"
    DEPRECATED = "deprecated"
    RETIRED = "retired"


class PortKind(StrEnum):
    STREAM = "stream"
    TABLE = "table"
    LOOKUP = "lookup"
    API = "api"
    PREDICTION = "prediction"


class CompatibilityMode(StrEnum):
    """Confluent's modes: whom the next version of a schema may not break. BACKWARD protects readers of data that is
    there, FORWARD readers that keep the old schema, FULL both; a transitive one looks at every earlier version, a plain
    one at the last."""

    NONE = "NONE"
    BACKWARD = "BACKWARD"
    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"
    FORWARD = "FORWARD"
    FORWARD_TRANSITIVE = "FORWARD_TRANSITIVE"
    FULL = "FULL"
    FULL_TRANSITIVE = "FULL_TRANSITIVE"

    @property
    def is_transitive(self) -> bool:
        return self.endswith("_TRANSITIVE")


OnViolation = Literal["refuse", "quarantine", "warn"]
"""What becomes of a record that breaks its contract: its run is refused it, it is set aside, or it is published."""


@dataclass(frozen=True, slots=True)
class RuleSpec:
    """One quality rule of a contract. `id` is unique in it; `path` is the property that it stands at, empty for the
    records as a whole. `operator` compares what is measured with `operands`; empty where the standard says none.
    `action` None is the port's."""

    id: str
    path: str
    kind: Literal["library", "sql", "text", "custom"]
    metric: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    operator: str = ""
    operands: tuple[Any, ...] = ()
    unit: Literal["rows", "percent"] = "rows"
    action: OnViolation | None = None
    dimension: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class ReferenceSpec:
    """One reference of a contract's records: what they have in `fields`, a record of another port has in `to`, in that
    order. `target` is what the document calls that port, empty for the records' own; `port` is its id, empty as long as
    only the contract is known. `action` None is the port's."""

    id: str
    fields: tuple[str, ...]
    to: tuple[str, ...]
    target: str = ""
    port: str = ""
    action: OnViolation | None = None

    @property
    def path(self) -> str:
        return ", ".join(self.fields)


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field of a contract's schema. `type` is the ODCS logicalType; `fields` those of an object, `items` the
    elements of an array or the values of a map, `keys` the keys of a map."""

    name: str
    type: str
    required: bool = False
    description: str = ""
    personal: bool = False
    unique: bool = False
    primary_key_position: int | None = None
    fields: tuple[FieldSpec, ...] = ()
    items: FieldSpec | None = None
    keys: FieldSpec | None = None
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ContractSpec:
    """The part of an ODCS contract that decides at run time. `version` is semver; `key` orders and identifies
    records."""

    id: str
    version: str
    fields: tuple[FieldSpec, ...]
    key: tuple[str, ...] = ()
    description: str = ""
    status: str = "active"
    subject: str | None = None
    """The field that names the person whose data a record is; its bodies are encrypted per subject."""
    compatibility: CompatibilityMode = CompatibilityMode.FULL_TRANSITIVE
    """Whom a later version of the same major may not break."""
    wire_format: WireFormat | None = None
    """How records stand on the port's topic outside of Hansa; None is Avro, or JSON where Avro cannot carry them."""
    rules: tuple[RuleSpec, ...] = ()
    references: tuple[ReferenceSpec, ...] = ()
    on_violation: OnViolation = "refuse"
    whole_batches: bool = False
    """True where one bad record holds back all that are published with it."""
    dates: Dates = NO_DATES
    window: Window | None = None
    """The version before this one that is served, too."""
    on_kafka: bool = False
    """True where the contract names a server of type kafka: records may stand on a topic, whosever they are."""

    @property
    def quarantines(self) -> bool:
        """Whether records may be set aside on their way to the port."""
        actions = {self.on_violation, *(r.action for r in self.rules), *(r.action for r in self.references)}
        return "quarantine" in actions


@dataclass(frozen=True, slots=True)
class OutputPortSpec:
    """`id` is `domain.product/name@major`, which is also its topic in the log; `deprecated` what product.yaml says."""

    id: str
    name: str
    version: str
    kind: PortKind
    contract: ContractSpec
    description: str = ""
    partitions: int = 1
    retention_s: float | None = None
    deprecated: bool = False

    @property
    def is_announced(self) -> bool:
        """True where the author says that it should not be used anew, in product.yaml or in the contract."""
        return self.deprecated or self.contract.status == "deprecated"

    @property
    def previous(self) -> str | None:
        """The id of the older version that is served beside this one."""
        window = self.contract.window
        return None if window is None else f"{self.id.rpartition('@')[0]}@{window.previous}"


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a consumer expects of one field of a port, as a field with those limits alone that it depends on; `line` is
    where product.yaml says so. A type `any` expects that of the contract."""

    field: FieldSpec
    line: int = 0


@dataclass(frozen=True, slots=True)
class InputPortSpec:
    """`name` is what the author calls it; `port` the id of the output port that it reads. `expects` is what it depends
    on: a change of the port is tried against it."""

    name: str
    port: str
    expects: tuple[Expectation, ...] = ()


@dataclass(frozen=True, slots=True)
class ParameterSpec:
    """One parameter of a logic, and the one place where its value comes from."""

    name: str
    source: Literal[
        "value", "ctx", "path", "query", "resource", "connection", "result", "payload", "setting", "default"
    ]
    type: str
    schema: dict[str, Any] | None = None
    required: bool = True


@dataclass(frozen=True, slots=True)
class LogicSpec:
    """`digest` changes when the source of the function changes; `file` is relative to the product's folder."""

    name: str
    kind: Literal["logic", "aggregator"]
    description: str
    file: str
    line: int
    digest: str


@dataclass(frozen=True, slots=True)
class StepSpec:
    """One place of a process: a logic (or a built-in aggregator) with the settings that were given to it there."""

    name: str
    logic: str
    settings: dict[str, Any] = field(default_factory=dict)
    parameters: tuple[ParameterSpec, ...] = ()
    builtin: bool = False


@dataclass(frozen=True, slots=True)
class FlowSpec:
    """One node of a process: a step, or a composition of steps. `name` is that of the step, for `when` that of the
    predicate; `branches` are those of `parallel`, the one way of `each`, the two of `when` (True, then False)."""

    kind: Literal["step", "parallel", "each", "when"]
    name: str = ""
    branches: tuple[tuple[FlowSpec, ...], ...] = ()
    quorum: int | None = None
    timeout_s: float | None = None
    concurrency: int = 1

    def __str__(self) -> str:
        """As its author wrote it, but for settings."""
        if self.kind == "step":
            return self.name
        ways = [
            flow_text(branch) if len(branch) < 2 else f"({flow_text(branch)})" for branch in self.branches if branch
        ]
        told = [self.name] if self.name else []
        options = {"quorum": self.quorum, "timeout_s": self.timeout_s}
        given = [f"{name}={value:g}" for name, value in options.items() if value is not None]
        given += [f"concurrency={self.concurrency}"] if self.concurrency > 1 else []
        return f"{self.kind}({', '.join((*told, *ways, *given))})"


def flow_text(flow: tuple[FlowSpec, ...]) -> str:
    """The nodes of a flow in one line."""
    return " → ".join(map(str, flow))


class _Trigger(msgspec.Struct, frozen=True, tag_field="kind"):
    """Triggers are a tagged union: `kind` says which one it is, here and on the wire."""

    @property
    def kind(self) -> str:
        return str(self.__struct_config__.tag)


class HttpTrigger(_Trigger, frozen=True, tag="http"):
    """A route. `path` is absolute with `{names}`; a sync call waits `wait_s` and then answers 202 with the run's id."""

    method: str
    path: str
    mode: Literal["sync", "async"] = "sync"
    wait_s: float = 15.0
    encapsulated: bool = False
    body: Literal["none", "json", "form", "text", "bytes"] = "json"
    body_schema: dict[str, Any] | None = None
    result_schema: dict[str, Any] | None = None
    public: bool = False
    body_max_bytes: int = 10 * 1024 * 1024


class PortTrigger(_Trigger, frozen=True, tag="port"):
    """A subscription to an output port. `where` holds the filter's equalities; `start` is where a new one begins."""

    port: str
    batch: int = 1
    where: dict[str, Any] = {}
    start: Literal["earliest", "latest"] = "earliest"
    single: bool = False
    """True where the first logic takes one record at a time and is lifted over the batch."""


class EventTrigger(_Trigger, frozen=True, tag="event"):
    """A subscription to events by name, and optionally source, target and equalities over the payload."""

    name: str
    source: str | None = None
    target: str | None = None
    where: dict[str, Any] = {}
    batch: int = 1
    start: Literal["earliest", "latest"] = "latest"
    single: bool = True


class KafkaTrigger(_Trigger, frozen=True, tag="kafka"):
    """A subscription to a topic that another system owns, through a connection of type kafka. `value` says what its
    messages are: JSON, records behind the framing of a schema registry, text or bytes. `since` is where a new one
    begins on the topic."""

    topic: str
    connection: str
    batch: int = 1
    value: Literal["json", "registry", "text", "bytes"] = "json"
    since: Literal["earliest", "latest"] = "earliest"
    single: bool = True
    whole: bool = False
    """True where logic takes the whole message and not its value alone."""

    @property
    def source(self) -> str:
        """The topic by the product's name of it."""
        return f"{self.connection}/{self.topic}"

    @property
    def start(self) -> Literal["earliest"]:
        """Where a process begins in what has landed."""
        return "earliest"


Following = PortTrigger | EventTrigger | KafkaTrigger
"""Triggers that follow a topic of the log, batch by batch."""


class ScheduleTrigger(_Trigger, frozen=True, tag="schedule"):
    """`cron` (five fields, in `timezone`) or `every_s`, exactly one. Times are logical: each fires once."""

    cron: str | None = None
    every_s: float | None = None
    timezone: str = "UTC"
    overlap: Literal["skip", "queue", "allow"] = "skip"
    catch_up: Literal["none", "one", "all"] = "one"
    payload: Any = None


class OnceTrigger(_Trigger, frozen=True, tag="once"):
    """Fires one time: at `at` (RFC 3339), or as soon as the revision is live where that is None."""

    at: str | None = None
    payload: Any = None


class ManualTrigger(_Trigger, frozen=True, tag="manual"):
    """Every process can be started by hand; declaring it documents that this is how it is meant."""


Trigger = HttpTrigger | PortTrigger | EventTrigger | KafkaTrigger | ScheduleTrigger | OnceTrigger | ManualTrigger


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`attempts` in all, the first included; the n-th retry waits `delay_s * factor**(n-1)`, at most `delay_max_s`."""

    attempts: int = 1
    delay_s: float = 1.0
    factor: float = 2.0
    delay_max_s: float = 300.0


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """Logic composed, with its triggers; the last step is the aggregator."""

    name: str
    steps: tuple[StepSpec, ...]
    """Every place where a logic stands, in the order written."""
    triggers: tuple[Trigger, ...] = ()
    description: str = ""
    use_case: str | None = None
    tags: tuple[str, ...] = ()
    timeout_s: float = 180.0
    retry: RetryPolicy = RetryPolicy()
    durability: Literal["run", "step", "none"] = "run"
    concurrency: int | None = None
    reads: tuple[str, ...] = ()
    """Ports that the process looks up or subscribes to, as far as its source says; runs tell the rest."""
    publishes: tuple[str, ...] = ()
    file: str = ""
    line: int = 0
    flow: tuple[FlowSpec, ...] = ()
    """How the steps are composed; empty in a revision that an older Hansa has described: in order."""
    fields: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By port that it reads, the fields that its code uses. Of a port that is missing here it may use all."""


@dataclass(frozen=True, slots=True)
class Person:
    name: str
    role: str = ""
    contact: str = ""


@dataclass(frozen=True, slots=True)
class LimitSpec:
    """What one worker of the product may use."""

    memory_max_bytes: int = 4 * 1024**3
    file_max_bytes: int = 256 * 1024**2
    open_files_max: int = 256
    output_max_bytes: int = 64 * 1024
    workers_max: int = 2


@dataclass(frozen=True, slots=True)
class ProductSpec:
    """One revision of a data product, described."""

    id: str
    name: str
    description: str = ""
    version: str = "0.1.0"
    owner: str = ""
    team: tuple[Person, ...] = ()
    support: tuple[dict[str, str], ...] = ()
    tags: tuple[str, ...] = ()
    outputs: tuple[OutputPortSpec, ...] = ()
    inputs: tuple[InputPortSpec, ...] = ()
    connections: tuple[str, ...] = ()
    logic: tuple[LogicSpec, ...] = ()
    processes: tuple[ProcessSpec, ...] = ()
    requirements: tuple[str, ...] = ()
    limits: LimitSpec = LimitSpec()
    translators: dict[str, str] = field(default_factory=dict)
    """The digest of each translator's source, by its name; empty in a revision that an older Hansa has described."""
    status: str = ""
    """What product.yaml says of its state. The registry decides: plan tells where they differ."""

    @property
    def domain(self) -> str:
        return self.id.partition(".")[0]

    @property
    def has_resources(self) -> bool:
        """Whether its logic takes what is made once per worker, by `@product.resource`."""
        steps = [step for process in self.processes for step in process.steps]
        return any(parameter.source == "resource" for step in steps for parameter in step.parameters)

    def process(self, name: str) -> ProcessSpec | None:
        """The process of that name, or None."""
        return next((p for p in self.processes if p.name == name), None)

    def output(self, port: str) -> OutputPortSpec | None:
        """The output port of that id, or None."""
        return next((p for p in self.outputs if p.id == port), None)

    def references(self, port: str) -> tuple[str, ...]:
        """The fields of a port by which records of this product's ports refer to it, in order."""
        found = (one for output in self.outputs for one in output.contract.references if one.port == port)
        return tuple(sorted({name for one in found for name in one.to}))

    def windows(self) -> Iterator[tuple[OutputPortSpec, OutputPortSpec]]:
        """(older, newer) for each version window."""
        return windows_among(self.outputs)

    def quarantining(self) -> Iterator[OutputPortSpec]:
        """The ports on whose way records may be set aside: where their contract says so, and older versions."""
        older = {port.id for port, _ in self.windows()}
        return (port for port in self.outputs if port.contract.quarantines or port.id in older)

    def successor(self, port: str) -> OutputPortSpec | None:
        """The version that takes the place of `port`, where there is a window."""
        return next((newer for older, newer in self.windows() if older.id == port), None)


def windows_among(outputs: Iterable[OutputPortSpec]) -> Iterator[tuple[OutputPortSpec, OutputPortSpec]]:
    """(older, newer) for each version window among the ports of a product."""
    ports = {port.id: port for port in outputs}
    return ((ports[newer.previous], newer) for newer in ports.values() if newer.previous in ports)


def versions_of(older: OutputPortSpec, newer: OutputPortSpec) -> Versions:
    """What the two versions of a window say of it."""
    return Versions(older.id, newer.id, older.contract.dates, newer.contract.dates, older.is_announced)
