//! Scoring the answers in a file, a window of questions at a time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use autodidact_core::{
    Answer, Completion, FinishReason, Mode, Problem, ProblemId, Sample, SampleKey, SamplerId,
    Scores, Split, Usd, VerifyKind,
};
use autodidact_judges::{Calibration, Judge, JudgeCalibration};
use autodidact_store::{Entry, Provenance, RunStore};
use autodidact_tasks::{Record, TaskError, for_each_record};
use futures::stream::{self, StreamExt};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::StarError;
use crate::checker::Checker;
use crate::ensemble::asking::candidates;
use crate::ensemble::candidate::Candidate;
use crate::ensemble::combined::Failed;
use crate::ensemble::judging::Judging;
use crate::ensemble::purse::JournaledPurse;
use crate::ensemble::rows::LineFile;
use crate::ensemble::writer::Writer;

/// Questions judged at once.
const CASES: usize = 64;
/// Different reasons for missing scores that are kept apart.
const REASONS: usize = 12;
/// Answers to one question judged together at most.
const TOGETHER: usize = 64;

/// A file of answers. Answers to one question that follow each other are judged together.
#[derive(Debug, Clone)]
pub struct ScoredAnswers {
    /// JSONL, CSV or TSV.
    pub path: PathBuf,
    /// Field of the question; absent: `question` or `prompt`.
    pub question: Option<String>,
    /// Field of the answer's text; absent: `completion`, `response` or `text`.
    pub text: Option<String>,
    /// Field of gold; absent: `gold`.
    pub gold: Option<String>,
    /// How answers are compared with gold.
    pub verify: VerifyKind,
    /// Compares them.
    pub checker: Checker,
}

/// What one judge did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct JudgeCounts {
    /// Answers it scored.
    pub scored: u64,
    /// Answers it did not score.
    pub unscored: u64,
    /// Why not.
    pub reasons: BTreeMap<String, u64>,
}

/// What came of a file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JudgedFile {
    /// Lines written.
    pub lines: u64,
    /// Lines that no judge scored.
    pub unscored: u64,
    /// Each judge's part.
    pub judges: BTreeMap<String, JudgeCounts>,
    /// How well each judge's scores tell right from wrong, where there is gold.
    pub calibration: Vec<JudgeCalibration>,
    /// All of it; null where a price is unknown.
    pub cost_usd: Option<Usd>,
    /// Judges that failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Failed>,
}

/// Lines that follow each other and answer one question.
struct Group {
    question: String,
    lines: Vec<(u64, Record, String, Option<String>)>,
}

/// Scores every answer of a file and writes the file again with the scores beside each. Opinions go
/// through the journal, so that the same call goes on where an earlier one ended.
pub async fn judge_file(
    answers: &ScoredAnswers,
    out: &Path,
    judges: Vec<Arc<dyn Judge>>,
    store: &Arc<RunStore>,
    budget: Option<Usd>,
    on_line: &(dyn Fn(u64) + Sync),
    stop: &AtomicBool,
) -> Result<JudgedFile, StarError> {
    let writer = Writer::start(store);
    let purse = Arc::new(JournaledPurse::open(store, writer.clone(), budget).await?);
    let judging = Judging::new(judges, purse, writer.clone(), store.clone(), true);
    let (groups, reader) = read(answers);
    let mut file = LineFile::create(out)?;
    let mut sums = Sums::default();
    {
        // The stream owns the receiver, and ends the reader when it goes.
        let groups = stream::unfold(groups, |mut groups| async move {
            groups.recv().await.map(|group| (group, groups))
        });
        let judged = groups
            .take_while(|_| std::future::ready(!stop.load(Ordering::Relaxed)))
            .map(|group| judge_group(group, answers, &judging, &writer))
            .buffered(CASES);
        let mut judged = std::pin::pin!(judged);
        while let Some(outcome) = judged.next().await {
            let (group, candidates, failures) = outcome?;
            sums.note(failures);
            // What opinions cost is in the journal; here it would only pile up.
            let _ = judging.cost(&candidates);
            for ((_, record, ..), candidate) in group.lines.into_iter().zip(&candidates) {
                sums.count(&group.question, candidate);
                file.write(&line(record, candidate, judging.names()))?;
                on_line(sums.lines);
            }
        }
    }
    reader.await.map_err(|_| StarError::Worker)??;
    if stop.load(Ordering::Relaxed) {
        return Err(StarError::Interrupted);
    }
    file.finish()?;
    writer.flush().await?;
    let spending = store.spending().await?;
    let known = spending.values().all(|spent| spent.unpriced == 0);
    let total = spending.values().map(|s| s.amount + s.unsettled).sum();
    Ok(JudgedFile {
        lines: sums.lines,
        unscored: sums.unscored,
        judges: sums.judges,
        calibration: sums.calibration.report(),
        cost_usd: known.then_some(total),
        failures: sums.failures,
    })
}

