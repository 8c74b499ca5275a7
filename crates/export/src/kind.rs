//! What can be exported, and in which formats.

use serde::Serialize;

use crate::ExportError;

/// What is taken from a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Prompts with the rationales that were kept.
    Sft,
    /// For one prompt a kept rationale and one that is wrong or unsound.
    Preference,
    /// Single rationales, each good or bad.
    Kto,
    /// Whether a rationale is right, and which of its steps are.
    Verifier,
    /// Every sample with everything that is known about it.
    Dataset,
}

/// For whom data are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// TRL's dataset types, as JSON lines.
    Trl,
    /// Axolotl.
    Axolotl,
    /// LLaMA-Factory, with `dataset_info.json`.
    LlamaFactory,
    /// MLX-LM: a directory with `train.jsonl` and `valid.jsonl`.
    Mlx,
    /// The fine-tuning files of `OpenAI`.
    Openai,
    /// The fine-tuning files of Together.
    Together,
    /// Conversations of `human` and `gpt`.
    Sharegpt,
    /// `instruction`, `input`, `output`.
    Alpaca,
    /// TRL's columns as a Parquet file.
    Parquet,
    /// JSON lines, for the data set with everything.
    Jsonl,
}

impl Kind {
    /// The name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sft => "sft",
            Self::Preference => "preference",
            Self::Kto => "kto",
            Self::Verifier => "verifier",
            Self::Dataset => "dataset",
        }
    }

    /// The formats it can be had in, the usual one first.
    pub fn formats(self) -> &'static [Format] {
        use Format::{
            Alpaca, Axolotl, Jsonl, LlamaFactory, Mlx, Openai, Parquet, Sharegpt, Together, Trl,
        };
        match self {
            Self::Sft | Self::Verifier => &[
                Trl,
                Axolotl,
                LlamaFactory,
                Mlx,
                Openai,
                Together,
                Sharegpt,
                Alpaca,
                Parquet,
            ],
            Self::Preference => &[
                Trl,
                Axolotl,
                LlamaFactory,
                Openai,
                Together,
                Sharegpt,
                Alpaca,
                Parquet,
            ],
            Self::Kto => &[Trl, Axolotl, LlamaFactory, Sharegpt, Alpaca, Parquet],
            Self::Dataset => &[Parquet, Jsonl],
        }
    }

    /// The format asked for, or the usual one.
    ///
    /// # Errors
    /// [`ExportError::Request`] with the possible ones if this is none of them.
    pub fn format(self, wanted: Option<Format>) -> Result<Format, ExportError> {
        let possible = self.formats();
        match wanted {
            None => Ok(possible.first().copied().unwrap_or(Format::Trl)),
            Some(format) if possible.contains(&format) => Ok(format),
            Some(format) => {
                let names: Vec<&str> = possible.iter().map(|f| f.as_str()).collect();
                Err(ExportError::Request(format!(
                    "`{}` cannot be had as `{}`; choose {}",
                    self.as_str(),
                    format.as_str(),
                    names.join(", ")
                )))
            }
        }
    }
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Trl,
        Self::Axolotl,
        Self::LlamaFactory,
        Self::Mlx,
        Self::Openai,
        Self::Together,
        Self::Sharegpt,
        Self::Alpaca,
        Self::Parquet,
        Self::Jsonl,
    ];

    /// The name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trl => "trl",
            Self::Axolotl => "axolotl",
            Self::LlamaFactory => "llama-factory",
            Self::Mlx => "mlx",
            Self::Openai => "openai",
            Self::Together => "together",
            Self::Sharegpt => "sharegpt",
            Self::Alpaca => "alpaca",
            Self::Parquet => "parquet",
            Self::Jsonl => "jsonl",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_had_is_refused_with_what_can() {
        let refused = Kind::Kto.format(Some(Format::Openai)).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "`kto` cannot be had as `openai`; choose trl, axolotl, llama-factory, sharegpt, alpaca, parquet"
        );
        assert_eq!(Kind::Dataset.format(None).unwrap(), Format::Parquet);
        assert_eq!(Kind::Sft.format(Some(Format::Mlx)).unwrap(), Format::Mlx);
    }
}
