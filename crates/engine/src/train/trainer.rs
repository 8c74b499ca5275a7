//! The trainer: steps, checkpoints, and the adapter that comes out.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use super::batch::examples_of_step;
use super::deal::Dealing;
use super::network::{Network, Workspace};
use super::objective::Objective;
use super::optimizer::{Moments, adamw, clip};
use super::parallel::sum_of_shards;
use super::tree::{Sequence, Shard};
use super::weights::{Frozen, Merged};
use super::{Checkpoint, StepReport, TrainerOptions, TrainingExample};
use crate::{Adapter, AdapterLayout, EngineError, Model};

/// A training in progress.
pub struct Trainer {
    model: Arc<Model>,
    frozen: Frozen,
    merged: Option<Merged>,
    examples: Vec<TrainingExample>,
    options: TrainerOptions,
    adapter: Adapter,
    moments: Moments,
    step: u32,
    workspaces: Vec<Workspace>,
    /// Buffers for the gradients of shards.
    gradients: Vec<Vec<f32>>,
    total: Vec<f32>,
}

impl fmt::Debug for Trainer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trainer")
            .field("options", &self.options)
            .field("examples", &self.examples.len())
            .field("step", &self.step)
            .finish_non_exhaustive()
    }
}

impl Trainer {
    /// Begins a training of a fresh adapter.
    pub fn new(
        model: Arc<Model>,
        examples: Vec<TrainingExample>,
        options: TrainerOptions,
    ) -> Result<Self, EngineError> {
        check(&model, &examples, &options)?;
        let longest = examples.iter().map(|e| e.tokens.len()).max().unwrap_or(0);
        let layout = AdapterLayout::new(&model.config, options.rank, options.alpha);
        let parameters = layout.parameters();
        let threads = options.threads.max(1);
        Ok(Self {
            frozen: Frozen::new(&model, longest)?,
            merged: Merged::new(&model.config),
            adapter: Adapter::new(layout, options.seed),
            moments: Moments::new(parameters),
            step: 0,
            workspaces: (0..threads).map(|_| Workspace::default()).collect(),
            gradients: Vec::new(),
            total: vec![0.0; parameters],
            model,
            examples,
            options,
        })
    }

    /// Starts from given parameters instead of fresh ones.
    pub fn start_from(&mut self, adapter: Adapter) -> Result<(), EngineError> {
        if adapter.layout != self.adapter.layout {
            return Err(EngineError::Input(
                "the adapter's rank, alpha or shape differs from what is trained".into(),
            ));
        }
        adapter.check(&self.model.config)?;
        self.adapter = adapter;
        Ok(())
    }

    /// Goes on from a checkpoint of the same training.
    pub fn resume(&mut self, checkpoint: Checkpoint) -> Result<(), EngineError> {
        if checkpoint.fingerprint != self.fingerprint() {
            return Err(EngineError::Checkpoint(
                "it belongs to another training".into(),
            ));
        }
        let parameters = self.adapter.values.len();
        let Moments { first, second } = &checkpoint.moments;
        if [&checkpoint.values, first, second].map(Vec::len) != [parameters; 3] {
            return Err(EngineError::Checkpoint(format!(
                "it does not hold {parameters} parameters and their moments"
            )));
        }
        self.adapter.values = checkpoint.values;
        self.moments = checkpoint.moments;
        self.step = checkpoint.step;
        Ok(())
    }

    /// The state now.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            step: self.step,
            fingerprint: self.fingerprint(),
            values: self.adapter.values.clone(),
            moments: self.moments.clone(),
        }
    }

    /// Steps done.
    pub fn steps_done(&self) -> u32 {
        self.step
    }

    /// The adapter as it is now.
    pub fn adapter(&self) -> &Adapter {
        &self.adapter
    }

    /// One optimizer step.
    pub fn step(&mut self) -> Result<StepReport, EngineError> {
        let step = self.step + 1;
        let chosen = examples_of_step(
            self.examples.len(),
            self.options.batch,
            self.options.seed,
            step,
        );
        let shards = self.deal(chosen.into_iter());
        let loss = self.gradient_of(&shards)?;
        let norm = clip(&mut self.total, self.options.clip);
        if !loss.is_finite() || !norm.is_finite() {
            return Err(EngineError::Diverged { step, loss });
        }
        adamw(
            &self.options,
            step,
            &mut self.adapter.values,
            &self.total,
            &mut self.moments,
        );
        self.step = step;
        Ok(StepReport {
            step,
            loss,
            gradient_norm: norm,
            learning_rate: self.options.learning_rate_at(step),
            tokens: shards.iter().map(|s| s.tokens.len() as u64).sum(),
        })
    }

    fn deal(&self, chosen: impl Iterator<Item = usize>) -> Vec<Shard> {
        let sequence = |i: usize| Sequence {
            tokens: &self.examples[i].tokens,
            prompt_tokens: self.examples[i].prompt_tokens,
        };
        let sequences: Vec<Sequence<'_>> = chosen.map(sequence).collect();
        Dealing::new(&self.model.config, 1, self.options.shard_tokens).deal(&sequences)
    }

    /// The mean loss over completion tokens; leaves its gradient in `total`.
    fn gradient_of(&mut self, shards: &[Shard]) -> Result<f64, EngineError> {
        let targets: usize = shards.iter().map(|s| s.targets.len()).sum();
        let objective = Objective::NextToken {
            weight: 1.0 / targets as f64,
        };
        if let Some(merged) = &mut self.merged {
            merged.refresh(&self.model, &self.adapter, self.workspaces.len())?;
        }
        let network = Network {
            model: &self.model,
            frozen: &self.frozen,
            adapter: &self.adapter,
            merged: self.merged.as_ref(),
        };
        sum_of_shards(
            shards.len(),
            &mut self.workspaces,
            &mut self.total,
            &mut self.gradients,
            |shard, workspace, gradient| {
                network.loss_and_gradient(&shards[shard], objective, workspace, gradient)
            },
        )
    }

    /// The mean loss and its gradient over all examples at the current parameters, in the layout of
    /// [`AdapterLayout`].
    pub fn loss_and_gradient(&mut self) -> Result<(f64, Vec<f32>), EngineError> {
        let shards = self.deal(0..self.examples.len());
        let loss = self.gradient_of(&shards)?;
        Ok((loss, self.total.clone()))
    }

    /// Everything that decides the result but the number of threads.
    fn fingerprint(&self) -> String {
        let mut text = String::new();
        let options = TrainerOptions {
            threads: 0,
            ..self.options.clone()
        };
        // Writing to a String cannot fail.
        let _ = write!(text, "{:?} {options:?}", self.model.config);
        let mut hasher = blake3::Hasher::new();
        hasher.update(text.as_bytes());
        for example in &self.examples {
            hasher.update(&(example.prompt_tokens as u64).to_le_bytes());
            hasher.update(&(example.tokens.len() as u64).to_le_bytes());
            for token in &example.tokens {
                hasher.update(&token.to_le_bytes());
            }
        }
        hasher.finalize().to_hex().to_string()
    }
}

