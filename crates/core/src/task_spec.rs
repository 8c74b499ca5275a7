//! The `[task]` section of a run: which problems, and how their answers are verified.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{Decontaminate, DropOrKeep, PromptFormat, VerifyLimits};

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
