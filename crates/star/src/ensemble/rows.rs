//! The data set that comes out: one line an answer, written from the journal in the file's order.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::Path;

use autodidact_core::{
    Attribute, Message, Mode, Problem, ProblemId, Sample, SampleKey, SamplerId, Strategy, Usd,
};
use autodidact_judges::{Calibration, JudgeCalibration};
use autodidact_store::{Provenance, Scored};
use serde::{Deserialize, Serialize};

use crate::StarError;
use crate::ensemble::answer::Ensemble;
use crate::ensemble::asking::{candidates, question_text};
use crate::ensemble::candidate::{Candidate, let_one_judge_count};
use crate::ensemble::data_set::{DataSet, Outcome, read};
use crate::ensemble::tally::{Counted, ModelSummary, Tally};

/// Problems read from the journal at once.
const CHUNK: usize = 256;

/// A line of the data set. `prompt` and `completion` are what `autodidact train` reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SampleRow {
    /// The problem's id.
    pub problem: String,
    /// The question.
    pub question: String,
    /// The question as a conversation, without instruction and without other models' answers.
    pub prompt: Vec<Message>,
    /// The whole text of the answer.
    pub completion: String,
    /// The final answer it states.
    pub answer: Option<String>,
    /// Gold, where there is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gold: Option<String>,
    /// Whether the final answer equals gold.
    pub right: Option<bool>,
    /// It won by the ensemble's strategy.
    pub chosen: bool,
    /// The model's name in the file.
    pub model: String,
    /// Which of this model's answers it is; fused answers name their layer.
    pub sampler: String,
    /// Counts this sampler's answers to the problem from 0.
    pub index: u32,
    /// The provider.
    pub provider: String,
    /// The model's name as the provider gives it.
    pub provider_model: String,
    /// Whether the provider's terms let the answer train other models.
    pub terms: String,
    /// `endoftext`, `stop` or `length`.
    pub finish: String,
    /// What the provider shows of the reasoning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
    /// Attributes by the judge that counts.
    pub scores: Option<BTreeMap<Attribute, f64>>,
    /// Its overall score.
    pub overall: Option<f64>,
    /// What the answer cost.
    pub cost_usd: Option<Usd>,
}

/// What came of a data set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DataSetSummary {
    /// Problems of the file, as far as it was asked for.
    pub problems: u64,
    /// Problems with an outcome.
    pub answered: u64,
    /// Of these, problems with a chosen answer.
    pub chosen: u64,
    /// Chosen answers that equal gold; null without gold.
    pub right: Option<u64>,
    /// How answers were chosen.
    pub strategy: Strategy,
    /// Each model's part.
    pub models: Vec<ModelSummary>,
    /// How well each judge's scores tell right from wrong.
    pub judges: Vec<JudgeCalibration>,
    /// All of it; null where a price is unknown.
    pub cost_usd: Option<Usd>,
    /// Lines written.
    pub lines: u64,
}

/// Which answers become lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// Every answer.
    All,
    /// The chosen ones.
    Chosen,
}

impl Ensemble {
    /// Writes the data set to `out` and sums it up, both from the journal alone.
    pub async fn write_rows(
        &self,
        data: &DataSet,
        lines: Lines,
        out: Option<&Path>,
    ) -> Result<DataSetSummary, StarError> {
        let mut file = out.map(LineFile::create).transpose()?;
        let mut sums = Sums::default();
        let (mut problems, reader) = read(data);
        let mut chunk = Vec::with_capacity(CHUNK);
        while problems.recv_many(&mut chunk, CHUNK).await > 0 {
            let mut answers = self.journaled(&chunk, data).await?;
            for problem in chunk.drain(..) {
                let (candidates, outcome) = answers.remove(&problem.id).unwrap_or_default();
                sums.count(&problem, &candidates, outcome.as_ref());
                let Some(file) = &mut file else { continue };
                for candidate in &candidates {
                    let chosen = is_winner(outcome.as_ref(), &candidate.key);
                    if chosen || lines == Lines::All {
                        file.write(&row(&problem, candidate, chosen))?;
                    }
                }
            }
        }
        reader.await.map_err(|_| StarError::Worker)??;
        let lines = file.map_or(Ok(0), LineFile::finish)?;
        self.summary(sums, lines).await
    }

