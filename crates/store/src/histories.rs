//! Problems over all loops: lists of them, and everything that was written for one.

use autodidact_core::{
    HandMark, Mode, Problem, ProblemId, RefusalReason, Sample, SamplerId, Selection, Split,
};
use sqlx::sqlite::SqliteRow;

use crate::problems::{parse, split_name};
use crate::rows::json_list;
use crate::{Provenance, RunStore, Scored, StoreError, Verified};

/// The number of a recorded sample, for addresses of pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SampleNumber(pub i64);

/// Which problems are wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ProblemFilter {
    /// All that were asked.
    #[default]
    All,
    /// No answer of any loop was right, with the hint or without.
    NeverSolved,
    /// Right answers came with the hint only.
    OnlyWithHint,
    /// Solved in some loops and not in others.
    Flipped,
    /// Solved before, and not when last asked.
    Forgotten,
}

impl ProblemFilter {
    /// Every filter.
    pub const ALL: [Self; 5] = [
        Self::All,
        Self::NeverSolved,
        Self::OnlyWithHint,
        Self::Flipped,
        Self::Forgotten,
    ];

    /// The name used in addresses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::NeverSolved => "never-solved",
            Self::OnlyWithHint => "only-with-hint",
            Self::Flipped => "flipped",
            Self::Forgotten => "forgotten",
        }
    }

    fn condition(self) -> &'static str {
        match self {
            Self::All => "asked + hinted > 0",
            Self::NeverSolved => "asked > 0 AND solved = 0 AND hinted = 0",
            Self::OnlyWithHint => "solved = 0 AND hinted = 1",
            Self::Flipped => "solved > 0 AND solved < asked",
            Self::Forgotten => "solved > 0 AND last_solved < last_asked",
        }
    }
}

/// How many problems pass each filter, in the order of [`ProblemFilter::ALL`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FilterCounts(pub [u64; 5]);

/// A problem with what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ProblemRow {
    /// Its number, for addresses of pages; ascends in the order of recording.
    pub number: i64,
    /// The problem.
    pub problem: Problem,
    /// How often it was asked without the hint.
    pub asked: u64,
    /// How often some answer was right then.
    pub solved: u64,
    /// An answer with the hint was right.
    pub hinted: bool,
}

/// An answer with everything that is known about it.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryEntry {
    /// Its number.
    pub number: SampleNumber,
    /// What was written.
    pub sample: Sample,
    /// What the verifier said; absent while it was not asked.
    pub verified: Option<Verified>,
    /// What was decided; absent where nothing was to be selected.
    pub selection: Option<Selection>,
    /// Where it came from, if from a model behind a network.
    pub provenance: Option<Provenance>,
    /// What a person said about it.
    pub mark: Option<HandMark>,
    /// What judges said about it.
    pub scores: Vec<Scored>,
}

/// How one sampler did on one problem in one outer loop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProblemAsking {
    /// The problem.
    pub problem: ProblemId,
    /// The outer loop; 0 holds the measurements of the base.
    pub iteration: u32,
    /// The model and prompt.
    pub sampler: SamplerId,
    /// With or without the hint.
    pub mode: Mode,
    /// Answers.
    pub samples: u64,
    /// Of these, right ones.
    pub right: u64,
    /// Of these, those kept for training.
    pub kept: u64,
}

/// The columns of a [`HistoryEntry`].
const ENTRY: &str = "SELECT sample.*, verdict, reason, extracted, how, false_step, \
    verification.flags AS flags, selection.sample AS decided, \
    selection.refused AS refused, selection.flags AS compared, \
    provider, model, terms, reasoning, input_tokens, output_tokens, \
    provenance.cost AS cost, request, mark";
/// The tables they come from, beside `sample`.
const ABOUT_SAMPLE: &str = "LEFT JOIN verification ON verification.sample = sample.id \
    LEFT JOIN selection ON selection.sample = sample.id \
    LEFT JOIN provenance ON provenance.sample = sample.id \
    LEFT JOIN hand_mark ON hand_mark.sample = sample.id";

