"""Every kind of difference, with the words for it. Codes are public and only ever added."""

from __future__ import annotations

from typing import Final, NamedTuple


class Kind(NamedTuple):
    """`backward` says the change where readers of old data are hit (or nobody), `forward` where only old readers are.

    Both take `path`, `old` and `new`. `is_ours` marks a rule that Confluent's checkers do not have.
    """

    meaning: str
    backward: str
    forward: str
    is_ours: bool = False


def _kind(meaning: str, said: str, forward: str | None = None, *, is_ours: bool = False) -> Kind:
    return Kind(meaning, said, forward or said, is_ours)


KINDS: Final[dict[str, Kind]] = {
    "type.changed": _kind("The reader's type cannot hold what was written", "{path} changes from {old} to {new}"),
    "type.narrowed": _kind(
        "The bytes are read, but not every value keeps its meaning: digits, sign or signs are lost",
        "{path} changes from {old} to {new}, which does not hold every value",
        "{path} changes from {old}, which does not hold every value, to {new}",
        is_ours=True,
    ),
    "logical.changed": _kind(
        "The bytes are read, but as something else: another unit, scale or meaning",
        "{path} changes its meaning from {old} to {new}",
        is_ours=True,
    ),
    "field.default_missing": _kind(
        "The reader needs a field that was not written, and has no default for it",
        "{path} is new and has no default",
        "{path} is gone and had no default",
    ),
    "field.required": _kind(
        "The reader needs a field that may be missing in what was written",
        "{path} is required from now on",
        "{path} may be missing from now on",
    ),
    "field.added": _kind(
        "What was written may have the field already, with other values: nothing forbade it",
        "{path} is new in a schema that was open: old data may have it already, as anything",
        "{path} is gone from a schema that is open: new data may have it as anything",
    ),
    "field.refused": _kind(
        "The reader refuses a field that may have been written",
        "{path} is refused from now on",
        "{path} was refused so far, and may come from now on",
    ),
    "field.removed": _kind("A field that readers may rely on is gone", "{path} is gone", is_ours=True),
    "field.new": _kind("A field that may be missing is new; nobody is hit", "{path} is new and may be missing"),
    "field.renamed": _kind(
        "The name changes, the number stays: bytes are read as before, the JSON form is not",
        "{path} is renamed from {old} to {new}: only its JSON form changes",
    ),
    "enum.symbol_missing": _kind(
        "The reader does not know a value that may have been written",
        "{path} changes its values from {old} to {new}",
    ),
    "enum.number_moved": _kind(
        "A number of an enumeration stands for another name",
        "{path} changes from {old} to {new}",
        is_ours=True,
    ),
    "union.branch_missing": _kind(
        "The reader's union has no branch for what may have been written", "{path} changes from {old} to {new}"
    ),
    "union.overlap": _kind(
        "What was written may match two branches of a oneOf, which then refuses it",
        "{path}: some values match more than one of {new}",
        "{path}: some values match more than one of {old}",
        is_ours=True,
    ),
    "name.changed": _kind("A named type has another name and no alias", "{path} is called {new} and was {old}"),
    "alias.ambiguous": _kind(
        "Two fields of the reader stand for one that was written, by name or alias",
        "{path} stands for {old}, as another field does",
        "{path} stood for {new}, as another field did",
        is_ours=True,
    ),
    "size.changed": _kind("A fixed type has another size", "{path} has {new} bytes and had {old}"),
    "limit.tightened": _kind("The reader permits less than what may have been written", "{path}: {old} becomes {new}"),
    "schema.unread": _kind(
        "The schemas cannot be compared there, or the checker of the format refuses them without a place",
        "{path} changes from {old} to {new} in a way that cannot be shown to be safe",
    ),
    "label.changed": _kind("A field becomes repeated, or single", "{path} changes from {old} to {new}", is_ours=True),
    "oneof.joined": _kind(
        "Fields that could be set together share a oneof at the reader, which keeps the last one only",
        "{path} may have only one of {new} from now on; before, several could be set",
        "{path} could have only one of {old}; from now on several may be set",
    ),
    "oneof.field_removed": _kind(
        "A field of a oneof that may be set is unknown to the reader, which finds nothing set",
        "{path} is gone from its oneof",
        "{path} is new in its oneof",
    ),
    "number.reused": _kind(
        "A field takes a number that was reserved: data that is older still may have it",
        "{path} takes the number {new}, which was reserved",
        is_ours=True,
    ),
    "package.changed": _kind("The package is another one", "the package changes from {old} to {new}"),
    "message.missing": _kind(
        "The reader has no such message", "the message {path} is gone", "the message {path} is new"
    ),
    "service.removed": _kind("Clients that call the service break", "the service {path} is gone", is_ours=True),
    "method.removed": _kind("Clients that call the method break", "the method {path} is gone", is_ours=True),
    "method.changed": _kind("A method takes or gives another type", "{path} changes from {old} to {new}", is_ours=True),
    "key.changed": _kind(
        "Records are identified and ordered by other fields", "the key changes from {old} to {new}", is_ours=True
    ),
    "wire.changed": _kind(
        "Records stand on the port's topic in another format",
        "the wire format changes from {old} to {new}",
        is_ours=True,
    ),
    "unique.changed": _kind(
        "Values must be, or need not be, those of one record: whoever publishes is held to it, no reader is hit",
        "{path} changes from {old} to {new}",
        is_ours=True,
    ),
    "reference.new": _kind(
        "Records must refer to one of another port: whoever publishes is held to it, nobody who reads is hit",
        "{path} refers to {new} from now on, and whoever publishes is held to it",
        is_ours=True,
    ),
    "reference.removed": _kind(
        "Records need not refer to one of another port any more; nobody is hit",
        "{path} refers to {old} no more",
        is_ours=True,
    ),
    "reference.changed": _kind(
        "Records refer to something else, or what becomes of those that refer to none changes; no reader is hit",
        "{path} refers to {new}, and referred to {old}",
        is_ours=True,
    ),
    "description.changed": _kind("Only words change; nobody is hit", "{path} is described differently"),
}
