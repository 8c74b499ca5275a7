//! Arguments of the commands that ask several models: `ask`, `sample` and `judge`.

use std::path::PathBuf;

use autodidact_core::VerifyKind;
use clap::{Args, ValueEnum};

use crate::arguments::{Machine, RunningArguments, verify_kind};

/// Who answers and who judges.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct EnsembleArguments {
    /// Models and judges; absent: Claude, Gemini and Mistral where their keys are in the environment,
    /// and a small model on this machine.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Models of the file by name, or `provider:model`, in order.
    #[arg(long, value_name = "A,B,…", value_delimiter = ',')]
    pub(crate) models: Vec<String>,
    /// Judges of the file by name, `nemotron`, or `provider:model` with a rubric; the first that has
    /// an opinion counts.
    #[arg(long = "judge", value_name = "A,B,…", value_delimiter = ',')]
    pub(crate) judges: Vec<String>,
    /// How one answer is made of many.
    #[arg(long, value_enum)]
    pub(crate) strategy: Option<StrategyArgument>,
    /// Answers of each model to a question.
    #[arg(long, value_name = "N")]
    pub(crate) samples: Option<u32>,
    /// Longest answer, in tokens.
    #[arg(long, value_name = "N")]
    pub(crate) max_tokens: Option<u32>,
    /// Never spend more than this, over all attempts.
    #[arg(long, value_name = "DOLLARS")]
    pub(crate) budget_usd: Option<f64>,
    /// Name of the journal.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Put a journal of the same name aside and ask afresh.
    #[arg(long)]
    pub(crate) new: bool,
    /// Directory of journals and runs.
    #[arg(long, value_name = "DIR")]
    pub(crate) runs: Option<PathBuf>,
}

/// How one answer is made of many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StrategyArgument {
    /// The answer that the judge scores highest.
    Best,
    /// The final answer given most often.
    Vote,
    /// The final answer with the largest share of the judge's scores.
    Weighted,
    /// The best answers are shown to a model that writes a new one.
    Fuse,
    /// Models in order, until one is confident.
    Cascade,
}

impl From<StrategyArgument> for autodidact_core::Strategy {
    fn from(argument: StrategyArgument) -> Self {
        match argument {
            StrategyArgument::Best => Self::Best,
            StrategyArgument::Vote => Self::Vote,
            StrategyArgument::Weighted => Self::Weighted,
            StrategyArgument::Fuse => Self::Fuse,
            StrategyArgument::Cascade => Self::Cascade,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct AskArguments {
    /// The question.
    pub(crate) question: String,
    #[command(flatten)]
    pub(crate) ensemble: EnsembleArguments,
    #[command(flatten)]
    pub(crate) machine: Machine,
}

#[derive(Debug, Args)]
pub(crate) struct SampleArguments {
    /// Problems: JSONL, CSV or TSV; gold answers may be absent.
    pub(crate) data: PathBuf,
    /// The data set to write, one line an answer; absent: `<name of the problems>.answers.jsonl`.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Write the chosen answers only.
    #[arg(long)]
    pub(crate) chosen: bool,
    /// Field of the question; a dot descends.
    #[arg(long, value_name = "FIELD")]
    pub(crate) question: Option<String>,
    /// Field of the gold answer.
    #[arg(long, value_name = "FIELD")]
    pub(crate) answer: Option<String>,
    /// Field of the choices.
    #[arg(long, value_name = "FIELD")]
    pub(crate) choices: Option<String>,
    /// Field of the id.
    #[arg(long, value_name = "FIELD")]
    pub(crate) id: Option<String>,
    /// How answers are compared; absent: numbers by value, choices by letter, texts by their words.
    #[arg(long, value_parser = verify_kind)]
    pub(crate) verify: Option<VerifyKind>,
    #[command(flatten)]
    pub(crate) running: RunningArguments,
    /// Only so many problems from the beginning.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
    /// Show requests, tokens and money, and ask nothing.
    #[arg(long)]
    pub(crate) check: bool,
    /// Write the requests of the first model as lines for `vllm run-batch -i` and the like, and ask
    /// nothing.
    #[arg(long, value_name = "FILE", conflicts_with = "read_batch")]
    pub(crate) write_batch: Option<PathBuf>,
    /// First take answers of the first model from a file that `vllm run-batch -o` wrote.
    #[arg(long, value_name = "FILE")]
    pub(crate) read_batch: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) ensemble: EnsembleArguments,
    #[command(flatten)]
    pub(crate) machine: Machine,
}

#[derive(Debug, Args)]
pub(crate) struct JudgeArguments {
    /// Answers as JSON lines, for instance what `sample` writes.
    pub(crate) data: PathBuf,
    /// The scored data set; absent: `<name of the answers>.scored.jsonl`.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Field of the question; absent: `question` or `prompt`.
    #[arg(long, value_name = "FIELD")]
    pub(crate) question: Option<String>,
    /// Field of the answer's text; absent: `completion`, `response` or `text`.
    #[arg(long, value_name = "FIELD")]
    pub(crate) text: Option<String>,
    /// Field of the gold answer; absent: `gold`. Where there is one, the judges are calibrated.
    #[arg(long, value_name = "FIELD")]
    pub(crate) gold: Option<String>,
    /// How answers are compared with gold.
    #[arg(long, value_parser = verify_kind, default_value = "number")]
    pub(crate) verify: VerifyKind,
    #[command(flatten)]
    pub(crate) running: RunningArguments,
    #[command(flatten)]
    pub(crate) ensemble: EnsembleArguments,
    #[command(flatten)]
    pub(crate) machine: Machine,
}
