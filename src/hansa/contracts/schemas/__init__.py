"""Schemas derived from a contract, and records to and from the bytes of each format.

`contract.record_of(contract)` decides each field's type once; `logical` has the types. Each format is one module with
the same names:

    derive(record, …)   the schema in the format's own form
    Codec(record, …)    `encode` and `decode` records; `avro`, `json_schema`, `protobuf`, `arrow`

`sql` derives tables and has no codec: rows come through Arrow. The class for authors is `hansa.contracts.types`.

What a format cannot carry is refused when its schema is derived (`schema.unrepresentable`, with path and hint), and a
value that its type does not hold when a record is encoded (`value.unrepresentable`): nothing is changed silently.
Libraries of formats are loaded by what needs them; `hansa[formats]` brings them.
"""

from typing import Literal

Format = Literal["avro", "json-schema", "json-schema-open", "protobuf", "postgresql", "duckdb"]
"""What `written.schema_text` can write."""
