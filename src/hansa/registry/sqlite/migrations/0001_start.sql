CREATE TABLE domain (
    name TEXT PRIMARY KEY,
    description TEXT NOT NULL,
    owner TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE account (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('person', 'service')),
    name TEXT NOT NULL,
    contact TEXT NOT NULL,
    admin INTEGER NOT NULL CHECK (admin IN (0, 1))
) WITHOUT ROWID;

CREATE TABLE membership (
    domain TEXT NOT NULL REFERENCES domain (name),
    account TEXT NOT NULL REFERENCES account (id),
    role TEXT NOT NULL CHECK (role IN ('owner', 'developer', 'consumer')),
    PRIMARY KEY (domain, account)
) WITHOUT ROWID;
CREATE INDEX membership_account ON membership (account);

-- live: the deployment that serves; rolling back follows its `previous`.
CREATE TABLE product (
    id TEXT PRIMARY KEY,
    domain TEXT NOT NULL REFERENCES domain (name),
    state TEXT NOT NULL CHECK (state IN ('draft', 'active', 'deprecated', 'retired')),
    live INTEGER NOT NULL REFERENCES deployment (id) DEFERRABLE INITIALLY DEFERRED
) WITHOUT ROWID;
CREATE INDEX product_domain ON product (domain);

CREATE TABLE revision (
    product TEXT NOT NULL REFERENCES product (id) DEFERRABLE INITIALLY DEFERRED,
    hash TEXT NOT NULL,
    number INTEGER NOT NULL,
    spec TEXT NOT NULL,
    bundle TEXT NOT NULL,
    actor TEXT NOT NULL,
    time_us INTEGER NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (product, hash),
    UNIQUE (product, number)
);
CREATE TRIGGER revision_unchanged BEFORE UPDATE ON revision
BEGIN SELECT RAISE(ABORT, 'a revision never changes'); END;
CREATE TRIGGER revision_kept BEFORE DELETE ON revision
BEGIN SELECT RAISE(ABORT, 'a revision is never removed'); END;

CREATE TABLE deployment (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    product TEXT NOT NULL,
    hash TEXT NOT NULL,
    previous INTEGER REFERENCES deployment (id),
    FOREIGN KEY (product, hash) REFERENCES revision (product, hash)
);

-- What search finds: the words of each live revision, in lower case.
CREATE TABLE term (
    product TEXT NOT NULL REFERENCES product (id),
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (product, kind, text)
) WITHOUT ROWID;
CREATE INDEX term_text ON term (kind, text);

CREATE TABLE paused_trigger (
    product TEXT NOT NULL REFERENCES product (id),
    process TEXT NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (product, process, position)
) WITHOUT ROWID;

CREATE TABLE schedule (
    product TEXT NOT NULL REFERENCES product (id),
    process TEXT NOT NULL,
    position INTEGER NOT NULL,
    last_us INTEGER NOT NULL,
    PRIMARY KEY (product, process, position)
) WITHOUT ROWID;

CREATE TABLE token (
    id TEXT PRIMARY KEY,
    account TEXT NOT NULL REFERENCES account (id),
    name TEXT NOT NULL,
    secret_hash BLOB NOT NULL,
    scopes TEXT NOT NULL,
    products TEXT NOT NULL,
    created_us INTEGER NOT NULL,
    expires_us INTEGER NOT NULL,
    last_used_us INTEGER,
    revoked_us INTEGER
) WITHOUT ROWID;
CREATE INDEX token_account ON token (account);

CREATE TABLE audit (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    time_us INTEGER NOT NULL,
    actor TEXT NOT NULL,
    operation TEXT NOT NULL,
    target TEXT NOT NULL,
    before TEXT NOT NULL,
    after TEXT NOT NULL,
    detail TEXT NOT NULL,
    previous TEXT NOT NULL,
    digest TEXT NOT NULL
);
CREATE INDEX audit_target ON audit (target);
CREATE TRIGGER audit_unchanged BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'an audit entry never changes'); END;
CREATE TRIGGER audit_kept BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'an audit entry is never removed'); END;
