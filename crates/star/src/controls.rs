//! Controls: models trained once, after the last loop, that the student is compared with.

use autodidact_core::{BaselineMeasurement, Control, KeptRationale, Mode, SamplerId, VerifyKind};

use crate::StarError;
use crate::progress::Event;
use crate::run::{Run, Version};
use crate::seams::TrainingPair;
use crate::statistics::accuracy;

impl Run {
    /// Trains and measures the controls the spec asks for, with the steps of the last loop.
    pub(crate) async fn measure_controls(&self, last: u32) -> Result<(), StarError> {
        let mut measured = Vec::new();
        for control in &self.spec.run.controls {
            let (pairs, few_shot) = match control {
                Control::Direct => (self.direct_pairs(), false),
                Control::NoRationalization => (
                    self.rationale_pairs(last).await?,
                    self.spec.student.keep_few_shot,
                ),
            };
            let name = control.as_str();
            if pairs.is_empty() {
                self.observer.on(&Event::Note(&format!(
                    "the control `{name}` has nothing to learn from"
                )));
                continue;
            }
            self.train(last, name, name, pairs, self.spec.train.steps.steps(last))
                .await?;
            let version = Version {
                sampler: SamplerId(format!("control/{name}")),
                adapter: Some(format!("adapters/{name}")),
                few_shot,
            };
            let title = format!("measuring the control `{name}`");
            let marks = self
                .timed(last, "controls", self.measure(last, &version, &title))
                .await?;
            let (right, total) = (marks.right(), marks.total());
            let measurement = BaselineMeasurement {
                name: version.sampler.0,
                right,
                total,
                accuracy: accuracy(right, total),
            };
            self.observer.on(&Event::Baseline {
                measurement: &measurement,
            });
            measured.push(measurement);
        }
        self.store.finish_stage(0, "controls", &measured).await?;
        Ok(())
    }

    /// Questions and answers without rationales (the paper's direct fine-tuning, section 4), the
    /// answer in the form that the verifier reads.
    /// Empty where gold is a pattern, or tests, which nobody should learn to write.
    fn direct_pairs(&self) -> Vec<TrainingPair> {
        let patterns = [VerifyKind::Regex, VerifyKind::Code, VerifyKind::Sql];
        if patterns.contains(&self.task.verify) {
            return Vec::new();
        }
        let gold = self
            .task
            .train
            .iter()
            .filter_map(|p| Some((p, p.gold.as_ref()?)));
        gold.map(|(problem, gold)| {
            let answer = match self.task.verify {
                VerifyKind::Math
                | VerifyKind::Number
                | VerifyKind::Choice
                | VerifyKind::Set
                | VerifyKind::List => format!("The answer is {gold}."),
                _ => gold.0.clone(),
            };
            TrainingPair {
                prompt: self.prompter.plain(problem),
                completion: self.prompter.completion(&answer),
                model: "gold".to_owned(),
                terms: "allowed".to_owned(),
            }
        })
        .collect()
    }

    /// What the last student learned from, without rationalizations.
    async fn rationale_pairs(&self, last: u32) -> Result<Vec<TrainingPair>, StarError> {
        let kept: Vec<KeptRationale> = self.store.stage(last, "kept").await?.unwrap_or_default();
        let rationales = kept.into_iter().filter(|k| k.mode == Mode::Rationale);
        let mut pairs = self.warm_start_pairs();
        pairs.extend(rationales.map(|k| TrainingPair {
            prompt: k.prompt,
            completion: k.completion,
            model: k.model,
            terms: k.terms,
        }));
        Ok(pairs)
    }
}
