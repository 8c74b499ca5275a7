//! The outer loop: Algorithm 1 of STaR (Zelikman et al. 2022), line by line.
//!
//! ```text
//! Input M: a pretrained model; D = {(x, y)}: problems with answers
//! 1: M_0 ← M
//! 2: for n in 1..N:
//! 3:   (r̂, ŷ)         ← M_{n-1}(x)                     rationales
//! 4:   (r̂_rat, ŷ_rat) ← M_{n-1}(add_hint(x, y))        rationalizations
//! 5:   D_n     ← {(x, r̂, y)     | ŷ = y}
//! 6:   D_n_rat ← {(x, r̂_rat, y) | ŷ ≠ y and ŷ_rat = y}  hint removed
//! 7:   M_n ← train(M, D_n ∪ D_n_rat)                    always from M
//! ```
//!
//! Line 4 is asked for failures only, as in the paper's own code: line 6 would discard the rest.
//! Teachers, where there are any, give rationales beside the student (line 3), and judges rank what is
//! right (lines 5 and 6). Beside the algorithm stand the measurements: before the first loop, after each, and of the
//! controls at the end.

use autodidact_core::{
    IterationResult, KeptRationale, Mode, RunState, RunStatus, TeachOn, TrainCounts,
};
use autodidact_judges::{Calibration, JudgeCalibration};
use autodidact_store::ProgressState;
use std::collections::HashSet;

use crate::baseline::Baseline;
use crate::environment::{self, Environment};
use crate::iteration::IterationDetail;
use crate::journal::Sampling;
use crate::progress::Event;
use crate::pulse::Attention;
use crate::rewards::rewards;
use crate::run::{Run, Version};
use crate::select::{
    Judged, Rules, Selected, count_flags, count_refusals, count_solutions, select,
};
use crate::{StarError, statistics};

impl Run {
    /// Runs the algorithm to its end, from wherever the journal stands.
    pub async fn star(&self) -> Result<RunStatus, StarError> {
        let (store, pulse) = (&self.store, &self.pulse);
        let attention = Attention::begin(store.clone(), pulse.clone(), self.stop.clone()).await?;
        let outcome = self.algorithm().await;
        let flushed = self.faculty.flush().await;
        let state = match outcome {
            Ok(_) => ProgressState::Finished,
            Err(_) => ProgressState::Parked,
        };
        attention.end(store, pulse, state).await;
        flushed?;
        outcome
    }

    async fn algorithm(&self) -> Result<RunStatus, StarError> {
        self.check_inputs().await?;
        let environment = Environment::here();
        self.store
            .finish_stage(0, environment::STAGE, &environment)
            .await?;
        self.store.record_problems(&self.task.train).await?;
        self.store.record_problems(&self.task.evaluate).await?;
        let baseline = self.measure_baselines().await?;

        let mut student = self.first_student(); // M_0
        let mut results: Vec<IterationResult> = Vec::new();
        for n in 1..=self.spec.run.iterations {
            if let Some(result) = self.finished_iteration(n).await? {
                student = self.student_after(n);
                results.push(result);
            } else {
                let mut rationales = self.sample_rationales(n, &student).await?;
                rationales.extend(self.ask_teachers(n, TeachOn::All, &HashSet::new()).await?);
                let rationalizations = self.rationalize(n, &student, &rationales).await?;
                let done = solved(rationales.iter().chain(&rationalizations));
                rationales.extend(self.ask_teachers(n, TeachOn::Failed, &done).await?);
                let kept = self.select(n, rationales, rationalizations).await?;
                if !self.is_enough(n, &kept)? {
                    break;
                }
                student = self.fine_tune(n, &kept).await?;
                results.push(self.evaluate_iteration(n, &student, &baseline).await?);
            }
            if self.patience_is_over(&results) {
                break;
            }
        }

        self.measure_controls(results.len() as u32).await?;
        self.publish_best(&baseline, &results).await?;
        self.store
            .finish_stage(0, "run", &RunState::Finished)
            .await?;
        crate::status(&self.store, self.spec.run.name.as_str()).await
    }

