-- What pages about a run show. Every count is kept by triggers, so that no page reads all answers;
-- beside them stand what people said about rationales and asked of the process, and how far it is.

-- Answers of one model in one outer loop, counted.
CREATE TABLE sampler_tally (
    iteration      INTEGER NOT NULL,
    sampler        TEXT    NOT NULL,
    mode           TEXT    NOT NULL,
    samples        INTEGER NOT NULL DEFAULT 0,
    tokens         INTEGER NOT NULL DEFAULT 0,
    -- Different problems among them.
    problems       INTEGER NOT NULL DEFAULT 0,
    right_answers  INTEGER NOT NULL DEFAULT 0,
    wrong_answers  INTEGER NOT NULL DEFAULT 0,
    cannot_tell    INTEGER NOT NULL DEFAULT 0,
    problems_right INTEGER NOT NULL DEFAULT 0,
    kept           INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (iteration, sampler, mode)
) STRICT, WITHOUT ROWID;

-- The same for one problem.
CREATE TABLE problem_tally (
    iteration     INTEGER NOT NULL,
    sampler       TEXT    NOT NULL,
    mode          TEXT    NOT NULL,
    problem       TEXT    NOT NULL,
    samples       INTEGER NOT NULL DEFAULT 0,
    right_answers INTEGER NOT NULL DEFAULT 0,
    kept          INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (iteration, sampler, mode, problem)
) STRICT, WITHOUT ROWID;
CREATE INDEX problem_tally_by_problem ON problem_tally (problem);

