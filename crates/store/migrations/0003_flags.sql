-- What is suspicious about a right answer, as a JSON list of flags; NULL in rows from before there
-- were flags. `verification` holds what was found in the answer alone, `selection` what was found by
-- comparing it with the others of its problem.
ALTER TABLE verification ADD COLUMN flags TEXT;
ALTER TABLE selection ADD COLUMN flags TEXT;

PRAGMA user_version = 3;
