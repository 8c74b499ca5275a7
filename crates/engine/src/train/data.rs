//! What a training learns from, and towards what.

use super::TrainingExample;

/// Two answers to one prompt, of which one is better.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreferencePair {
    /// What both begin with; at least one token.
    pub prompt: Vec<u32>,
    /// The better answer, which should end with the end-of-text token.
    pub chosen: Vec<u32>,
    /// The worse answer.
    pub rejected: Vec<u32>,
}

/// A sequence and the score it should get.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredExample {
    /// Prompt and answer; the score is read at the last token.
    pub tokens: Vec<u32>,
    /// The score.
    pub score: f32,
}

/// Direct preference optimization (Rafailov et al. 2023): the mean over pairs of
/// `-log sigmoid(beta * (chosen - rejected))`, where `chosen` and `rejected` are the sums of an
/// answer's log-probabilities less those of the base, without the adapter. With `nll`, plus `nll`
/// times the chosen answer's mean negative log-probability per token: the loss of iterative
/// reasoning preference optimization (Pang et al. 2024).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PreferenceLoss {
    /// How strongly the base holds back.
    pub beta: f32,
    /// Weight of the chosen answer's own loss; zero: plain DPO.
    pub nll: f32,
}

impl Default for PreferenceLoss {
    fn default() -> Self {
        Self {
            beta: 0.1,
            nll: 0.0,
        }
    }
}

/// What a training learns from, and with which loss.
#[derive(Debug, Clone, PartialEq)]
pub enum TrainingData {
    /// The completion of every prompt: mean cross-entropy per completion token.
    Completions(Vec<TrainingExample>),
    /// Which of two answers is better, to write more like it.
    Preferences(Vec<PreferencePair>, PreferenceLoss),
    /// Which of two answers is better, to score it higher (Bradley and Terry 1952): the mean of
    /// `-log sigmoid(score of chosen - score of rejected)`. Trains a score head.
    Comparisons(Vec<PreferencePair>),
    /// Scores: the mean of the squared differences. Trains a score head.
    Scores(Vec<ScoredExample>),
}

impl TrainingData {
    /// True if a score head is trained.
    pub fn scores(&self) -> bool {
        matches!(self, Self::Comparisons(_) | Self::Scores(_))
    }
}

/// The loss as the trainer keeps it, its data apart.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Loss {
    NextToken,
    Preference(PreferenceLoss),
    Comparison,
    Score,
}

/// The data as sequences: what is computed.
#[derive(Debug)]
pub(super) struct Sequences {
    pub(super) loss: Loss,
    /// So many sequences in a row are one example.
    pub(super) bundle: usize,
    pub(super) all: Vec<TrainingExample>,
    /// For every sequence what the loss compares with: the base's log-probability, or the score.
    pub(super) constants: Vec<f64>,
}

impl Sequences {
    pub(super) fn new(data: TrainingData) -> Self {
        let plain = |loss, bundle, all: Vec<TrainingExample>| Self {
            loss,
            bundle,
            constants: vec![0.0; all.len()],
            all,
        };
        match data {
            TrainingData::Completions(examples) => plain(Loss::NextToken, 1, examples),
            TrainingData::Preferences(pairs, loss) => {
                let answers = pairs.iter().flat_map(|pair| {
                    [&pair.chosen, &pair.rejected].map(|answer| TrainingExample {
                        tokens: [pair.prompt.as_slice(), answer].concat(),
                        prompt_tokens: pair.prompt.len(),
                    })
                });
                plain(Loss::Preference(loss), 2, answers.collect())
            }
            TrainingData::Comparisons(pairs) => {
                let answers = pairs.iter().flat_map(|pair| {
                    [&pair.chosen, &pair.rejected]
                        .map(|answer| scored([pair.prompt.as_slice(), answer].concat()))
                });
                plain(Loss::Comparison, 2, answers.collect())
            }
            TrainingData::Scores(examples) => Self {
                loss: Loss::Score,
                bundle: 1,
                constants: examples.iter().map(|e| f64::from(e.score)).collect(),
                all: examples.into_iter().map(|e| scored(e.tokens)).collect(),
            },
        }
    }

    /// Number of examples.
    pub(super) fn count(&self) -> usize {
        self.all.len() / self.bundle
    }
}

/// A sequence whose last token's row is wanted: rows are kept where they predict a token of the
/// completion, so one token that nobody looks at follows.
pub(super) fn scored(mut tokens: Vec<u32>) -> TrainingExample {
    let prompt_tokens = tokens.len();
    tokens.extend(tokens.last().copied());
    TrainingExample {
        tokens,
        prompt_tokens,
    }
}
