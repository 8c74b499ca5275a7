//! What each sample of a problem is good for: examples, pairs, labelled answers, graded steps, or a
//! row of the data set with everything.

use std::collections::{BTreeSet, HashSet};

use autodidact_core::{Attribute, MinimumScores, Prompt, PromptStyle};
use autodidact_star::{Prompter, author};
use autodidact_store::Attempt;
use serde_json::{Value, json};

use crate::reader::Case;
use crate::run_facts::RunFacts;
use crate::standing::Standing;
use crate::steps::{Step, label_steps};
use crate::{ExportError, Kind};

/// A question, as the student was asked and as a user would ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// What stands before the loss starts.
    pub(crate) trained: Prompt,
    /// The question as the user's turn of a conversation.
    pub(crate) turn: String,
}

/// An answer, as it is trained on and as a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    /// What follows the prompt, with the space that belongs to it.
    pub(crate) trained: String,
    /// The assistant's turn.
    pub(crate) turn: String,
}

/// What a row is made of, whatever the format.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Record {
    /// A rationale to learn.
    Example { asked: Asked, said: Said },
    /// A better and a worse one.
    Pair {
        asked: Asked,
        chosen: Said,
        rejected: Said,
    },
    /// A good or a bad one.
    Labelled {
        asked: Asked,
        said: Said,
        good: bool,
    },
    /// One with labelled steps.
    Graded {
        asked: Asked,
        said: Said,
        steps: Vec<Step>,
        right: bool,
    },
    /// One with everything that is known.
    Everything(Value),
}

/// The records of a problem, and the positions of the attempts they are made of.
#[derive(Debug, Default)]
pub(crate) struct Records {
    pub(crate) records: Vec<Record>,
    pub(crate) used: BTreeSet<usize>,
}

/// Makes records of cases.
#[derive(Debug)]
pub(crate) struct Recorder {
    kind: Kind,
    minimum: MinimumScores,
    /// As the student is asked.
    prompter: Prompter,
    /// As turns.
    turns: Prompter,
}

impl Recorder {
    pub(crate) fn new(kind: Kind, minimum: &MinimumScores, facts: &RunFacts) -> Self {
        Self {
            kind,
            minimum: minimum.clone(),
            prompter: facts.prompter(facts.spec.student.prompt),
            turns: facts.prompter(PromptStyle::Chat),
        }
    }

    /// What a sample is good for.
    pub(crate) fn standing(&self, attempt: &Attempt) -> Standing {
        Standing::of(attempt, &self.minimum)
    }

    pub(crate) fn records(&self, case: &Case) -> Result<Records, ExportError> {
        let mut records = Records::default();
        match self.kind {
            Kind::Sft => self.examples(case, &mut records),
            Kind::Preference => self.pairs(case, &mut records),
            Kind::Kto => self.labelled(case, &mut records),
            Kind::Verifier => self.graded(case, &mut records),
            Kind::Dataset => self.everything(case, &mut records)?,
        }
        Ok(records)
    }

    fn examples(&self, case: &Case, out: &mut Records) {
        for (at, said) in self.unique(case, &[Standing::Kept]) {
            let asked = self.asked(case);
            out.used.insert(at);
            out.records.push(Record::Example { asked, said });
        }
    }

    /// Every kept rationale is preferred at least once, and every bad one rejected at least once,
    /// where the problem has both; wrong ones are rejected before unsound ones.
    fn pairs(&self, case: &Case, out: &mut Records) {
        let chosen = self.unique(case, &[Standing::Kept]);
        let known: HashSet<&str> = chosen.iter().map(|(_, said)| said.turn.as_str()).collect();
        let mut rejected = self.unique(case, &[Standing::Wrong]);
        rejected.extend(self.unique(case, &[Standing::Unsound]));
        rejected.retain(|(_, said)| !known.contains(said.turn.as_str()));
        if chosen.is_empty() || rejected.is_empty() {
            return;
        }
        let count = chosen.len().max(rejected.len());
        let chosen = chosen.iter().cycle();
        for ((c, better), (r, worse)) in chosen.zip(rejected.iter().cycle()).take(count) {
            out.used.extend([*c, *r]);
            out.records.push(Record::Pair {
                asked: self.asked(case),
                chosen: better.clone(),
                rejected: worse.clone(),
            });
        }
    }

    fn labelled(&self, case: &Case, out: &mut Records) {
        let good = self.unique(case, &[Standing::Kept, Standing::Spare]);
        let known: HashSet<String> = good.iter().map(|(_, said)| said.turn.clone()).collect();
        let bad = self.unique(case, &[Standing::Wrong, Standing::Unsound]);
        let bad = bad.into_iter().filter(|(_, s)| !known.contains(&s.turn));
        let good = good.into_iter().map(|one| (one, true));
        for ((at, said), good) in good.chain(bad.map(|one| (one, false))) {
            out.used.insert(at);
            out.records.push(Record::Labelled {
                asked: self.asked(case),
                said,
                good,
            });
        }
    }

