-- Schemas of the registry protocol. An id is given once: AUTOINCREMENT never gives it again, deleted or not.
CREATE TABLE schema (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    digest BLOB NOT NULL UNIQUE,
    content TEXT NOT NULL
);
CREATE TRIGGER schema_unchanged BEFORE UPDATE ON schema
BEGIN SELECT RAISE(ABORT, 'a schema never changes'); END;

-- versions: how many were given, so that none is given twice.
CREATE TABLE schema_subject (
    name TEXT PRIMARY KEY,
    versions INTEGER NOT NULL DEFAULT 0,
    settings TEXT NOT NULL DEFAULT '{}'
) WITHOUT ROWID;

-- deleted: a schema of a port is never deleted; another's is marked, and then taken away.
CREATE TABLE schema_version (
    subject TEXT NOT NULL REFERENCES schema_subject (name),
    version INTEGER NOT NULL,
    schema INTEGER NOT NULL REFERENCES schema (id),
    deleted INTEGER NOT NULL DEFAULT 0 CHECK (deleted IN (0, 1)),
    PRIMARY KEY (subject, version)
) WITHOUT ROWID;
CREATE INDEX schema_version_schema ON schema_version (schema);

-- Which schema a port has in a revision; none where no format carries its contract.
CREATE TABLE port_schema (
    product TEXT NOT NULL,
    revision TEXT NOT NULL,
    port TEXT NOT NULL,
    part TEXT NOT NULL CHECK (part IN ('key', 'value')),
    schema INTEGER REFERENCES schema (id),
    PRIMARY KEY (product, revision, port, part),
    FOREIGN KEY (product, revision) REFERENCES revision (product, hash)
) WITHOUT ROWID;
