-- The tables of edges/index.py, whose VERSION is raised with any change here.
CREATE TABLE state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    offset INTEGER NOT NULL, sha256 TEXT NOT NULL, progress TEXT
);
CREATE TABLE experiments (
    number INTEGER PRIMARY KEY,
    offset INTEGER NOT NULL, sha256 TEXT NOT NULL,
    verdict TEXT NOT NULL, reason TEXT, tree TEXT NOT NULL, patch_id TEXT NOT NULL,
    failed INTEGER NOT NULL, undone INTEGER NOT NULL,
    words TEXT NOT NULL, tried TEXT NOT NULL
);
CREATE INDEX experiments_by_verdict ON experiments (verdict, number);
CREATE INDEX experiments_by_tree ON experiments (tree, number);
CREATE INDEX experiments_by_patch ON experiments (patch_id, number);
CREATE INDEX experiments_failed ON experiments (number) WHERE failed;
CREATE INDEX experiments_undone ON experiments (number) WHERE undone;
CREATE TABLE tallies (
    verdict TEXT NOT NULL, reason TEXT NOT NULL, count INTEGER NOT NULL,
    tokens INTEGER NOT NULL, usd REAL NOT NULL,
    unpriced INTEGER NOT NULL, unmetered INTEGER NOT NULL,
    PRIMARY KEY (verdict, reason)
);
CREATE TABLE paths (
    path BLOB NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (path, number)
) WITHOUT ROWID;
CREATE TABLE lines (
    hash INTEGER NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (hash, number)
) WITHOUT ROWID;
CREATE TABLE notes (
    number INTEGER PRIMARY KEY, kind TEXT NOT NULL, open INTEGER NOT NULL, note TEXT NOT NULL
);
CREATE INDEX notes_by_kind ON notes (kind, open, number);
CREATE TABLE note_counts (kind TEXT PRIMARY KEY, open INTEGER NOT NULL);
INSERT INTO note_counts VALUES ('idea', 0), ('lesson', 0), ('dead_end', 0);
CREATE TABLE events (offset INTEGER PRIMARY KEY, kind TEXT NOT NULL, sha256 TEXT NOT NULL);
CREATE INDEX events_by_kind ON events (kind, offset);
