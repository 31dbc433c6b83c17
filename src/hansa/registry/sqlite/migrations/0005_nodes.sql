-- What stands in PostgreSQL in the same form: the last number that the audit gave, so that a missing end is found.
CREATE TABLE audit_end (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    seq INTEGER NOT NULL
);
INSERT INTO audit_end SELECT 1, COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'audit'), 0);

-- All terms of a product, a line each: what search looks through.
ALTER TABLE product ADD COLUMN words TEXT NOT NULL DEFAULT '';
UPDATE product SET words = COALESCE((SELECT group_concat(text, char(10)) FROM term WHERE product = id), '');

-- Which schemas refer to a version of a subject.
CREATE TABLE schema_reference (
    subject TEXT NOT NULL,
    version INTEGER NOT NULL,
    schema INTEGER NOT NULL REFERENCES schema (id),
    PRIMARY KEY (subject, version, schema)
) WITHOUT ROWID;
CREATE INDEX schema_reference_schema ON schema_reference (schema);
INSERT OR IGNORE INTO schema_reference
SELECT json_extract(r.value, '$.subject'), json_extract(r.value, '$.version'), s.id
FROM schema s, json_each(s.content, '$.references') r;

-- Nodes and leases, by the clock of the store.
CREATE TABLE node (
    id TEXT PRIMARY KEY,
    url TEXT NOT NULL,
    roles TEXT NOT NULL,
    version TEXT NOT NULL,
    until_us INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE lease (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    until_us INTEGER NOT NULL
) WITHOUT ROWID;
