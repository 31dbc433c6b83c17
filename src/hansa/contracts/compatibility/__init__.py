"""May a new schema take the place of an old one: Confluent's modes over contracts, Avro, JSON Schema and Protobuf.

`contract.differences`, `avro.compatibility`, `json_schema.compatibility` and `protobuf.compatibility` give the same
`verdict.Verdict`: each difference with its path, a stable kind (`kinds.KINDS`) and who is hit.
"""
