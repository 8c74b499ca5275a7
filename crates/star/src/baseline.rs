//! What the student is compared with: the untaught model under each prompt, and the warm start.

use autodidact_core::{BaselineMeasurement, Mode};

use crate::StarError;
use crate::iteration::Marks;
use crate::journal::Sampling;
use crate::progress::Event;
use crate::run::{Run, Version};
use crate::statistics::accuracy;

/// The best of the baselines, with its mark on every evaluation problem.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Baseline {
    pub(crate) measurement: BaselineMeasurement,
    pub(crate) marks: Marks,
}

impl Run {
    /// Measures every baseline and returns the best: few-shot, the prompt that training uses, and
    /// the warm-started model. The first of equals wins.
    pub(crate) async fn measure_baselines(&self) -> Result<Baseline, StarError> {
        let mut versions = Vec::new();
        if self.prompter.few_shot_examples() > 0 {
            versions.push((Version::base(true), "measuring the base, few-shot"));
        }
        versions.push((Version::base(false), "measuring the base, zero-shot"));
        if self.spec.student.warm_start {
            self.warm_start().await?;
            versions.push((Self::warm_started(false), "measuring the warm start"));
            if self.spec.student.keep_few_shot {
                versions.push((
                    Self::warm_started(true),
                    "measuring the warm start, few-shot",
                ));
            }
        }
        let mut measured = Vec::new();
        for (version, title) in versions {
            let marks = self
                .timed(0, "evaluate", self.measure(0, &version, title))
                .await?;
            let (right, total) = (marks.right(), marks.total());
            let name = version.sampler.0.clone();
            let accuracy = accuracy(right, total);
            let measurement = BaselineMeasurement {
                name,
                right,
                total,
                accuracy,
            };
            self.observer.on(&Event::Baseline {
                measurement: &measurement,
            });
            measured.push(Baseline { measurement, marks });
        }
        let all: Vec<&BaselineMeasurement> = measured.iter().map(|b| &b.measurement).collect();
        self.store.finish_stage(0, "baselines", &all).await?;
        let best = measured.into_iter().reduce(|best, next| {
            if next.measurement.right > best.measurement.right {
                next
            } else {
                best
            }
        });
        let best = best.ok_or_else(|| StarError::Spec("there is no baseline to measure".into()))?;
        self.store
            .finish_stage(0, "baseline", &best.measurement)
            .await?;
        Ok(best)
    }

    /// Which evaluation problems a version answers right, one greedy answer each.
    pub(crate) async fn measure(
        &self,
        iteration: u32,
        version: &Version,
        title: &str,
    ) -> Result<Marks, StarError> {
        let mut options = self.sampling_options(self.spec.evaluate.temperature);
        (options.top_k, options.top_p, options.min_p) = (0, 1.0, 0.0);
        if let Some(max_tokens) = self.spec.evaluate.max_tokens {
            options.max_tokens = max_tokens as usize;
        }
        let prompt = |problem| {
            if version.few_shot {
                self.prompter.few_shot(problem)
            } else {
                self.prompter.plain(problem)
            }
        };
        let sampling = Sampling {
            iteration,
            sampler: version.sampler.clone(),
            mode: Mode::Rationale,
            title,
            adapter: version.adapter.clone(),
            prompts: self.task.evaluate.iter().map(|p| (p, prompt(p))).collect(),
            per_problem: 1,
            options,
        };
        let judged = self.sample(sampling).await?;
        let right = |j: &crate::select::Judged| j.verified.verification.verdict.is_right();
        let right: std::collections::HashSet<_> = judged
            .iter()
            .filter(|j| right(j))
            .map(|j| &j.sample.key.problem)
            .collect();
        Ok(Marks(
            self.task
                .evaluate
                .iter()
                .map(|p| right.contains(&p.id))
                .collect(),
        ))
    }
}