-- One problem over all loops, teachers and controls aside: how often it was asked without the hint,
-- how often some answer was right then, and whether one was right with the hint.
CREATE TABLE problem_history (
    problem     TEXT    NOT NULL PRIMARY KEY,
    asked       INTEGER NOT NULL DEFAULT 0,
    solved      INTEGER NOT NULL DEFAULT 0,
    last_asked  INTEGER NOT NULL DEFAULT -1,
    last_solved INTEGER NOT NULL DEFAULT -1,
    hinted      INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- What problems can be grouped by.
CREATE TABLE problem_meta (
    problem TEXT NOT NULL,
    name    TEXT NOT NULL,
    value   TEXT NOT NULL,
    PRIMARY KEY (problem, name)
) STRICT, WITHOUT ROWID;

-- Problems asked and solved, by what they are grouped by.
CREATE TABLE level_tally (
    iteration INTEGER NOT NULL,
    sampler   TEXT    NOT NULL,
    mode      TEXT    NOT NULL,
    name      TEXT    NOT NULL,
    value     TEXT    NOT NULL,
    problems  INTEGER NOT NULL DEFAULT 0,
    solved    INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (iteration, sampler, mode, name, value)
) STRICT, WITHOUT ROWID;

-- Who solved a problem at all.
CREATE TABLE solver (
    problem TEXT NOT NULL,
    author  TEXT NOT NULL,
    PRIMARY KEY (problem, author)
) STRICT, WITHOUT ROWID;

-- What a person said about a rationale. The last word counts.
CREATE TABLE hand_mark (
    sample INTEGER NOT NULL PRIMARY KEY REFERENCES sample (id),
    mark   TEXT    NOT NULL CHECK (mark IN ('good', 'bad'))
) STRICT;

-- What a person asked of the process that runs. It obeys the last one made since it was started.
CREATE TABLE request (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT    NOT NULL CHECK (kind IN ('pause', 'resume', 'stop'))
) STRICT;

-- How far the process is; written over about once a second. Times are seconds since 1970.
CREATE TABLE progress (
    one       INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    state     TEXT    NOT NULL CHECK (state IN ('running', 'paused', 'parked', 'finished')),
    iteration INTEGER NOT NULL,
    title     TEXT    NOT NULL,
    done      INTEGER NOT NULL,
    total     INTEGER NOT NULL,
    -- Samples or steps, tokens and seconds since this process began the stage, pauses aside.
    made      INTEGER NOT NULL,
    tokens    INTEGER NOT NULL,
    seconds   REAL    NOT NULL,
    loss      REAL,
    heard     REAL    NOT NULL
) STRICT;

INSERT INTO problem_meta
SELECT problem.id, entry.key, entry.value
FROM problem, json_each(problem.body, '$.meta') AS entry;

INSERT INTO problem_tally
SELECT iteration, sampler, mode, problem, count(*),
    count(*) FILTER (WHERE verdict = 'right'),
    count(*) FILTER (WHERE selection.sample IS NOT NULL AND selection.refused IS NULL)
FROM sample
LEFT JOIN verification ON verification.sample = sample.id
LEFT JOIN selection ON selection.sample = sample.id
GROUP BY iteration, sampler, mode, problem;

INSERT INTO sampler_tally
SELECT iteration, sampler, mode, count(*), sum(tokens), count(DISTINCT problem),
    count(*) FILTER (WHERE verdict = 'right'),
    count(*) FILTER (WHERE verdict = 'wrong'),
    count(*) FILTER (WHERE verdict = 'cannot-tell'),
    count(DISTINCT problem) FILTER (WHERE verdict = 'right'),
    count(*) FILTER (WHERE selection.sample IS NOT NULL AND selection.refused IS NULL)
FROM sample
LEFT JOIN verification ON verification.sample = sample.id
LEFT JOIN selection ON selection.sample = sample.id
GROUP BY iteration, sampler, mode;

INSERT INTO level_tally
SELECT iteration, sampler, mode, name, value, count(*),
    count(*) FILTER (WHERE right_answers > 0)
FROM problem_tally JOIN problem_meta USING (problem)
GROUP BY iteration, sampler, mode, name, value;

INSERT INTO problem_history
SELECT problem,
    count(*) FILTER (WHERE mode = 'rationale'),
    count(*) FILTER (WHERE mode = 'rationale' AND right_answers > 0),
    coalesce(max(iteration) FILTER (WHERE mode = 'rationale'), -1),
    coalesce(max(iteration) FILTER (WHERE mode = 'rationale' AND right_answers > 0), -1),
    coalesce(max(mode = 'rationalization' AND right_answers > 0), 0)
FROM problem_tally
WHERE sampler NOT LIKE 'teacher/%' AND sampler NOT LIKE 'control/%'
GROUP BY problem;

INSERT OR IGNORE INTO solver
SELECT problem,
    CASE
        WHEN sampler LIKE 'teacher/%' THEN substr(sampler, 9)
        WHEN sampler LIKE 'student/%' OR sampler LIKE 'base/%' OR sampler LIKE 'warm-start%'
            THEN 'student'
        ELSE sampler
    END
FROM problem_tally WHERE right_answers > 0;

-- Triggers: a program that only reads an older journal makes everything above for itself and leaves
-- out what follows.

CREATE TRIGGER problem_grouped AFTER INSERT ON problem BEGIN
    INSERT OR IGNORE INTO problem_meta
    SELECT NEW.id, entry.key, entry.value FROM json_each(NEW.body, '$.meta') AS entry;
END;

CREATE TRIGGER sample_counted AFTER INSERT ON sample BEGIN
    INSERT INTO sampler_tally (iteration, sampler, mode, samples, tokens)
    VALUES (NEW.iteration, NEW.sampler, NEW.mode, 1, NEW.tokens)
    ON CONFLICT (iteration, sampler, mode)
    DO UPDATE SET samples = samples + 1, tokens = tokens + excluded.tokens;
    INSERT INTO problem_tally (iteration, sampler, mode, problem, samples)
    VALUES (NEW.iteration, NEW.sampler, NEW.mode, NEW.problem, 1)
    ON CONFLICT (iteration, sampler, mode, problem) DO UPDATE SET samples = samples + 1;
END;

CREATE TRIGGER problem_asked AFTER INSERT ON problem_tally BEGIN
    UPDATE sampler_tally SET problems = problems + 1
    WHERE iteration = NEW.iteration AND sampler = NEW.sampler AND mode = NEW.mode;
    INSERT INTO level_tally (iteration, sampler, mode, name, value, problems)
    SELECT NEW.iteration, NEW.sampler, NEW.mode, name, value, 1
    FROM problem_meta WHERE problem = NEW.problem
    ON CONFLICT (iteration, sampler, mode, name, value) DO UPDATE SET problems = problems + 1;
    INSERT INTO problem_history (problem, asked, last_asked)
    SELECT NEW.problem, NEW.mode = 'rationale',
        CASE NEW.mode WHEN 'rationale' THEN NEW.iteration ELSE -1 END
    WHERE NEW.sampler NOT LIKE 'teacher/%' AND NEW.sampler NOT LIKE 'control/%'
    ON CONFLICT (problem) DO UPDATE
    SET asked = asked + excluded.asked, last_asked = max(last_asked, excluded.last_asked);
END;

CREATE TRIGGER problem_solved AFTER UPDATE OF right_answers ON problem_tally
WHEN OLD.right_answers = 0 AND NEW.right_answers > 0 BEGIN
    UPDATE sampler_tally SET problems_right = problems_right + 1
    WHERE iteration = NEW.iteration AND sampler = NEW.sampler AND mode = NEW.mode;
    UPDATE level_tally SET solved = solved + 1
    WHERE iteration = NEW.iteration AND sampler = NEW.sampler AND mode = NEW.mode
        AND (name, value) IN (SELECT name, value FROM problem_meta WHERE problem = NEW.problem);
    UPDATE problem_history
    SET solved = solved + (NEW.mode = 'rationale'),
        last_solved = CASE NEW.mode
            WHEN 'rationale' THEN max(last_solved, NEW.iteration) ELSE last_solved END,
        hinted = max(hinted, NEW.mode = 'rationalization')
    WHERE problem = NEW.problem
        AND NEW.sampler NOT LIKE 'teacher/%' AND NEW.sampler NOT LIKE 'control/%';
    INSERT OR IGNORE INTO solver
    SELECT NEW.problem, CASE
        WHEN NEW.sampler LIKE 'teacher/%' THEN substr(NEW.sampler, 9)
        WHEN NEW.sampler LIKE 'student/%' OR NEW.sampler LIKE 'base/%'
            OR NEW.sampler LIKE 'warm-start%' THEN 'student'
        ELSE NEW.sampler
    END;
END;

CREATE TRIGGER verdict_counted AFTER INSERT ON verification BEGIN
    UPDATE sampler_tally
    SET right_answers = right_answers + (NEW.verdict = 'right'),
        wrong_answers = wrong_answers + (NEW.verdict = 'wrong'),
        cannot_tell = cannot_tell + (NEW.verdict = 'cannot-tell')
    WHERE (iteration, sampler, mode) =
        (SELECT iteration, sampler, mode FROM sample WHERE id = NEW.sample);
    UPDATE problem_tally SET right_answers = right_answers + 1
    WHERE NEW.verdict = 'right' AND (iteration, sampler, mode, problem) =
        (SELECT iteration, sampler, mode, problem FROM sample WHERE id = NEW.sample);
END;

CREATE TRIGGER kept_counted AFTER INSERT ON selection WHEN NEW.refused IS NULL BEGIN
    UPDATE sampler_tally SET kept = kept + 1
    WHERE (iteration, sampler, mode) =
        (SELECT iteration, sampler, mode FROM sample WHERE id = NEW.sample);
    UPDATE problem_tally SET kept = kept + 1
    WHERE (iteration, sampler, mode, problem) =
        (SELECT iteration, sampler, mode, problem FROM sample WHERE id = NEW.sample);
END;

PRAGMA user_version = 4;
