//! The tables that triggers keep: answers counted by model, problem, and what problems are grouped by.

use autodidact_core::{Mode, ProblemId, SamplerId};

use crate::{RunStore, StoreError};

/// Answers of one model in one outer loop, counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SamplerTally {
    /// The outer loop; 0 holds the measurements of the base.
    pub iteration: u32,
    /// The model and prompt.
    pub sampler: SamplerId,
    /// With or without the hint.
    pub mode: Mode,
    /// Answers.
    pub samples: u64,
    /// Tokens generated for them.
    pub tokens: u64,
    /// Different problems among them.
    pub problems: u64,
    /// Answers that equal gold.
    pub right: u64,
    /// Answers that do not.
    pub wrong: u64,
    /// Answers that could not be decided on.
    pub cannot_tell: u64,
    /// Different problems with a right answer.
    pub problems_right: u64,
    /// Answers kept for training.
    pub kept: u64,
}

/// How many problems have so many right answers among so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SolvedCount {
    /// Answers to each of the problems.
    pub samples: u64,
    /// Of these, right ones.
    pub right: u64,
    /// How many problems there are like that.
    pub problems: u64,
}

/// Problems asked and solved, of one value of what problems are grouped by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LevelTally {
    /// The outer loop; 0 holds the measurements of the base.
    pub iteration: u32,
    /// The model and prompt.
    pub sampler: SamplerId,
    /// With or without the hint.
    pub mode: Mode,
    /// What problems are grouped by, `digits` for instance.
    pub name: String,
    /// Which group this is.
    pub value: String,
    /// Problems asked.
    pub problems: u64,
    /// Problems with a right answer.
    pub solved: u64,
}

/// Groups shown of one name at most; a name with more is no level.
const GROUPS: i64 = 40;

impl RunStore {
    /// Answers counted by outer loop, model and mode, in that order.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn sampler_tallies(&self) -> Result<Vec<SamplerTally>, StoreError> {
        let rows = sqlx::query("SELECT * FROM sampler_tally ORDER BY iteration, sampler, mode")
            .fetch_all(&self.pool)
            .await
            .map_err(self.failed("reading counts"))?;
        rows.iter()
            .map(|row| {
                let count = |name| self.column::<i64>(row, name).map(|n| n as u64);
                Ok(SamplerTally {
                    iteration: self.column(row, "iteration")?,
                    sampler: SamplerId(self.column(row, "sampler")?),
                    mode: self.word(self.column(row, "mode")?)?,
                    samples: count("samples")?,
                    tokens: count("tokens")?,
                    problems: count("problems")?,
                    right: count("right_answers")?,
                    wrong: count("wrong_answers")?,
                    cannot_tell: count("cannot_tell")?,
                    problems_right: count("problems_right")?,
                    kept: count("kept")?,
                })
            })
            .collect()
    }

    /// How many problems have how many right answers by one model in one outer loop.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn solved_counts(
        &self,
        iteration: u32,
        sampler: &SamplerId,
        mode: Mode,
    ) -> Result<Vec<SolvedCount>, StoreError> {
        let rows: Vec<(i64, i64, i64)> = sqlx::query_as(
            "SELECT samples, right_answers, count(*) FROM problem_tally \
             WHERE iteration = ? AND sampler = ? AND mode = ? \
             GROUP BY samples, right_answers ORDER BY samples, right_answers",
        )
        .bind(iteration)
        .bind(sampler.0.clone())
        .bind(mode.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(self.failed("counting solved problems"))?;
        let counts = rows.into_iter();
        Ok(counts
            .map(|(samples, right, problems)| SolvedCount {
                samples: samples as u64,
                right: right as u64,
                problems: problems as u64,
            })
            .collect())
    }

    /// Which problems one model answered right at least once in one outer loop, without the hint,
    /// ordered by problem id.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn solved_problems(
        &self,
        iteration: u32,
        sampler: &SamplerId,
    ) -> Result<Vec<(ProblemId, bool)>, StoreError> {
        let rows: Vec<(String, bool)> = sqlx::query_as(
            "SELECT problem, right_answers > 0 FROM problem_tally \
             WHERE iteration = ? AND sampler = ? AND mode = 'rationale' ORDER BY problem",
        )
        .bind(iteration)
        .bind(sampler.0.clone())
        .fetch_all(&self.pool)
        .await
        .map_err(self.failed("reading solved problems"))?;
        let marks = rows.into_iter();
        Ok(marks.map(|(id, solved)| (ProblemId(id), solved)).collect())
    }

    /// Problems asked and solved by what they are grouped by; names with too many groups to be a
    /// level are left out.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn level_tallies(&self) -> Result<Vec<LevelTally>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM level_tally WHERE name IN \
             (SELECT name FROM level_tally GROUP BY name HAVING count(DISTINCT value) <= ?) \
             ORDER BY name, value, iteration, sampler, mode",
        )
        .bind(GROUPS)
        .fetch_all(&self.pool)
        .await
        .map_err(self.failed("counting by level"))?;
        rows.iter()
            .map(|row| {
                let count = |name| self.column::<i64>(row, name).map(|n| n as u64);
                Ok(LevelTally {
                    iteration: self.column(row, "iteration")?,
                    sampler: SamplerId(self.column(row, "sampler")?),
                    mode: self.word(self.column(row, "mode")?)?,
                    name: self.column(row, "name")?,
                    value: self.column(row, "value")?,
                    problems: count("problems")?,
                    solved: count("solved")?,
                })
            })
            .collect()
    }

    /// How many training problems each author solved, and how many of them nobody else did; the
    /// student's versions are one author.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn author_solves(&self) -> Result<Vec<(String, u64, u64)>, StoreError> {
        let rows: Vec<(String, i64, i64)> = sqlx::query_as(
            "WITH training AS (SELECT solver.problem, author FROM solver \
              LEFT JOIN problem ON problem.id = solver.problem \
              WHERE coalesce(split, 'train') = 'train'), \
             alone AS (SELECT problem FROM training GROUP BY problem HAVING count(*) = 1) \
             SELECT author, count(*), count(alone.problem) FROM training \
             LEFT JOIN alone USING (problem) GROUP BY author ORDER BY author",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(self.failed("counting unique solves"))?;
        let rows = rows.into_iter();
        Ok(rows.map(|(a, n, m)| (a, n as u64, m as u64)).collect())
    }
}
