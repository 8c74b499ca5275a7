//! The checks of a spec that types cannot express.

use crate::ensemble_spec::check_members;
use crate::{HintPlace, RankBy, RunSpec, SpecError, TrainMethod, TrainOn, VerifyKind};

/// A rule that holds or is told with the key it is about.
type Rule = (bool, &'static str, &'static str);

impl RunSpec {
    /// Refuses values that have the right type and make no sense. Call it again after changing a
    /// spec.
    pub fn check(&self) -> Result<(), SpecError> {
        check_members(&self.teachers, "teachers", &self.judges)?;
        let rules = self
            .task_rules()
            .into_iter()
            .chain(self.verifying_rules())
            .chain(self.sampling_rules())
            .chain(self.training_rules())
            .chain(self.teaching_rules())
            .chain(self.tracking_rules());
        for (holds, key, problem) in rules {
            if !holds {
                return Err(SpecError::Invalid {
                    key: key.into(),
                    problem: problem.into(),
                });
            }
        }
        Ok(())
    }

    fn tracking_rules(&self) -> Vec<Rule> {
        let url = self.track.mlflow_url.as_deref().unwrap_or_default();
        vec![
            (
                url.is_empty() || url.starts_with("http://") || url.starts_with("https://"),
                "track.mlflow_url",
                "is no address of a server; give one that begins with http:// or https://",
            ),
            (
                !url.contains('@'),
                "track.mlflow_url",
                "holds a user or a password, and a spec is no place for them; put a token into the environment's MLFLOW_TRACKING_TOKEN",
            ),
        ]
    }

    fn task_rules(&self) -> Vec<Rule> {
        let task = &self.task;
        let (builtin, files) = (task.builtin.is_some(), task.train.is_some());
        let fields = [&task.question, &task.answer, &task.choices, &task.id];
        let prompt = task.prompt.as_ref();
        let marks_hint =
            |hint: &str, place| place == HintPlace::OnChoice || hint.contains("{hint}");
        vec![
            (
                builtin || files,
                "task",
                "names neither `builtin` nor `train`; give one",
            ),
            (
                !(builtin && files),
                "task",
                "names both `builtin` and `train`; give one of them",
            ),
            (
                !(builtin && task.evaluate.is_some()),
                "task.evaluate",
                "belongs to a task from files, and `task.builtin` generates its own; leave one out",
            ),
            (
                !(builtin && fields.iter().any(|field| field.is_some())),
                "task",
                "names fields (`question`, `answer`, `choices`, `id`), which belong to a task from files",
            ),
            (
                !files || task.levels.is_empty(),
                "task.levels",
                "belongs to a generated task",
            ),
            (
                prompt.is_none_or(|p| marks_hint(&p.hint, p.hint_place)),
                "task.prompt.hint",
                "does not hold `{hint}`, where the answer goes",
            ),
            (
                !self.student.model.is_empty(),
                "student.model",
                "lists no source",
            ),
            (
                !self.student.warm_start
                    || (self.student.warm_start_examples > 0 && self.student.warm_start_steps > 0),
                "student",
                "has a 0 for `warm_start_examples` or `warm_start_steps`",
            ),
            (
                self.run.iterations > 0,
                "run.iterations",
                "is 0; give at least 1",
            ),
        ]
    }

    fn verifying_rules(&self) -> Vec<Rule> {
        let task = &self.task;
        let command = task.verify == Some(VerifyKind::Command);
        let runs = [VerifyKind::Code, VerifyKind::Command, VerifyKind::Sql].map(Some);
        let limits = &task.verify_limits;
        let within = |value: u32, most: u32| value > 0 && value <= most;
        vec![
            (
                command != task.verify_command.is_empty(),
                "task.verify_command",
                "goes with `verify = \"command\"`, and neither is there without the other",
            ),
            (
                runs.contains(&task.verify) || limits.is_default(),
                "task.verify_limits",
                "belongs to answers that are run (`verify` of `code`, `sql` or `command`)",
            ),
            (
                !task.verify_strict || (runs.contains(&task.verify) && !command),
                "task.verify_strict",
                "belongs to answers in the sandbox (`verify` of `code` or `sql`)",
            ),
            (
                within(limits.seconds, 3600)
                    && within(limits.memory_mb, 1 << 20)
                    && within(limits.output_kb, 1 << 20),
                "task.verify_limits",
                "allows nothing, or more than an hour, a terabyte of memory or a gigabyte of output",
            ),
        ]
    }

