-- Answers of models behind a network: where they came from and what they cost.
CREATE TABLE provenance (
    sample        INTEGER NOT NULL PRIMARY KEY REFERENCES sample (id),
    provider      TEXT    NOT NULL,
    -- The model's name as the provider gives it.
    model         TEXT    NOT NULL,
    -- Whether the provider's terms let the answer train other models.
    terms         TEXT    NOT NULL,
    -- What the provider shows of the reasoning.
    reasoning     TEXT,
    input_tokens  INTEGER,
    output_tokens INTEGER,
    -- Nano-dollars; NULL where the price is unknown.
    cost          INTEGER CHECK (cost >= 0),
    -- The provider's name for the request.
    request       TEXT
) STRICT;

-- Requests that were answered, and paid, without an answer in them: refused, filtered, empty. They
-- are not repeated.
CREATE TABLE unanswered (
    iteration    INTEGER NOT NULL CHECK (iteration >= 0),
    sampler      TEXT    NOT NULL,
    mode         TEXT    NOT NULL CHECK (mode IN ('rationale', 'rationalization')),
    problem      TEXT    NOT NULL,
    sample_index INTEGER NOT NULL CHECK (sample_index >= 0),
    outcome      TEXT    NOT NULL,
    detail       TEXT    NOT NULL,
    cost         INTEGER CHECK (cost >= 0),
    PRIMARY KEY (iteration, sampler, mode, problem, sample_index)
) STRICT, WITHOUT ROWID;

-- Money set aside for requests under way, written before they are sent. One that a killed process
-- left behind stays spent: its request may have been answered and charged.
CREATE TABLE reservation (
    ticket INTEGER NOT NULL PRIMARY KEY,
    model  TEXT    NOT NULL,
    amount INTEGER NOT NULL CHECK (amount >= 0)
) STRICT;

-- Money spent, in nano-dollars. `unpriced` counts requests whose cost nobody knows.
CREATE TABLE spending (
    model    TEXT    NOT NULL PRIMARY KEY,
    amount   INTEGER NOT NULL CHECK (amount >= 0),
    requests INTEGER NOT NULL CHECK (requests >= 0),
    unpriced INTEGER NOT NULL CHECK (unpriced >= 0)
) STRICT, WITHOUT ROWID;

-- Opinions of judges. NaN and infinities cannot be stored.
CREATE TABLE score (
    sample      INTEGER NOT NULL REFERENCES sample (id),
    judge       TEXT    NOT NULL,
    helpfulness REAL    CHECK (helpfulness BETWEEN -1e6 AND 1e6),
    correctness REAL    CHECK (correctness BETWEEN -1e6 AND 1e6),
    coherence   REAL    CHECK (coherence   BETWEEN -1e6 AND 1e6),
    complexity  REAL    CHECK (complexity  BETWEEN -1e6 AND 1e6),
    verbosity   REAL    CHECK (verbosity   BETWEEN -1e6 AND 1e6),
    overall     REAL    CHECK (overall     BETWEEN -1e6 AND 1e6),
    -- Why there is no score; present exactly when `overall` is not.
    refused     TEXT,
    cost        INTEGER CHECK (cost >= 0),
    CHECK ((overall IS NULL) = (refused IS NOT NULL)),
    PRIMARY KEY (sample, judge)
) STRICT, WITHOUT ROWID;

-- One answer made of many, as JSON.
CREATE TABLE outcome (
    problem TEXT NOT NULL PRIMARY KEY,
    result  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Jobs of batch interfaces. A row without `job` was being submitted when the process ended.
CREATE TABLE batch_job (
    id      INTEGER NOT NULL PRIMARY KEY,
    model   TEXT    NOT NULL,
    -- The provider's name for the job.
    job     TEXT,
    -- The keys of its samples as JSON, in the order of their custom ids.
    keys    TEXT    NOT NULL,
    ticket  INTEGER,
    done    INTEGER NOT NULL DEFAULT 0 CHECK (done IN (0, 1))
) STRICT;

PRAGMA user_version = 2;