async fn judge_group(
    group: Group,
    answers: &ScoredAnswers,
    judging: &Judging,
    writer: &Writer,
) -> Result<(Group, Vec<Candidate>, Vec<Failed>), StarError> {
    let mut entries = Vec::with_capacity(group.lines.len());
    let mut candidates = Vec::with_capacity(group.lines.len());
    for (number, _, text, gold) in &group.lines {
        let sample = sample(*number, &group.question, text);
        let provenance = Provenance {
            provider: "file".to_owned(),
            terms: "unknown".to_owned(),
            cost: Some(Usd::ZERO),
            ..Provenance::default()
        };
        entries.push(Entry::Answer(sample.clone(), provenance.clone()));
        let problem = problem(&sample.key.problem, &group.question, gold.clone());
        let answer = vec![(sample, provenance)];
        let (checker, kind) = (&answers.checker, Some(answers.verify));
        candidates.extend(self::candidates(checker, "file", answer, &problem, kind).await?);
    }
    writer.record(entries).await?;
    let failures = judging.judge(&group.question, &mut candidates).await?;
    Ok((group, candidates, failures))
}

/// A line of the file as a journaled answer; its key is the line's number and a hash of question and
/// text.
fn sample(number: u64, question: &str, text: &str) -> Sample {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(question.len() as u64).to_le_bytes());
    hasher.update(question.as_bytes());
    hasher.update(text.as_bytes());
    let hash = hasher.finalize().to_hex();
    Sample {
        key: SampleKey {
            iteration: 0,
            problem: ProblemId(format!("{number}-{}", &hash[..12])),
            sampler: SamplerId("file".to_owned()),
            mode: Mode::Rationale,
            index: 0,
        },
        completion: Completion {
            text: text.to_owned(),
            finish: FinishReason::EndOfText,
            tokens: 0,
            logprob: 0.0,
        },
    }
}

fn problem(id: &ProblemId, question: &str, gold: Option<String>) -> Problem {
    Problem {
        id: id.clone(),
        question: question.to_owned(),
        gold: gold.map(Answer),
        choices: Vec::new(),
        solution: None,
        split: Split::Evaluate,
        meta: BTreeMap::new(),
    }
}

/// The line with the scores of the judge that counts, and every judge's opinion.
fn line(mut record: Record, candidate: &Candidate, order: &[String]) -> Value {
    let scores = candidate.scores.as_ref();
    let counts = |judge: &&String| {
        let opinion = candidate.opinions.get(*judge);
        scores.is_some() && opinion.and_then(|o| o.as_ref().ok()) == scores
    };
    let counting = order.iter().find(counts);
    let opinions: serde_json::Map<String, Value> = candidate
        .opinions
        .iter()
        .map(|(judge, opinion)| {
            let value = match opinion {
                Ok(scores) => json!({ "scores": scores.attributes(), "overall": scores.overall() }),
                Err(reason) => json!({ "unscored": reason }),
            };
            (judge.clone(), value)
        })
        .collect();
    record.insert("scores".into(), json!(scores.map(Scores::attributes)));
    record.insert("overall".into(), json!(candidate.overall()));
    record.insert("judge".into(), json!(counting));
    record.insert("opinions".into(), Value::Object(opinions));
    if let Some(right) = candidate.right {
        record.insert("right".into(), json!(right));
    }
    Value::Object(record)
}

