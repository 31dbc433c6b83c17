-- compatible: 1
-- Whatever is ordered or found by ranges is in the order of its bytes (COLLATE "C"), as in SQLite, and whatever the machine.
CREATE FUNCTION instr(whole TEXT, part TEXT) RETURNS INTEGER LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN strpos(whole, part);

CREATE FUNCTION never() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a row of % never changes and is never removed', TG_TABLE_NAME;
END $$;

CREATE TABLE domain (
    name TEXT COLLATE "C" PRIMARY KEY,
    description TEXT NOT NULL,
    owner TEXT NOT NULL
);

CREATE TABLE account (
    id TEXT COLLATE "C" PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('person', 'service')),
    name TEXT NOT NULL,
    contact TEXT NOT NULL,
    admin BOOLEAN NOT NULL
);

CREATE TABLE membership (
    domain TEXT COLLATE "C" NOT NULL REFERENCES domain (name),
    account TEXT COLLATE "C" NOT NULL REFERENCES account (id),
    role TEXT NOT NULL CHECK (role IN ('owner', 'developer', 'consumer')),
    PRIMARY KEY (domain, account)
);
CREATE INDEX membership_account ON membership (account);

-- live: the deployment that serves; rolling back follows its `previous`. words: its terms, which search looks through.
CREATE TABLE product (
    id TEXT COLLATE "C" PRIMARY KEY,
    domain TEXT COLLATE "C" NOT NULL REFERENCES domain (name),
    state TEXT COLLATE "C" NOT NULL CHECK (state IN ('draft', 'active', 'deprecated', 'retired')),
    live BIGINT NOT NULL,
    successor TEXT COLLATE "C",
    state_us BIGINT NOT NULL DEFAULT 0,
    words TEXT COLLATE "C" NOT NULL DEFAULT ''
);
CREATE INDEX product_domain ON product (domain);

CREATE TABLE revision (
    product TEXT COLLATE "C" NOT NULL REFERENCES product (id) DEFERRABLE INITIALLY DEFERRED,
    hash TEXT COLLATE "C" NOT NULL,
    number INTEGER NOT NULL,
    spec TEXT NOT NULL,
    bundle TEXT NOT NULL,
    actor TEXT NOT NULL,
    time_us BIGINT NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (product, hash),
    UNIQUE (product, number)
);
CREATE TRIGGER revision_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON revision EXECUTE FUNCTION never();

CREATE TABLE deployment (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    product TEXT COLLATE "C" NOT NULL,
    hash TEXT COLLATE "C" NOT NULL,
    previous BIGINT REFERENCES deployment (id),
    FOREIGN KEY (product, hash) REFERENCES revision (product, hash)
);
ALTER TABLE product ADD FOREIGN KEY (live) REFERENCES deployment (id) DEFERRABLE INITIALLY DEFERRED;

-- What search finds: the words of each live revision, in lower case. A text may be longer than a key of an index.
CREATE TABLE term (
    product TEXT COLLATE "C" NOT NULL REFERENCES product (id),
    kind TEXT NOT NULL,
    text TEXT COLLATE "C" NOT NULL
);
CREATE INDEX term_product ON term (product);
CREATE INDEX term_text ON term USING hash (text) WHERE kind IN ('tag', 'owner');

CREATE TABLE paused_trigger (
    product TEXT COLLATE "C" NOT NULL REFERENCES product (id),
    process TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (product, process, name)
);

CREATE TABLE token (
    id TEXT COLLATE "C" PRIMARY KEY,
    account TEXT COLLATE "C" NOT NULL REFERENCES account (id),
    name TEXT NOT NULL,
    secret_hash BYTEA NOT NULL,
    scopes TEXT NOT NULL,
    products TEXT NOT NULL,
    created_us BIGINT NOT NULL,
    expires_us BIGINT NOT NULL,
    last_used_us BIGINT,
    revoked_us BIGINT
);
CREATE INDEX token_account ON token (account);