    fn sampling_rules(&self) -> Vec<Rule> {
        const TEMPERATURE: &str = "is not a finite number of at least 0";
        let sample = &self.sample;
        let temperature = |t: f32| t.is_finite() && t >= 0.0;
        vec![
            (
                sample.per_problem > 0 && sample.batch > 0 && sample.max_tokens > 0,
                "sample",
                "has a 0 for `per_problem`, `batch` or `max_tokens`",
            ),
            (
                sample.problems != Some(0),
                "sample.problems",
                "is 0; leave it out to use all",
            ),
            (
                temperature(sample.temperature),
                "sample.temperature",
                TEMPERATURE,
            ),
            (
                sample.top_p > 0.0 && sample.top_p <= 1.0,
                "sample.top_p",
                "is not above 0 and at most 1",
            ),
            (
                sample.min_p >= 0.0 && sample.min_p < 1.0,
                "sample.min_p",
                "is not at least 0 and below 1",
            ),
            (
                temperature(self.rationalize.temperature),
                "rationalize.temperature",
                TEMPERATURE,
            ),
            (
                !self.rationalize.enabled || self.rationalize.per_problem > 0,
                "rationalize.per_problem",
                "is 0; set `rationalize.enabled = false` to do without",
            ),
            (
                temperature(self.evaluate.temperature),
                "evaluate.temperature",
                TEMPERATURE,
            ),
            (
                self.evaluate.max_tokens != Some(0),
                "evaluate.max_tokens",
                "is 0",
            ),
            (
                self.select.per_problem > 0,
                "select.per_problem",
                "is 0; nothing would be kept",
            ),
        ]
    }

    fn teaching_rules(&self) -> Vec<Rule> {
        let known = |name: &String| {
            name == "student" || self.teachers.iter().any(|teacher| teacher.name == *name)
        };
        let select = &self.select;
        vec![
            (
                !self
                    .teachers
                    .iter()
                    .any(|teacher| teacher.name == "student"),
                "teachers.name",
                "is `student`, which is the model that learns",
            ),
            (
                match &self.teach.train_on {
                    TrainOn::Union => true,
                    TrainOn::Only(names) => !names.is_empty() && names.iter().all(known),
                },
                "teach.train_on",
                "names neither `student` nor a teacher of this file",
            ),
            (
                select.rank_by != RankBy::Judge || !self.judges.is_empty(),
                "select.rank_by",
                "is `judge`, and the spec declares no `[[judges]]`",
            ),
            (
                select.minimum_scores.is_empty() || !self.judges.is_empty(),
                "select.minimum_scores",
                "needs a judge, and the spec declares no `[[judges]]`",
            ),
        ]
    }

    fn training_rules(&self) -> Vec<Rule> {
        let train = &self.train;
        let positive = |x: f32| x.is_finite() && x > 0.0;
        let last = train.steps.steps(self.run.iterations);
        vec![
            (
                train.method != TrainMethod::Full,
                "train.method",
                "is `full`, which makes models instead of adapters and is for `autodidact train`",
            ),
            (
                train.rank > 0 && train.batch > 0 && train.steps.first > 0,
                "train",
                "has a 0 for `rank`, `batch` or `steps.first`",
            ),
            (
                train.steps.growth.is_finite() && train.steps.growth > 0.0 && last > 0,
                "train.steps.growth",
                "is not a finite number above 0, or leaves the last loop without a step",
            ),
            (
                positive(train.learning_rate),
                "train.learning_rate",
                "is not a finite number above 0",
            ),
            (
                positive(train.alpha),
                "train.alpha",
                "is not a finite number above 0",
            ),
            (
                positive(train.clip),
                "train.clip",
                "is not a finite number above 0",
            ),
            (
                train.weight_decay.is_finite() && train.weight_decay >= 0.0,
                "train.weight_decay",
                "is not a finite number of at least 0",
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(extra: &str) -> Result<RunSpec, SpecError> {
        RunSpec::parse(&format!(
            "[run]\nname = \"a\"\n[student]\nmodel = [\"m.gguf\"]\n[task]\nbuiltin = \"addition\"\n{extra}"
        ))
    }

    #[test]
    fn nonsense_is_refused_by_its_key() {
        assert!(parse("").is_ok());
        for (extra, key) in [
            ("evaluate = \"x.jsonl\"", "task.evaluate"),
            ("question = \"q\"", "task"),
            ("verify = \"command\"", "task.verify_command"),
            ("verify_command = [\"./check\"]", "task.verify_command"),
            ("verify_limits = { seconds = 1 }", "task.verify_limits"),
            (
                "verify = \"code\"\nverify_limits = { memory_mb = 0 }",
                "task.verify_limits",
            ),
            ("verify_strict = true", "task.verify_strict"),
            ("[sample]\nproblems = 0", "sample.problems"),
            ("[evaluate]\nmax_tokens = 0", "evaluate.max_tokens"),
            ("[evaluate]\ntemperature = -1.0", "evaluate.temperature"),
            (
                "[rationalize]\ntemperature = nan",
                "rationalize.temperature",
            ),
            ("[select]\nper_problem = 0", "select.per_problem"),
            ("[train]\nclip = -1.0", "train.clip"),
            (
                "[train]\nsteps = { first = 1, growth = 0.1 }",
                "train.steps.growth",
            ),
        ] {
            let error = parse(extra).unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{key}`")), "{extra}: {error}");
        }
    }
}