    async fn summary(&self, sums: Sums, lines: u64) -> Result<DataSetSummary, StarError> {
        let mut tally = sums.tally;
        for (sampler, outcome, count) in self.store.unanswered_counts().await? {
            let model = sampler.0.split('/').next().unwrap_or_default();
            tally.unanswered(model, &outcome, count);
        }
        let spending = self.store.spending().await?;
        let known = spending.values().all(|spent| spent.unpriced == 0);
        let total = spending.values().map(|s| s.amount + s.unsettled).sum();
        Ok(DataSetSummary {
            problems: sums.problems,
            answered: sums.answered,
            chosen: sums.chosen,
            right: sums.right,
            strategy: self.spec.strategy,
            models: tally.finish(&spending),
            judges: sums.calibration.report(),
            cost_usd: known.then_some(total),
            lines,
        })
    }

    /// All answers to some problems with their scores, and the outcomes.
    async fn journaled(
        &self,
        problems: &[Problem],
        data: &DataSet,
    ) -> Result<HashMap<ProblemId, (Vec<Candidate>, Option<Outcome>)>, StarError> {
        let ids: Vec<&ProblemId> = problems.iter().map(|problem| &problem.id).collect();
        let by_id: HashMap<&ProblemId, &Problem> = ids.iter().copied().zip(problems).collect();
        let mut found: HashMap<ProblemId, (Vec<Candidate>, Option<Outcome>)> = HashMap::new();
        for (member, sampler) in self.samplers() {
            let answers = self
                .store
                .answers(0, &sampler, Mode::Rationale, &ids)
                .await?;
            if answers.is_empty() {
                continue;
            }
            let scores = if self.judging.is_empty() {
                Vec::new()
            } else {
                self.store
                    .scores(0, &sampler, Mode::Rationale, &ids)
                    .await?
            };
            let mut scores = by_key(scores);
            let mut by_problem: HashMap<ProblemId, Vec<(Sample, Provenance)>> = HashMap::new();
            for (sample, provenance) in answers {
                let answers = by_problem.entry(sample.key.problem.clone()).or_default();
                answers.push((sample, provenance.unwrap_or_default()));
            }
            for (id, answers) in by_problem {
                let Some(problem) = by_id.get(&id) else {
                    continue;
                };
                let kind = data.verify;
                let mut all = candidates(&self.checker, &member, answers, problem, kind).await?;
                for one in &mut all {
                    one.judged(scores.remove(&one.key).unwrap_or_default());
                }
                found.entry(id).or_default().0.extend(all);
            }
        }
        for (candidates, _) in found.values_mut() {
            let_one_judge_count(candidates, self.judging.names());
        }
        for (id, json) in self.store.outcomes(&ids).await? {
            let outcome = serde_json::from_str(&json)
                .map_err(|e| StarError::Spec(format!("an outcome in the journal: {e}")))?;
            found.entry(id).or_default().1 = Some(outcome);
        }
        Ok(found)
    }

    /// Every sampler of this command, with its model's name, in the order of the file.
    fn samplers(&self) -> Vec<(String, SamplerId)> {
        let layers = match self.spec.strategy {
            Strategy::Fuse => self.spec.fuse.layers,
            _ => 0,
        };
        let names = || self.members.iter().map(|member| member.name().to_owned());
        let mut samplers = Vec::new();
        for layer in 0..=layers {
            samplers.extend(names().map(|name| {
                let sampler = super::asking::sampler(&name, layer);
                (name, sampler)
            }));
        }
        samplers
    }
}

/// What is counted while rows are written.
#[derive(Default)]
struct Sums {
    tally: Tally,
    calibration: Calibration,
    problems: u64,
    answered: u64,
    chosen: u64,
    right: Option<u64>,
}