/// Refuses what cannot be trained on before anything is computed.
fn check(
    model: &Model,
    examples: &[TrainingExample],
    options: &TrainerOptions,
) -> Result<(), EngineError> {
    let config = &model.config;
    if examples.is_empty() {
        return Err(EngineError::Input(
            "there are no examples to train on".into(),
        ));
    }
    for (i, example) in examples.iter().enumerate() {
        let length = example.tokens.len();
        if example.prompt_tokens == 0 || example.prompt_tokens >= length {
            return Err(EngineError::Input(format!(
                "training example {i} has {length} tokens of which {} are the prompt; both parts must hold something",
                example.prompt_tokens
            )));
        }
        if length > config.context {
            return Err(EngineError::Input(format!(
                "training example {i} has {length} tokens and the model's context holds {}",
                config.context
            )));
        }
        if let Some(token) = example
            .tokens
            .iter()
            .find(|t| **t as usize >= config.vocabulary)
        {
            return Err(EngineError::Input(format!(
                "training example {i} holds the unknown token {token}"
            )));
        }
    }
    if options.rank == 0 || options.batch == 0 {
        return Err(EngineError::Input(
            "`rank` and `batch` must be at least 1".into(),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_merged_once_or_in_pieces_give_the_same_bits() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tiny.gguf");
        let model = Arc::new(Model::open(&path).unwrap());
        let example = |i: u32| TrainingExample {
            tokens: (0..9).map(|j| 3 + (i * 13 + j * 5) % 90).collect(),
            prompt_tokens: 3,
        };
        let options = TrainerOptions {
            rank: 4,
            steps: 3,
            batch: 4,
            learning_rate: 1e-2,
            threads: 2,
            ..TrainerOptions::default()
        };
        let trained = |merged: bool| {
            let examples = (0..6).map(example).collect();
            let mut trainer = Trainer::new(model.clone(), examples, options.clone()).unwrap();
            assert!(trainer.merged.is_some(), "a tiny model is small enough");
            if !merged {
                trainer.merged = None;
            }
            let losses: Vec<u64> = (0..3)
                .map(|_| trainer.step().unwrap().loss.to_bits())
                .collect();
            (losses, trainer.adapter().clone())
        };
        assert!(trained(true) == trained(false));
    }

    /// Loss and gradient do not change when what sequences have in common is computed once.
    #[test]
    fn a_shared_prompt_gives_the_gradient_of_its_sequences_apart() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tiny.gguf");
        let model = Arc::new(Model::open(&path).unwrap());
        let example = |i: u32| TrainingExample {
            tokens: (0..20)
                .map(|j| 3 + (j * 5 + if j > 11 { i * 7 } else { i / 3 }) % 90)
                .collect(),
            prompt_tokens: 9,
        };
        let examples: Vec<TrainingExample> = (0..6).map(example).collect();
        let options = TrainerOptions {
            rank: 4,
            ..TrainerOptions::default()
        };
        let train = |examples: Vec<TrainingExample>| {
            let mut trainer = Trainer::new(model.clone(), examples, options.clone()).unwrap();
            let adapter = trainer.adapter.clone();
            for (i, value) in trainer.adapter.values.iter_mut().enumerate() {
                *value += 0.02 * (i as f32 * 0.37).sin();
            }
            assert!(adapter != trainer.adapter);
            trainer.loss_and_gradient().unwrap()
        };
        let (loss, gradient) = train(examples.clone());
        let (mut apart, mut sum) = (0.0, vec![0.0; gradient.len()]);
        for example in examples {
            let (loss, gradient) = train(vec![example]);
            apart += loss / 6.0;
            crate::kernels::add_scaled(&mut sum, &gradient, 1.0 / 6.0);
        }
        assert!(
            (loss - apart).abs() < 1e-6 * apart,
            "{loss} against {apart}"
        );
        let largest = sum.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        for (a, b) in gradient.iter().zip(&sum) {
            assert!((a - b).abs() < 1e-5 * largest, "{a} against {b}");
        }
    }
}
