"""Bitol ODPS and ODCS files in, records and checks out: what a product promises, read from its YAML.

`odps.read_product` → `ProductSpec`, `odcs.read_contract` → `ContractSpec`, and with the whole documents
`odps.read_files`; `standards` says what a document may hold, `custom` what Hansa adds to it. `export` makes the
documents of what is live, `write` their YAML and JSON. `types.record_type` makes the class of a contract's records,
`generate.generate_ports` writes it down as `ports.py`, `check.Validator` checks plain data against it.
"""