    /// Line 3.
    async fn sample_rationales(&self, n: u32, student: &Version) -> Result<Vec<Judged>, StarError> {
        let prompt = |problem| {
            if student.few_shot {
                self.prompter.few_shot(problem)
            } else {
                self.prompter.plain(problem)
            }
        };
        let sampling = Sampling {
            iteration: n,
            sampler: student.sampler.clone(),
            mode: Mode::Rationale,
            title: "sampling rationales",
            adapter: student.adapter.clone(),
            prompts: self
                .problems_of(n)
                .into_iter()
                .map(|p| (p, prompt(p)))
                .collect(),
            per_problem: self.spec.sample.per_problem,
            options: self.sampling_options(self.spec.sample.temperature),
        };
        self.timed(n, "sample", self.sample(sampling)).await
    }

    /// Line 4, for the problems that no rationale solved. The hinted examples stay in the prompt in
    /// every loop: a fine-tuned student has never seen a hint otherwise.
    async fn rationalize(
        &self,
        n: u32,
        student: &Version,
        rationales: &[Judged],
    ) -> Result<Vec<Judged>, StarError> {
        if !self.spec.rationalize.enabled {
            return Ok(Vec::new());
        }
        let solved = solved(rationales);
        let failed = self.problems_of(n).into_iter();
        let failed = failed.filter(|p| p.gold.is_some() && !solved.contains(&p.id.0));
        let sampling = Sampling {
            iteration: n,
            sampler: student.sampler.clone(),
            mode: Mode::Rationalization,
            title: "rationalizing failures",
            adapter: student.adapter.clone(),
            prompts: failed.map(|p| (p, self.prompter.hinted(p))).collect(),
            per_problem: self.spec.rationalize.per_problem,
            options: self.sampling_options(self.spec.rationalize.temperature),
        };
        self.timed(n, "rationalize", self.sample(sampling)).await
    }

    /// Lines 5 and 6.
    async fn select(
        &self,
        n: u32,
        rationales: Vec<Judged>,
        rationalizations: Vec<Judged>,
    ) -> Result<Vec<KeptRationale>, StarError> {
        let mut detail = count_samples(&rationales, &rationalizations);
        let problems: Vec<_> = self.problems_of(n).into_iter().cloned().collect();
        let solved_plainly = solved(&rationales);
        let mut judged: Vec<Judged> = rationales.into_iter().chain(rationalizations).collect();
        let solved_at_all = solved(&judged);
        self.timed(n, "sample", self.score(n, &mut judged)).await?;
        let rules = Rules {
            spec: &self.spec.select,
            train_on: &self.spec.teach.train_on,
            caps: self.faculty.caps(),
            terms: self.faculty.terms(),
            marks: self.hand_marks(n).await?,
        };
        detail.judges = calibrate(&judged);
        let everything = judged.clone();
        let Selected { kept, decisions } = select(&problems, judged, &rules, &self.prompter);
        if !self.faculty.teachers.is_empty() {
            let kept = decisions.iter().filter(|d| d.refused.is_none());
            let kept = kept.map(|d| d.key.clone()).collect();
            detail.models = self.contributions(&everything, &kept).await?;
        }
        self.store.record_selections(&decisions).await?;
        self.store.finish_stage(n, "kept", &kept).await?;

        let of_mode = |mode| kept.iter().filter(|k| k.mode == mode).count() as u32;
        detail.kept_rationales = of_mode(Mode::Rationale);
        detail.kept_rationalizations = of_mode(Mode::Rationalization);
        detail.refused = count_refusals(&decisions);
        detail.flags = count_flags(&everything, &decisions);
        detail.distinct = Some(count_solutions(&everything));
        detail.rewards = rewards(&everything);
        let counts = TrainCounts {
            total: problems.len() as u32,
            right: solved_plainly.len() as u32,
            rationalized: (solved_at_all.len() - solved_plainly.len()) as u32,
            kept: kept.len() as u32,
        };
        self.store
            .finish_stage(n, "select", &(counts, detail))
            .await?;
        Ok(kept)
    }

    /// The minimum-data guard: too little in the first loop ends the run with an error, in a later
    /// one it ends the loop, and what was reached stands.
    fn is_enough(&self, n: u32, kept: &[KeptRationale]) -> Result<bool, StarError> {
        let minimum = self.spec.select.minimum;
        if kept.len() >= minimum as usize {
            return Ok(true);
        }
        let error = StarError::TooFewRationales {
            iteration: n,
            kept: kept.len(),
            minimum,
        };
        if n == 1 {
            return Err(error);
        }
        self.observer.on(&Event::Note(&error.to_string()));
        Ok(false)
    }