-- Schemas of the registry protocol. An id is given once: a sequence never gives it again, deleted or not.
CREATE TABLE schema (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest BYTEA NOT NULL UNIQUE,
    content TEXT NOT NULL
);
CREATE TRIGGER schema_unchanged BEFORE UPDATE ON schema EXECUTE FUNCTION never();

-- versions: how many were given, so that none is given twice.
CREATE TABLE schema_subject (
    name TEXT COLLATE "C" PRIMARY KEY,
    versions INTEGER NOT NULL DEFAULT 0,
    settings TEXT NOT NULL DEFAULT '{}'
);

-- deleted: a schema of a port is never deleted; another's is marked, and then taken away.
CREATE TABLE schema_version (
    subject TEXT COLLATE "C" NOT NULL REFERENCES schema_subject (name),
    version INTEGER NOT NULL,
    schema BIGINT NOT NULL REFERENCES schema (id),
    deleted BOOLEAN NOT NULL DEFAULT FALSE,
    PRIMARY KEY (subject, version)
);
CREATE INDEX schema_version_schema ON schema_version (schema);

-- Which schemas refer to a version of a subject.
CREATE TABLE schema_reference (
    subject TEXT COLLATE "C" NOT NULL,
    version INTEGER NOT NULL,
    schema BIGINT NOT NULL REFERENCES schema (id),
    PRIMARY KEY (subject, version, schema)
);
CREATE INDEX schema_reference_schema ON schema_reference (schema);

-- Which schema a port has in a revision; none where no format carries its contract.
CREATE TABLE port_schema (
    product TEXT COLLATE "C" NOT NULL,
    revision TEXT COLLATE "C" NOT NULL,
    port TEXT COLLATE "C" NOT NULL,
    part TEXT COLLATE "C" NOT NULL CHECK (part IN ('key', 'value')),
    schema BIGINT REFERENCES schema (id),
    PRIMARY KEY (product, revision, port, part),
    FOREIGN KEY (product, revision) REFERENCES revision (product, hash)
);

-- Consents to breaking changes, each to one step of one port: from a revision to a candidate.
CREATE TABLE consent (
    port TEXT COLLATE "C" NOT NULL,
    since TEXT COLLATE "C" NOT NULL,
    candidate TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL CHECK (kind IN ('domain', 'account')),
    owner TEXT COLLATE "C" NOT NULL,
    reason TEXT NOT NULL,
    actor TEXT NOT NULL,
    time_us BIGINT NOT NULL,
    PRIMARY KEY (port, since, candidate, kind, owner)
);
CREATE INDEX consent_candidate ON consent (candidate);

CREATE TABLE audit (
    seq BIGINT PRIMARY KEY,
    time_us BIGINT NOT NULL,
    actor TEXT NOT NULL,
    operation TEXT NOT NULL,
    target TEXT COLLATE "C" NOT NULL,
    before TEXT NOT NULL,
    after TEXT NOT NULL,
    detail TEXT NOT NULL,
    previous TEXT NOT NULL,
    digest TEXT NOT NULL
);
CREATE INDEX audit_target ON audit (target, seq);
CREATE TRIGGER audit_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit EXECUTE FUNCTION never();

-- The last number that the audit gave, so that a missing end is found. Whoever writes to the registry locks this row first.
CREATE TABLE audit_end (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    seq BIGINT NOT NULL
);
INSERT INTO audit_end VALUES (1, 0);

-- Whoever listens hears of an entry when it is committed.
CREATE FUNCTION tell() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify(TG_TABLE_SCHEMA, '');
    RETURN NULL;
END $$;
CREATE TRIGGER audit_told AFTER INSERT ON audit EXECUTE FUNCTION tell();

-- Nodes and leases, by the clock of this server.
CREATE TABLE node (
    id TEXT COLLATE "C" PRIMARY KEY,
    url TEXT NOT NULL,
    roles TEXT NOT NULL,
    version TEXT NOT NULL,
    until_us BIGINT NOT NULL
);

CREATE TABLE lease (
    name TEXT COLLATE "C" PRIMARY KEY,
    holder TEXT COLLATE "C" NOT NULL,
    epoch BIGINT NOT NULL,
    until_us BIGINT NOT NULL
);
