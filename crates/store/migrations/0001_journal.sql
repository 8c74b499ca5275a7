-- The journal of one run. Rows are only ever inserted, never changed, so that a run that was
-- killed and started again finds exactly what it had written; the one exception is `stage_time`,
-- which accumulates.

-- Facts about the run as a whole, one row a fact: `spec` holds the TOML the run was started with.
CREATE TABLE run (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

-- What was asked, so that a report can be drawn without the data set.
CREATE TABLE problem (
    id    TEXT NOT NULL PRIMARY KEY,
    split TEXT NOT NULL CHECK (split IN ('train', 'evaluate')),
    -- The whole problem as JSON.
    body  TEXT NOT NULL
) STRICT;

-- Every answer of every model, written before it is looked at.
CREATE TABLE sample (
    id            INTEGER PRIMARY KEY,
    iteration     INTEGER NOT NULL CHECK (iteration >= 0),
    problem       TEXT    NOT NULL,
    sampler       TEXT    NOT NULL,
    mode          TEXT    NOT NULL CHECK (mode IN ('rationale', 'rationalization')),
    sample_index  INTEGER NOT NULL CHECK (sample_index >= 0),
    text          TEXT    NOT NULL,
    finish        TEXT    NOT NULL CHECK (finish IN ('endoftext', 'stop', 'length')),
    tokens        INTEGER NOT NULL CHECK (tokens >= 0),
    -- Sum of natural logarithms; NaN cannot be stored (SQLite makes it NULL), nor can an infinity.
    logprob       REAL    NOT NULL CHECK (logprob BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
    -- The order is the order of reading: one sampler of one iteration, problem by problem.
    UNIQUE (iteration, sampler, mode, problem, sample_index)
) STRICT;

CREATE TABLE verification (
    sample    INTEGER NOT NULL PRIMARY KEY REFERENCES sample (id),
    verdict   TEXT    NOT NULL CHECK (verdict IN ('right', 'wrong', 'cannot-tell')),
    -- Why no decision was possible; present exactly then.
    reason    TEXT,
    extracted TEXT,
    how       TEXT    NOT NULL,
    -- The false step that was found although the answer is right, in words.
    false_step TEXT,
    CHECK ((verdict = 'cannot-tell') = (reason IS NOT NULL))
) STRICT;

CREATE TABLE selection (
    sample  INTEGER NOT NULL PRIMARY KEY REFERENCES sample (id),
    -- NULL: kept for training. Otherwise why not.
    refused TEXT
) STRICT;

-- A finished stage and what it came to, as JSON. A resumed run skips every stage that has a row.
CREATE TABLE stage (
    iteration INTEGER NOT NULL CHECK (iteration >= 0),
    stage     TEXT    NOT NULL,
    result    TEXT    NOT NULL,
    PRIMARY KEY (iteration, stage)
) STRICT;

-- Time spent in a stage so far, over all attempts at it.
CREATE TABLE stage_time (
    iteration INTEGER NOT NULL CHECK (iteration >= 0),
    stage     TEXT    NOT NULL,
    seconds   REAL    NOT NULL CHECK (seconds >= 0),
    PRIMARY KEY (iteration, stage)
) STRICT;

CREATE TABLE loss (
    iteration INTEGER NOT NULL CHECK (iteration >= 0),
    -- What was trained: `student`, `warm-start`, or a control.
    trained   TEXT    NOT NULL,
    -- Optimizer steps, counted as the trainer counts them.
    step      INTEGER NOT NULL CHECK (step >= 0),
    loss      REAL    NOT NULL,
    PRIMARY KEY (iteration, trained, step)
) STRICT, WITHOUT ROWID;

-- Marks the file as ours ("ADCT") and says which format it has; a program that knows only older
-- formats refuses it. Every later migration raises the second number.
PRAGMA application_id = 1094992724;
PRAGMA user_version = 1;