    /// Measures the student on the held-out problems and closes the loop.
    async fn evaluate_iteration(
        &self,
        n: u32,
        student: &Version,
        baseline: &Baseline,
    ) -> Result<IterationResult, StarError> {
        let title = "measuring the student";
        let marks = self
            .timed(n, "evaluate", self.measure(n, student, title))
            .await?;
        let evaluation = statistics::compare(&baseline.marks.0, &marks.0);
        let selected: Option<(TrainCounts, IterationDetail)> =
            self.store.stage(n, "select").await?;
        let (counts, detail) =
            selected.unwrap_or_else(|| (empty_counts(), IterationDetail::default()));
        let result = IterationResult {
            n,
            train: counts,
            evaluation,
            seconds: crate::status::seconds(&self.store, n).await?,
            adapter: student.adapter.clone().unwrap_or_default(),
            flags: detail.flags,
        };
        self.store.finish_stage(n, "finished", &result).await?;
        self.tell_iteration(&result, true).await?;
        Ok(result)
    }

    /// Tells the observer what a loop came to; `now` if it has just ended, and not in an earlier
    /// attempt.
    async fn tell_iteration(&self, result: &IterationResult, now: bool) -> Result<(), StarError> {
        let selected: Option<(TrainCounts, IterationDetail)> =
            self.store.stage(result.n, "select").await?;
        let losses = self.store.losses(result.n, "student").await?;
        let detail = IterationDetail {
            final_loss: losses.last().copied().map_or(0.0, f64::from),
            ..selected.map(|(_, detail)| detail).unwrap_or_default()
        };
        self.observer.on(&Event::IterationFinished {
            result,
            detail: &detail,
            now,
        });
        Ok(())
    }

    async fn finished_iteration(&self, n: u32) -> Result<Option<IterationResult>, StarError> {
        let result: Option<IterationResult> = self.store.stage(n, "finished").await?;
        if let Some(result) = &result {
            self.tell_iteration(result, false).await?;
        }
        Ok(result)
    }

    /// True if the last `stop.patience` loops brought nothing better than what was before them.
    fn patience_is_over(&self, results: &[IterationResult]) -> bool {
        let patience = self.spec.stop.patience as usize;
        let right = |r: &IterationResult| r.evaluation.right;
        if patience == 0 || results.len() <= patience {
            return false;
        }
        let (before, last) = results.split_at(results.len() - patience);
        let best = before.iter().map(right).max().unwrap_or(0);
        let over = last.iter().all(|r| right(r) <= best);
        if over && results.len() < self.spec.run.iterations as usize {
            let note = format!(
                "the last {patience} loops brought no better student, so the run ends here"
            );
            self.observer.on(&Event::Note(&note));
        }
        over
    }
}

/// The ids of problems with a right answer among the samples.
fn solved<'a>(judged: impl IntoIterator<Item = &'a Judged>) -> HashSet<String> {
    let right = judged.into_iter().filter(|j| j.is_right());
    right.map(|j| j.sample.key.problem.0.clone()).collect()
}

/// How well each judge's scores tell right from wrong in this loop.
fn calibrate(judged: &[Judged]) -> Vec<JudgeCalibration> {
    let mut calibration = Calibration::default();
    for one in judged {
        let opinions = one.candidate.iter().flat_map(|c| &c.opinions);
        for (judge, opinion) in opinions {
            if let Ok(scores) = opinion {
                let problem = &one.sample.key.problem.0;
                calibration.add(judge, problem, scores, one.is_right());
            }
        }
    }
    calibration.report()
}

fn count_samples(rationales: &[Judged], rationalizations: &[Judged]) -> IterationDetail {
    let is_right = |j: &&Judged| j.verified.verification.verdict.is_right();
    let right = |judged: &[Judged]| judged.iter().filter(is_right).count() as u32;
    let lucky = |judged: &[Judged]| {
        let right = judged.iter().filter(is_right);
        right.filter(|j| j.verified.false_step.is_some()).count() as u32
    };
    IterationDetail {
        rationales: rationales.len() as u32,
        rationales_right: right(rationales),
        rationales_lucky: lucky(rationales),
        rationalizations: rationalizations.len() as u32,
        rationalizations_right: right(rationalizations),
        rationalizations_lucky: lucky(rationalizations),
        ..IterationDetail::default()
    }
}

fn empty_counts() -> TrainCounts {
    TrainCounts {
        total: 0,
        right: 0,
        rationalized: 0,
        kept: 0,
    }
}
