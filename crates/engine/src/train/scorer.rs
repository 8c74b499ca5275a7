//! Scoring sequences with a reward model or verifier.

use std::fmt;
use std::sync::{Arc, Mutex};

use super::data::scored;
use super::deal::Dealing;
use super::network::{Keep, Network, Workspace};
use super::parallel::sum_of_shards;
use super::tree::{Sequence, Shard};
use super::weights::{Frozen, Held};
use crate::{Adapter, EngineError, Model, WeightStorage};

/// Tokens computed at once by a thread, about.
const SHARD_TOKENS: usize = 768;

/// A model that gives sequences scores.
pub struct Scorer {
    model: Arc<Model>,
    adapter: Adapter,
    frozen: Frozen,
    held: Held,
    workspaces: Vec<Workspace>,
    longest: usize,
}

impl fmt::Debug for Scorer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scorer")
            .field("model", &self.model.name())
            .field("longest", &self.longest)
            .finish_non_exhaustive()
    }
}

impl Scorer {
    /// A scorer of sequences of at most `longest` tokens.
    ///
    /// # Errors
    /// [`EngineError::Input`] if the adapter has no score head, is another model's, or `longest` is
    /// more than the model's context.
    pub fn new(
        model: Arc<Model>,
        adapter: &Adapter,
        longest: usize,
        threads: usize,
    ) -> Result<Self, EngineError> {
        adapter.check(&model.config)?;
        if !adapter.layout.has_score() {
            return Err(EngineError::Input(
                "the adapter has no score head; train one on scores or comparisons".into(),
            ));
        }
        if longest == 0 || longest > model.config.context {
            return Err(EngineError::Input(format!(
                "sequences of up to {longest} tokens are to be scored and the model's context holds {}",
                model.config.context
            )));
        }
        let threads = threads.max(1);
        let mut held = Held::merged(&model.config, WeightStorage::default());
        held.refresh(&model, adapter, threads)?;
        Ok(Self {
            // One token that nobody looks at follows each sequence.
            frozen: Frozen::new(&model, longest + 1)?,
            adapter: adapter.clone(),
            workspaces: (0..threads).map(|_| Workspace::default()).collect(),
            held,
            longest,
            model,
        })
    }

    /// The score of every sequence, in their order.
    ///
    /// # Errors
    /// [`EngineError::Input`] for a sequence that is empty, too long, or holds an unknown token.
    pub fn score(&mut self, sequences: &[Vec<u32>]) -> Result<Vec<f32>, EngineError> {
        let known = self.model.config.vocabulary;
        for (i, tokens) in sequences.iter().enumerate() {
            let unknown = tokens.iter().any(|t| *t as usize >= known);
            if tokens.is_empty() || tokens.len() > self.longest || unknown {
                return Err(EngineError::Input(format!(
                    "sequence {i} has {} tokens; 1 to {} of the model's own are scored",
                    tokens.len(),
                    self.longest
                )));
            }
        }
        let extended: Vec<_> = sequences.iter().map(|s| scored(s.clone())).collect();
        let laid: Vec<Sequence<'_>> = extended
            .iter()
            .map(|e| Sequence {
                tokens: &e.tokens,
                prompt_tokens: e.prompt_tokens,
            })
            .collect();
        let shards = Dealing::new(&self.model.config, 1, SHARD_TOKENS).deal(&laid);
        let network = Network {
            model: &self.model,
            frozen: &self.frozen,
            adapter: &self.adapter,
            held: &self.held,
            whole: None,
        };
        let scores = of_sequences(&shards, laid.len(), &mut self.workspaces, |shard, w| {
            network.forward(shard, Keep::Nothing, w)?;
            Ok(network.scores(shard, &w.stream))
        })?;
        Ok(scores.into_iter().map(|s| s as f32).collect())
    }
}

/// A number for every one of `count` sequences, which `compute` gives shard by shard.
pub(super) fn of_sequences(
    shards: &[Shard],
    count: usize,
    workers: &mut [Workspace],
    compute: impl Fn(&Shard, &mut Workspace) -> Result<Vec<f64>, EngineError> + Sync,
) -> Result<Vec<f64>, EngineError> {
    let numbers = Mutex::new(vec![0.0; count]);
    let none: &mut [f32] = &mut [];
    sum_of_shards(shards.len(), workers, none, &mut Vec::new(), |at, w, _| {
        let shard = &shards[at];
        let of_shard = compute(shard, w)?;
        let mut numbers = numbers.lock().map_err(|_| EngineError::Worker)?;
        for (source, number) in shard.sources.iter().zip(of_shard) {
            numbers[*source] = number;
        }
        Ok(0.0)
    })?;
    numbers.into_inner().map_err(|_| EngineError::Worker)
}