impl Sums {
    fn count(&mut self, problem: &Problem, candidates: &[Candidate], outcome: Option<&Outcome>) {
        self.problems += 1;
        self.answered += u64::from(outcome.is_some());
        let winner = candidates.iter().find(|c| is_winner(outcome, &c.key));
        self.chosen += u64::from(winner.is_some());
        if problem.gold.is_some() && outcome.is_some() {
            let right = winner.and_then(|w| w.right) == Some(true);
            *self.right.get_or_insert(0) += u64::from(right);
        }
        self.tally.problem(candidates.iter().map(|c| Counted {
            model: &c.model,
            right: c.right,
            kept: is_winner(outcome, &c.key),
            terms: &c.provenance.terms,
        }));
        for candidate in candidates {
            let Some(right) = candidate.right else {
                continue;
            };
            for (judge, opinion) in &candidate.opinions {
                if let Ok(scores) = opinion {
                    self.calibration.add(judge, &problem.id.0, scores, right);
                }
            }
        }
    }
}

fn is_winner(outcome: Option<&Outcome>, key: &SampleKey) -> bool {
    outcome.is_some_and(|outcome| outcome.winner.as_ref() == Some(key))
}

fn by_key(scores: Vec<Scored>) -> HashMap<SampleKey, Vec<Scored>> {
    let mut by_key: HashMap<SampleKey, Vec<Scored>> = HashMap::new();
    for scored in scores {
        by_key.entry(scored.key.clone()).or_default().push(scored);
    }
    by_key
}

fn row(problem: &Problem, candidate: &Candidate, chosen: bool) -> SampleRow {
    let provenance = &candidate.provenance;
    SampleRow {
        problem: problem.id.0.clone(),
        question: problem.question.clone(),
        prompt: vec![Message::user(question_text(problem))],
        completion: candidate.text.clone(),
        answer: candidate.answer.clone(),
        gold: problem.gold.as_ref().map(|gold| gold.0.clone()),
        right: candidate.right,
        chosen,
        model: candidate.model.clone(),
        sampler: candidate.key.sampler.0.clone(),
        index: candidate.key.index,
        provider: provenance.provider.clone(),
        provider_model: provenance.model.clone(),
        terms: provenance.terms.clone(),
        finish: candidate.finish.as_str().to_owned(),
        reasoning: provenance.reasoning.clone(),
        scores: candidate.scores.as_ref().map(|s| s.attributes().clone()),
        overall: candidate.overall(),
        cost_usd: candidate.cost(),
    }
}

/// A file that appears under its name only when it is whole.
pub(crate) struct LineFile {
    path: std::path::PathBuf,
    partial: std::path::PathBuf,
    writer: std::io::BufWriter<std::fs::File>,
    lines: u64,
}

impl LineFile {
    pub(crate) fn create(path: &Path) -> Result<Self, StarError> {
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = std::path::PathBuf::from(partial);
        let file = std::fs::File::create(&partial).map_err(|source| StarError::Write {
            path: partial.clone(),
            source,
        })?;
        Ok(Self {
            path: path.to_owned(),
            partial,
            writer: std::io::BufWriter::new(file),
            lines: 0,
        })
    }

    pub(crate) fn write(&mut self, row: &impl Serialize) -> Result<(), StarError> {
        let written = serde_json::to_writer(&mut self.writer, row)
            .map_err(std::io::Error::from)
            .and_then(|()| self.writer.write_all(b"\n"));
        self.lines += 1;
        written.map_err(|source| self.failed(source))
    }

    pub(crate) fn finish(mut self) -> Result<u64, StarError> {
        let done = self
            .writer
            .flush()
            .and_then(|()| self.writer.get_ref().sync_all())
            .and_then(|()| std::fs::rename(&self.partial, &self.path));
        done.map_err(|source| self.failed(source))?;
        Ok(self.lines)
    }

    fn failed(&self, source: std::io::Error) -> StarError {
        StarError::Write {
            path: self.path.clone(),
            source,
        }
    }
}
