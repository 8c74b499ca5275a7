//! Arguments of the commands that show a run, serve it, or take it away.

use std::net::IpAddr;
use std::path::PathBuf;

use autodidact_core::Attribute;
use clap::{Args, ValueEnum};

use crate::arguments::{Machine, Stored};

#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// A run by name or directory (its best student, and the base), a model as for `pull`, or a file of
    /// models and judges as for `ask --config`.
    pub(crate) target: String,
    /// The address to listen on. Any but a loopback one needs `--token-env`.
    #[arg(long, default_value = "127.0.0.1")]
    pub(crate) host: IpAddr,
    /// The port to listen on; 0 takes a free one.
    #[arg(long, default_value_t = 8080)]
    pub(crate) port: u16,
    /// The environment variable that holds the token clients must show.
    #[arg(long, value_name = "VARIABLE")]
    pub(crate) token_env: Option<String>,
    /// The name to serve under; absent: that of the run, the model or the file.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// An adapter on top of a model: a PEFT directory or a GGUF file.
    #[arg(long)]
    pub(crate) adapter: Option<PathBuf>,
    /// Longest prompt and completion together, in tokens; absent: the model's context.
    #[arg(long, value_name = "N")]
    pub(crate) context: Option<usize>,
    /// Sequences decoded at once on each thread.
    #[arg(long, value_name = "N", default_value_t = 32)]
    pub(crate) batch: usize,
    /// Requests that may wait; one more is refused with 429.
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub(crate) queue: usize,
    /// Memory for keys and values of requests under way.
    #[arg(long, value_name = "MB", default_value_t = 2048)]
    pub(crate) active_mb: usize,
    /// Memory for keys and values kept of earlier prompts.
    #[arg(long, value_name = "MB", default_value_t = 512)]
    pub(crate) cache_mb: usize,
    /// Longest completion that may be asked for.
    #[arg(long, value_name = "N", default_value_t = 32_768)]
    pub(crate) max_tokens: usize,
    /// Directory of runs and journals.
    #[arg(long, value_name = "DIR")]
    pub(crate) runs: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) machine: Machine,
}

#[derive(Debug, Args)]
pub(crate) struct UiArguments {
    /// Directory of runs.
    #[arg(long, visible_alias = "store", value_name = "DIR")]
    pub(crate) runs: Option<PathBuf>,
    /// Address to listen at. Any that other machines can reach needs the token in the address that is
    /// printed.
    #[arg(long, default_value = "127.0.0.1")]
    pub(crate) host: IpAddr,
    /// Port to listen at; 0 lets the system choose.
    #[arg(long, default_value_t = 8420)]
    pub(crate) port: u16,
    /// A name of this machine under which browsers may ask for pages, beside addresses and
    /// `localhost`.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Vec<String>,
    /// Ask for a token at a loopback address too, where other people use this machine.
    #[arg(long)]
    pub(crate) token: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    /// The run's name, or its directory.
    pub(crate) run: String,
    /// What is taken.
    #[arg(long, value_enum)]
    pub(crate) what: ExportWhat,
    /// For which program samples are written; absent: the usual one.
    #[arg(long, value_enum)]
    pub(crate) format: Option<ExportFormat>,
    /// Samples of this outer loop only, or its student; absent: samples of all, and the best student,
    /// or else the last.
    #[arg(long, value_name = "N")]
    pub(crate) iteration: Option<u32>,
    /// The folder to write; absent: `<run>-<what>` and the format, here.
    #[arg(long, short, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Least scores of good samples, for instance `correctness=3,coherence=2.5`; the first judge with
    /// an opinion counts, and a sample without one is not good.
    #[arg(long, value_name = "ATTRIBUTE=SCORE", value_delimiter = ',', value_parser = minimum)]
    pub(crate) minimum: Vec<(Attribute, f64)>,
    /// How merged layers are stored; f16 if absent.
    #[arg(long, value_enum)]
    pub(crate) store: Option<Stored>,
    /// For Ollama: the base and the adapter apart, not one merged file.
    #[arg(long)]
    pub(crate) apart: bool,
    /// The base model's sources, where they are not those of the spec any more.
    #[arg(long, value_name = "SOURCE")]
    pub(crate) model: Vec<String>,
    /// Replace the folder of an earlier export.
    #[arg(long)]
    pub(crate) force: bool,
    /// Directory of runs.
    #[arg(long, value_name = "DIR")]
    pub(crate) runs: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) machine: Machine,
}

/// What is taken from a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportWhat {
    /// Prompts and the rationales that were kept.
    Sft,
    /// Pairs of a kept and a bad rationale.
    Preference,
    /// Rationales labelled good or bad.
    Kto,
    /// Rationales with labelled steps.
    Verifier,
    /// Every sample with everything that is known about it.
    Dataset,
    /// The adapter, as PEFT and GGUF files.
    Adapter,
    /// The base with the adapter merged in, as a GGUF file.
    Merged,
    /// A Modelfile and the files it names.
    Ollama,
}

/// For which program samples are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// TRL, as JSON lines.
    Trl,
    /// Axolotl, with the part of its configuration.
    Axolotl,
    /// LLaMA-Factory, with dataset_info.json.
    LlamaFactory,
    /// MLX-LM.
    Mlx,
    /// OpenAI's fine-tuning.
    Openai,
    /// Together's fine-tuning.
    Together,
    /// Conversations of `human` and `gpt`.
    Sharegpt,
    /// `instruction`, `input`, `output`.
    Alpaca,
    /// A Parquet file with TRL's columns.
    Parquet,
    /// JSON lines, for `--what dataset`.
    Jsonl,
}

/// An attribute and its least score.
fn minimum(text: &str) -> Result<(Attribute, f64), String> {
    let (name, score) = text
        .split_once('=')
        .ok_or("write it as attribute=score, for instance correctness=3")?;
    let attribute = Attribute::from_name(name).ok_or_else(|| {
        let names = Attribute::ALL.map(Attribute::as_str);
        format!("`{name}` is no attribute; choose {}", names.join(", "))
    })?;
    let score: f64 = score.trim().parse().map_err(|_| "the score is no number")?;
    if score.is_finite() {
        Ok((attribute, score))
    } else {
        Err("the score is no finite number".to_owned())
    }
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArguments {
    /// The shell.
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManArguments {
    /// The directory to write to.
    pub(crate) directory: PathBuf,
}