    fn graded(&self, case: &Case, out: &mut Records) {
        let mut seen = HashSet::new();
        for (at, attempt) in case.attempts.iter().enumerate() {
            let Some(verified) = &attempt.verified else {
                continue;
            };
            let right = match verified.verification.verdict.as_str() {
                "right" => true,
                "wrong" => false,
                _ => continue,
            };
            let said = self.said(attempt);
            let steps = label_steps(&said.turn, right, verified.false_step.is_some());
            if steps.is_empty() || !seen.insert(said.turn.clone()) {
                continue;
            }
            out.used.insert(at);
            out.records.push(Record::Graded {
                asked: self.asked(case),
                said,
                steps,
                right,
            });
        }
    }

    fn everything(&self, case: &Case, out: &mut Records) -> Result<(), ExportError> {
        for (at, attempt) in case.attempts.iter().enumerate() {
            out.used.insert(at);
            let row = self.row_of(case, attempt)?;
            out.records.push(Record::Everything(row));
        }
        Ok(())
    }

    /// The columns are those of `rows.rs`.
    fn row_of(&self, case: &Case, attempt: &Attempt) -> Result<Value, ExportError> {
        let (key, completion) = (&attempt.sample.key, &attempt.sample.completion);
        let verification = attempt.verified.as_ref().map(|v| &v.verification);
        let verdict = verification.map(|v| &v.verdict);
        let reason = match verdict {
            Some(autodidact_core::Verdict::CannotTell(reason)) => Some(reason),
            _ => None,
        };
        let false_step = attempt.verified.as_ref().and_then(|v| v.false_step.clone());
        let right = verdict.is_some_and(autodidact_core::Verdict::is_right);
        let steps = match verdict.map(autodidact_core::Verdict::as_str) {
            Some("right" | "wrong") => {
                label_steps(completion.text.trim(), right, false_step.is_some())
            }
            _ => Vec::new(),
        };
        let of_verification = verification.iter().flat_map(|v| &v.flags);
        let of_selection = attempt.selection.iter().flat_map(|s| &s.flags);
        let flags: Vec<&str> = of_verification
            .chain(of_selection)
            .map(autodidact_core::Flag::as_str)
            .collect();
        let provenance = attempt.provenance.as_ref();
        Ok(json!({
            "problem": key.problem,
            "iteration": key.iteration,
            "sampler": key.sampler,
            "author": author(&key.sampler),
            "mode": key.mode,
            "index": key.index,
            "question": self.turn(case),
            "gold": case.problem.gold,
            "meta": serde_json::to_string(&case.problem.meta)?,
            "completion": completion.text,
            "finish": completion.finish.as_str(),
            "tokens": completion.tokens,
            "logprob": completion.logprob,
            "verdict": verdict.map(autodidact_core::Verdict::as_str),
            "reason": reason,
            "extracted": verification.and_then(|v| v.extracted.clone()),
            "false_step": false_step,
            "flags": flags,
            "kept": attempt.selection.as_ref().map(|s| s.refused.is_none()),
            "refused": attempt.selection.as_ref().and_then(|s| s.refused),
            "steps": steps.iter().map(|s| &s.text).collect::<Vec<_>>(),
            "step_labels": steps.iter().map(|s| s.sound).collect::<Vec<_>>(),
            "scores": scores(attempt),
            "provider": provenance.map_or("local", |p| p.provider.as_str()),
            "model": provenance.map(|p| p.model.as_str()),
            "terms": provenance.map_or("allowed", |p| p.terms.as_str()),
            "reasoning": provenance.and_then(|p| p.reasoning.clone()),
            "cost_usd": provenance.and_then(|p| p.cost).map(|cost| cost.nano() as f64 / 1e9),
        }))
    }

    /// The attempts of these standings, each text once.
    fn unique(&self, case: &Case, standings: &[Standing]) -> Vec<(usize, Said)> {
        let mut seen = HashSet::new();
        let mut unique = Vec::new();
        for (at, attempt) in case.attempts.iter().enumerate() {
            if !standings.contains(&self.standing(attempt)) {
                continue;
            }
            let said = self.said(attempt);
            if !said.turn.is_empty() && seen.insert(said.turn.clone()) {
                unique.push((at, said));
            }
        }
        unique
    }

    fn asked(&self, case: &Case) -> Asked {
        Asked {
            trained: self.prompter.plain(&case.problem),
            turn: self.turn(case),
        }
    }

    fn turn(&self, case: &Case) -> String {
        match self.turns.plain(&case.problem) {
            Prompt::Text(text) => text,
            Prompt::Chat(turns) => turns
                .into_iter()
                .next_back()
                .map(|turn| turn.content)
                .unwrap_or_default(),
        }
    }

    fn said(&self, attempt: &Attempt) -> Said {
        let text = &attempt.sample.completion.text;
        Said {
            trained: self.prompter.completion(text),
            turn: self.turns.completion(text),
        }
    }
}

fn scores(attempt: &Attempt) -> Vec<Value> {
    let given = attempt.scores.iter();
    given
        .filter_map(|scored| {
            let scores = scored.scores.as_ref().ok()?;
            let mut row = json!({ "judge": scored.judge, "overall": scores.overall() });
            if let Some(object) = row.as_object_mut() {
                for attribute in Attribute::ALL {
                    let value = scores.attribute(attribute);
                    object.insert(attribute.as_str().to_owned(), json!(value));
                }
            }
            Some(row)
        })
        .collect()
}