impl RunStore {
    /// How many problems of one split pass each filter.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn filter_counts(&self, split: Split) -> Result<FilterCounts, StoreError> {
        let columns = ProblemFilter::ALL.map(|filter| format!("total({})", filter.condition()));
        let query = format!(
            "SELECT {} FROM problem_history JOIN problem ON problem.id = problem_history.problem \
             WHERE split = ?",
            columns.join(", ")
        );
        let row: (f64, f64, f64, f64, f64) = sqlx::query_as(sqlx::AssertSqlSafe(query))
            .bind(split_name(split))
            .fetch_one(&self.pool)
            .await
            .map_err(self.failed("counting problems"))?;
        let counts = [row.0, row.1, row.2, row.3, row.4];
        Ok(FilterCounts(counts.map(|n| n as u64)))
    }

    /// The problems of one split that pass a filter, in the order they were recorded in, from the
    /// first whose number is above `after`.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn problem_rows(
        &self,
        split: Split,
        filter: ProblemFilter,
        after: i64,
        limit: u32,
    ) -> Result<Vec<ProblemRow>, StoreError> {
        let query = format!(
            "SELECT problem.rowid AS number, body, asked, solved, hinted FROM problem \
             JOIN problem_history ON problem_history.problem = problem.id \
             WHERE split = ? AND problem.rowid > ? AND {} ORDER BY problem.rowid LIMIT ?",
            filter.condition()
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(query))
            .bind(split_name(split))
            .bind(after)
            .bind(limit)
            .fetch_all(&self.pool)
            .await
            .map_err(self.failed("reading problems"))?;
        rows.iter().map(|row| self.problem_row(row)).collect()
    }

    /// One problem by its number.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn problem_by_number(&self, number: i64) -> Result<Option<ProblemRow>, StoreError> {
        let row = sqlx::query(
            "SELECT problem.rowid AS number, body, coalesce(asked, 0) AS asked, \
             coalesce(solved, 0) AS solved, coalesce(hinted, 0) AS hinted FROM problem \
             LEFT JOIN problem_history ON problem_history.problem = problem.id \
             WHERE problem.rowid = ?",
        )
        .bind(number)
        .fetch_optional(&self.pool)
        .await
        .map_err(self.failed("reading a problem"))?;
        row.as_ref().map(|row| self.problem_row(row)).transpose()
    }

    /// The number of a problem, for addresses of pages.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn problem_number(&self, id: &ProblemId) -> Result<Option<i64>, StoreError> {
        sqlx::query_scalar("SELECT rowid FROM problem WHERE id = ?")
            .bind(id.0.clone())
            .fetch_optional(&self.pool)
            .await
            .map_err(self.failed("reading a problem"))
    }

    /// Everything that was written for a problem, by outer loop, sampler, mode and index.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn problem_answers(
        &self,
        problem: &ProblemId,
        skip: u32,
        limit: u32,
    ) -> Result<Vec<HistoryEntry>, StoreError> {
        let query = format!(
            "{ENTRY} FROM problem_tally AS tally \
             JOIN sample USING (iteration, sampler, mode, problem) {ABOUT_SAMPLE} \
             WHERE tally.problem = ? \
             ORDER BY sample.iteration, sample.sampler, sample.mode, sample.sample_index \
             LIMIT ? OFFSET ?"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(query))
            .bind(problem.0.clone())
            .bind(limit)
            .bind(skip)
            .fetch_all(&self.pool)
            .await
            .map_err(self.failed("reading a problem's answers"))?;
        let mut entries = Vec::with_capacity(rows.len());
        for row in &rows {
            let mut entry = self.history_entry(row)?;
            entry.scores = self.scores_of(entry.number).await?;
            entries.push(entry);
        }
        Ok(entries)
    }

    /// One answer with everything that is known about it.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn answer_entry(
        &self,
        sample: SampleNumber,
    ) -> Result<Option<HistoryEntry>, StoreError> {
        let query = format!("{ENTRY} FROM sample {ABOUT_SAMPLE} WHERE sample.id = ?");
        let row = sqlx::query(sqlx::AssertSqlSafe(query))
            .bind(sample.0)
            .fetch_optional(&self.pool)
            .await
            .map_err(self.failed("reading an answer"))?;
        let Some(row) = row else {
            return Ok(None);
        };
        let mut entry = self.history_entry(&row)?;
        entry.scores = self.scores_of(sample).await?;
        Ok(Some(entry))
    }

    /// How some problems went, loop by loop: one entry for each outer loop, sampler and mode that
    /// asked one of them, by loop, sampler and mode.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn problem_askings(
        &self,
        problems: &[&ProblemId],
    ) -> Result<Vec<ProblemAsking>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM problem_tally WHERE problem IN (SELECT value FROM json_each(?)) \
             ORDER BY iteration, sampler, mode",
        )
        .bind(json_list(problems))
        .fetch_all(&self.pool)
        .await
        .map_err(self.failed("reading how problems went"))?;
        rows.iter()
            .map(|row| {
                let count = |name| self.column::<i64>(row, name).map(|n| n as u64);
                Ok(ProblemAsking {
                    problem: ProblemId(self.column(row, "problem")?),
                    iteration: self.column(row, "iteration")?,
                    sampler: SamplerId(self.column(row, "sampler")?),
                    mode: self.word(self.column(row, "mode")?)?,
                    samples: count("samples")?,
                    right: count("right_answers")?,
                    kept: count("kept")?,
                })
            })
            .collect()
    }

    /// How many answers a problem has.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn problem_answer_count(&self, problem: &ProblemId) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar(
            "SELECT coalesce(sum(samples), 0) FROM problem_tally WHERE problem = ?",
        )
        .bind(problem.0.clone())
        .fetch_one(&self.pool)
        .await
        .map_err(self.failed("counting a problem's answers"))?;
        Ok(count as u64)
    }

    /// The problem, by its number, that a sample answers.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn problem_of_sample(&self, sample: SampleNumber) -> Result<Option<i64>, StoreError> {
        sqlx::query_scalar(
            "SELECT problem.rowid FROM sample JOIN problem ON problem.id = sample.problem \
             WHERE sample.id = ?",
        )
        .bind(sample.0)
        .fetch_optional(&self.pool)
        .await
        .map_err(self.failed("reading an answer"))
    }

    async fn scores_of(&self, sample: SampleNumber) -> Result<Vec<Scored>, StoreError> {
        let rows = sqlx::query(
            "SELECT sample.*, score.* FROM score JOIN sample ON sample.id = score.sample \
             WHERE score.sample = ? ORDER BY judge",
        )
        .bind(sample.0)
        .fetch_all(&self.pool)
        .await
        .map_err(self.failed("reading opinions"))?;
        rows.iter().map(|row| self.scored(row)).collect()
    }

    fn problem_row(&self, row: &SqliteRow) -> Result<ProblemRow, StoreError> {
        let body: String = self.column(row, "body")?;
        let count = |name| self.column::<i64>(row, name).map(|n| n as u64);
        Ok(ProblemRow {
            number: self.column(row, "number")?,
            problem: parse(&body)?,
            asked: count("asked")?,
            solved: count("solved")?,
            hinted: self.column(row, "hinted")?,
        })
    }

    fn history_entry(&self, row: &SqliteRow) -> Result<HistoryEntry, StoreError> {
        let verdict: Option<String> = self.column(row, "verdict")?;
        let decided: Option<i64> = self.column(row, "decided")?;
        let mark: Option<String> = self.column(row, "mark")?;
        let selection = decided.map(|_| {
            let refused: Option<String> = self.column(row, "refused")?;
            let refused = refused.map(|name| self.word::<RefusalReason>(name));
            let compared: Option<String> = self.column(row, "compared")?;
            let flags = compared.map(|json| {
                serde_json::from_str(&json).map_err(|error| self.damaged(error.to_string()))
            });
            Ok::<_, StoreError>(Selection {
                key: self.key(row)?,
                refused: refused.transpose()?,
                flags: flags.transpose()?.unwrap_or_default(),
            })
        });
        Ok(HistoryEntry {
            number: SampleNumber(self.column(row, "id")?),
            sample: self.answer(row)?,
            verified: verdict.map(|_| self.verified(row)).transpose()?,
            selection: selection.transpose()?,
            provenance: self.provenance(row)?,
            mark: mark.map(|name| self.word(name)).transpose()?,
            scores: Vec::new(),
        })
    }
}
