-- Consents to breaking changes, each to one step of one port: from a revision to a candidate.
CREATE TABLE consent (
    port TEXT NOT NULL,
    since TEXT NOT NULL,
    candidate TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('domain', 'account')),
    owner TEXT NOT NULL,
    reason TEXT NOT NULL,
    actor TEXT NOT NULL,
    time_us INTEGER NOT NULL,
    PRIMARY KEY (port, since, candidate, kind, owner)
) WITHOUT ROWID;
CREATE INDEX consent_candidate ON consent (candidate);

-- Where readers of a deprecated or retired product are to go, and since when it has been in its state (0: for long).
ALTER TABLE product ADD COLUMN successor TEXT;
ALTER TABLE product ADD COLUMN state_us INTEGER NOT NULL DEFAULT 0;