#[derive(Default)]
struct Sums {
    lines: u64,
    unscored: u64,
    judges: BTreeMap<String, JudgeCounts>,
    calibration: Calibration,
    failures: Vec<Failed>,
}

impl Sums {
    fn count(&mut self, question: &str, candidate: &Candidate) {
        self.lines += 1;
        self.unscored += u64::from(candidate.scores.is_none());
        for (judge, opinion) in &candidate.opinions {
            let counts = self.judges.entry(judge.clone()).or_default();
            match opinion {
                Ok(scores) => {
                    counts.scored += 1;
                    if let Some(right) = candidate.right {
                        self.calibration.add(judge, question, scores, right);
                    }
                }
                Err(reason) => {
                    counts.unscored += 1;
                    // Reasons quote what judges wrote; a few different ones tell enough.
                    let known =
                        counts.reasons.len() < REASONS || counts.reasons.contains_key(reason);
                    let reason = if known {
                        reason.as_str()
                    } else {
                        "other reasons"
                    };
                    *counts.reasons.entry(reason.to_owned()).or_default() += 1;
                }
            }
        }
    }

    fn note(&mut self, failures: Vec<Failed>) {
        for failure in failures {
            if !self.failures.iter().any(|known| known.name == failure.name) {
                self.failures.push(failure);
            }
        }
    }
}

/// Reads the file on a thread of its own, only as far ahead as lines are taken.
fn read(
    answers: &ScoredAnswers,
) -> (
    mpsc::Receiver<Group>,
    tokio::task::JoinHandle<Result<(), TaskError>>,
) {
    let (sender, receiver) = mpsc::channel(CASES);
    let answers = answers.clone();
    let reader = tokio::task::spawn_blocking(move || {
        let mut group: Option<Group> = None;
        let path = answers.path.clone();
        for_each_record(&path, |number, record| {
            let (question, text, gold) = answers
                .parts(record)
                .map_err(|problem| TaskError::in_line(&path, number, problem))?;
            let line = (number, record.clone(), text, gold);
            match &mut group {
                Some(open) if open.question == question && open.lines.len() < TOGETHER => {
                    open.lines.push(line);
                    Ok(true)
                }
                _ => {
                    let next = Group {
                        question,
                        lines: vec![line],
                    };
                    let done = group.replace(next);
                    Ok(done.is_none_or(|done| sender.blocking_send(done).is_ok()))
                }
            }
        })?;
        if let Some(last) = group {
            // Nobody listens any more once the command ends early.
            let _ = sender.blocking_send(last);
        }
        Ok(())
    });
    (receiver, reader)
}

impl ScoredAnswers {
    fn parts(&self, record: &Record) -> Result<(String, String, Option<String>), String> {
        let find = |named: &Option<String>, usual: &[&str]| {
            let names: Vec<&str> = named.as_deref().map_or(usual.to_vec(), |name| vec![name]);
            let found = names.iter().find_map(|name| record.get(*name));
            (found.cloned(), names.join("`, `"))
        };
        let text_of = |(value, names): (Option<Value>, String)| match value {
            Some(Value::String(text)) => Ok(text),
            Some(Value::Array(messages)) => last_user(&messages)
                .ok_or_else(|| format!("field `{names}` is a list without a user's message")),
            Some(Value::Null) | None => Err(format!("none of the fields `{names}` is there")),
            Some(other) => Ok(other.to_string()),
        };
        let question = text_of(find(&self.question, &["question", "prompt"]))?;
        let text = text_of(find(&self.text, &["completion", "response", "text"]))?;
        let (gold, _) = find(&self.gold, &["gold"]);
        let gold = gold.filter(|gold| !gold.is_null());
        let gold = gold.map(|gold| {
            gold.as_str()
                .map_or_else(|| gold.to_string(), str::to_owned)
        });
        Ok((question, text, gold))
    }
}

fn last_user(messages: &[Value]) -> Option<String> {
    let mut users = messages.iter().rev().filter(|m| m["role"] == "user");
    users.next()?["content"].as_str().map(str::to_owned)
}
