//! The trainer: steps, checkpoints, and the adapter that comes out.

use std::fmt::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

use super::batch::Order;
use super::coded::Coded;
use super::data::{Loss, Sequences};
use super::deal::Dealing;
use super::network::{Keep, Network, Workspace};
use super::objective::Objective;
use super::optimizer::{Moments, adamw, clip};
use super::parallel::sum_of_shards;
use super::scorer::of_sequences;
use super::tree::{Sequence, Shard};
use super::weights::{Frozen, Held};
use super::whole::Whole;
use super::{Checkpoint, StepReport, Trained, TrainerOptions, TrainingData, TrainingExample};
use crate::gguf::TensorType;
use crate::profile::{self, LayerKind, Profile, timed};
use crate::{Adapter, AdapterLayout, Arithmetic, EngineError, Model, WeightStorage};

/// A training in progress.
pub struct Trainer {
    model: Arc<Model>,
    frozen: Frozen,
    held: Held,
    sequences: Sequences,
    order: Order,
    options: TrainerOptions,
    /// Of rank zero where everything is trained.
    adapter: Adapter,
    pub(super) whole: Option<Whole>,
    moments: Moments,
    step: u32,
    workspaces: Vec<Workspace>,
    /// Buffers for the gradients of shards.
    gradients: Vec<Vec<f32>>,
    total: Vec<f32>,
    /// Where time went outside of the workspaces.
    profile: Profile,
}

impl fmt::Debug for Trainer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trainer")
            .field("options", &self.options)
            .field("examples", &self.sequences.count())
            .field("step", &self.step)
            .finish_non_exhaustive()
    }
}

impl Trainer {
    /// Begins a training on completions.
    pub fn new(
        model: Arc<Model>,
        examples: Vec<TrainingExample>,
        options: TrainerOptions,
    ) -> Result<Self, EngineError> {
        Self::on(model, TrainingData::Completions(examples), options)
    }

    /// Begins a training of a fresh adapter, or of all parameters. The base's log-probabilities
    /// that preferences are measured against are computed here, once.
    pub fn on(
        model: Arc<Model>,
        data: TrainingData,
        options: TrainerOptions,
    ) -> Result<Self, EngineError> {
        let scores = data.scores();
        let sequences = Sequences::new(data);
        check(&model, &sequences, &options)?;
        let longest = sequences.all.iter().map(|e| e.tokens.len()).max();
        let mut frozen = Frozen::new(&model, longest.unwrap_or(0))?;
        let (adapter, whole) = trained(&model, &frozen, &options, scores)?;
        let threads = options.threads.max(1);
        let coded = options.arithmetic == Arithmetic::EightBit && !options.dora;
        let held = if coded && whole.is_none() {
            Held::coded(&model, threads, options.storage)?
        } else {
            Held::merged(&model.config, options.storage)
        };
        if held.as_coded().is_some_and(Coded::has_head) {
            frozen.drop_head();
        } else if whole.is_none() {
            frozen.pack_head(&model.config);
        }
        let whole_values = whole.as_ref().map(|whole| whole.values.len());
        let parameters = whole_values.unwrap_or(adapter.values.len());
        let mut trainer = Self {
            frozen,
            held,
            adapter,
            whole,
            moments: Moments::new(parameters),
            step: 0,
            workspaces: (0..threads).map(|_| Workspace::default()).collect(),
            gradients: Vec::new(),
            total: vec![0.0; parameters],
            profile: Profile::default(),
            order: Order::new(&sequences.all, sequences.bundle),
            model,
            sequences,
            options,
        };
        if matches!(trainer.sequences.loss, Loss::Preference(_)) {
            trainer.sequences.constants = trainer.reference()?;
        }
        Ok(trainer)
    }

    /// The base's log-probability of every sequence's completion.
    fn reference(&mut self) -> Result<Vec<f64>, EngineError> {
        let layout = AdapterLayout::new(&self.model.config, 1, 1.0);
        let values = vec![0.0; layout.parameters()];
        let nothing = Adapter { layout, values };
        self.held
            .refresh(&self.model, &nothing, self.workspaces.len())?;
        let all: Vec<usize> = (0..self.sequences.count()).collect();
        let shards = self.deal(&all);
        let network = Network {
            model: &self.model,
            frozen: &self.frozen,
            adapter: &nothing,
            held: &self.held,
            whole: None,
        };
        let count = self.sequences.all.len();
        of_sequences(&shards, count, &mut self.workspaces, |shard, w| {
            network.forward(shard, Keep::Nothing, w)?;
            Ok(network.completion_log_probabilities(shard, w))
        })
    }

    /// Starts from a given adapter instead of a fresh one.
    pub fn start_from(&mut self, mut adapter: Adapter) -> Result<(), EngineError> {
        if adapter.layout != self.adapter.layout {
            return Err(EngineError::Input(
                "the adapter's rank, alpha or shape differs from what is trained".into(),
            ));
        }
        adapter.fill_magnitudes(&self.model)?;
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
        let parameters = self.values().len();
        let Moments { first, second } = &checkpoint.moments;
        if [&checkpoint.values, first, second].map(Vec::len) != [parameters; 3] {
            return Err(EngineError::Checkpoint(format!(
                "it does not hold {parameters} parameters and their moments"
            )));
        }
        *self.values_mut() = checkpoint.values;
        self.moments = checkpoint.moments;
        self.step = checkpoint.step;
        Ok(())
    }

    /// The state now.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            step: self.step,
            fingerprint: self.fingerprint(),
            values: self.values().clone(),
            moments: self.moments.clone(),
        }
    }

    /// Steps done.
    pub fn steps_done(&self) -> u32 {
        self.step
    }

    /// Where the time of the threads went in all steps so far.
    pub fn profile(&self) -> Profile {
        let mut sum = self.profile;
        for workspace in &self.workspaces {
            sum += workspace.profile;
        }
        sum
    }

    /// What is trained, as one vector: the adapter's parameters, or all of the model's.
    pub fn values(&self) -> &Vec<f32> {
        let whole = self.whole.as_ref();
        whole.map_or(&self.adapter.values, |whole| &whole.values)
    }

    pub(super) fn values_mut(&mut self) -> &mut Vec<f32> {
        match &mut self.whole {
            Some(whole) => &mut whole.values,
            None => &mut self.adapter.values,
        }
    }

    /// Writes the model as it is now to a GGUF file: everything that was trained, or the adapter
    /// merged in. Matrices that changed are stored as `tensor_type`, all else as in the base.
    ///
    /// # Errors
    /// As [`Adapter::write_merged`].
    pub fn write_model(&self, tensor_type: TensorType, path: &Path) -> Result<(), EngineError> {
        match &self.whole {
            Some(whole) => whole.write(&self.model, tensor_type, path),
            None => self.adapter.write_merged(&self.model, tensor_type, path),
        }
    }

    /// The adapter as it is now; one of rank zero where everything is trained.
    pub fn adapter(&self) -> &Adapter {
        &self.adapter
    }

    /// One optimizer step.
    pub fn step(&mut self) -> Result<StepReport, EngineError> {
        let step = self.step + 1;
        let (batch, seed) = (self.options.batch, self.options.seed);
        let chosen = self.order.examples_of_step(batch, seed, step);
        let (loss, tokens) = self.gradient_of(&chosen)?;
        let (norm, profile) = profile::recorded(|| {
            let _timing = timed(LayerKind::Optimizer);
            clip(&mut self.total, self.options.clip)
        });
        self.profile += profile;
        if !loss.is_finite() || !norm.is_finite() {
            return Err(EngineError::Diverged { step, loss });
        }
        let ((), profile) = profile::recorded(|| {
            let _timing = timed(LayerKind::Optimizer);
            let values = match &mut self.whole {
                Some(whole) => &mut whole.values,
                None => &mut self.adapter.values,
            };
            adamw(&self.options, step, values, &self.total, &mut self.moments);
        });
        self.profile += profile;
        self.step = step;
        Ok(StepReport {
            step,
            loss,
            gradient_norm: norm,
            learning_rate: self.options.learning_rate_at(step),
            tokens,
        })
    }

    /// The sequences of chosen examples, in shards.
    fn deal(&self, chosen: &[usize]) -> Vec<Shard> {
        let sequences: Vec<Sequence<'_>> = self
            .sequences_of(chosen)
            .map(|i| &self.sequences.all[i])
            .map(|e| Sequence {
                tokens: &e.tokens,
                prompt_tokens: e.prompt_tokens,
            })
            .collect();
        let (config, bundle) = (&self.model.config, self.sequences.bundle);
        Dealing::new(config, bundle, self.options.shard_tokens).deal(&sequences)
    }

    fn sequences_of(&self, chosen: &[usize]) -> impl Iterator<Item = usize> {
        let bundle = self.sequences.bundle;
        chosen
            .iter()
            .flat_map(move |i| i * bundle..(i + 1) * bundle)
    }

    /// The loss of chosen examples and the number of tokens computed; leaves the loss's gradient in
    /// `total`.
    fn gradient_of(&mut self, chosen: &[usize]) -> Result<(f64, u64), EngineError> {
        let shards = self.deal(chosen);
        let of_all = &self.sequences.constants;
        let constants: Vec<f64> = self.sequences_of(chosen).map(|i| of_all[i]).collect();
        let targets: usize = shards.iter().map(|s| s.targets.len()).sum();
        let weight = 1.0 / chosen.len() as f64;
        let objective = match self.sequences.loss {
            Loss::NextToken => Objective::NextToken {
                weight: 1.0 / targets as f64,
            },
            Loss::Preference(loss) => Objective::Preference {
                loss,
                reference: &constants,
                weight,
            },
            Loss::Comparison => Objective::Comparison { weight },
            Loss::Score => Objective::Score {
                wanted: &constants,
                weight,
            },
        };
        if let Some(whole) = &self.whole {
            whole.refresh(&mut self.frozen);
        } else {
            let threads = self.workspaces.len();
            self.profile += self.held.refresh(&self.model, &self.adapter, threads)?;
        }
        let network = Network {
            model: &self.model,
            frozen: &self.frozen,
            adapter: &self.adapter,
            held: &self.held,
            whole: self.whole.as_ref(),
        };
        let loss = sum_of_shards(
            shards.len(),
            &mut self.workspaces,
            &mut self.total,
            &mut self.gradients,
            |shard, workspace, gradient| {
                let (loss, profile) = profile::recorded(|| {
                    network.loss_and_gradient(&shards[shard], objective, workspace, gradient)
                });
                workspace.profile += profile;
                loss
            },
        )?;
        Ok((loss, shards.iter().map(|s| s.tokens.len() as u64).sum()))
    }

    /// The loss and its gradient over all examples at the current parameters, in the layout of
    /// [`Trainer::values`].
    pub fn loss_and_gradient(&mut self) -> Result<(f64, Vec<f32>), EngineError> {
        let all: Vec<usize> = (0..self.sequences.count()).collect();
        let (loss, _) = self.gradient_of(&all)?;
        Ok((loss, self.total.clone()))
    }

    /// Everything that decides the result but the number of threads.
    fn fingerprint(&self) -> String {
        let mut text = String::new();
        let options = TrainerOptions {
            threads: 0,
            storage: WeightStorage::default(),
            ..self.options.clone()
        };
        // Writing to a String cannot fail.
        let loss = &self.sequences.loss;
        let _ = write!(text, "{:?} {options:?} {loss:?}", self.model.config);
        let mut hasher = blake3::Hasher::new();
        hasher.update(text.as_bytes());
        for (example, constant) in self.sequences.all.iter().zip(&self.sequences.constants) {
            hasher.update(&constant.to_le_bytes());
            hasher.update(&(example.prompt_tokens as u64).to_le_bytes());
            hasher.update(&(example.tokens.len() as u64).to_le_bytes());
            for token in &example.tokens {
                hasher.update(&token.to_le_bytes());
            }
        }
        hasher.finalize().to_hex().to_string()
    }
}

/// The adapter that is trained, or all parameters beside an adapter that is none.
fn trained(
    model: &Model,
    frozen: &Frozen,
    options: &TrainerOptions,
    scores: bool,
) -> Result<(Adapter, Option<Whole>), EngineError> {
    if options.trained == Trained::Everything {
        let nothing = Adapter::new(AdapterLayout::new(&model.config, 0, 0.0), 0);
        return Ok((nothing, Some(Whole::new(model, frozen)?)));
    }
    let layout = AdapterLayout::new(&model.config, options.rank, options.alpha)
        .with_scaling(options.scaling)
        .with_magnitudes(options.dora)
        .with_score(scores);
    let mut adapter = Adapter::new(layout, options.seed);
    adapter.fill_magnitudes(model)?;
    Ok((adapter, None))
}

/// Refuses what cannot be trained on before anything is computed.
fn check(
    model: &Model,
    sequences: &Sequences,
    options: &TrainerOptions,
) -> Result<(), EngineError> {
    let (config, examples) = (&model.config, &sequences.all);
    let scores = matches!(sequences.loss, Loss::Comparison | Loss::Score);
    if scores && options.trained == Trained::Everything {
        return Err(EngineError::Input(
            "a score head is trained together with an adapter, not with all parameters".into(),
        ));
    }
    if let Loss::Preference(loss) = &sequences.loss
        && !(loss.beta.is_finite() && loss.beta > 0.0 && loss.nll.is_finite() && loss.nll >= 0.0)
    {
        return Err(EngineError::Input(format!(
            "`beta` is {} and must be positive, `nll` is {} and must not be negative",
            loss.beta, loss.nll
        )));
    }
    if sequences.constants.iter().any(|c| !c.is_finite()) {
        return Err(EngineError::Input(
            "the scores to learn must be finite numbers".into(),
        ));
    }
    // A scored sequence is followed by one token that nobody looks at.
    let context = config.context + usize::from(scores);
    if examples.is_empty() {
        return Err(EngineError::Input(
            "there are no examples to train on".into(),
        ));
    }
    for (i, example) in examples.iter().enumerate() {
        let (i, length) = (i / sequences.bundle, example.tokens.len());
        if example.prompt_tokens == 0 || example.prompt_tokens >= length {
            return Err(EngineError::Input(format!(
                "training example {i} has {length} tokens of which {} are the prompt; both parts must hold something",
                example.prompt_tokens
            )));
        }
        if length > context {
            return Err(EngineError::Input(format!(
                "training example {i} has {length} tokens and the model's context holds {context}"
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
    fn what_is_kept_between_passes_changes_no_bit() {
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
        let trained = |merged: bool, most_activations: Option<usize>| {
            let examples = (0..6).map(example).collect();
            let mut trainer = Trainer::new(model.clone(), examples, options.clone()).unwrap();
            let held = matches!(trainer.held, Held::Merged(_));
            assert!(held, "a tiny model is small enough");
            if !merged {
                trainer.held = Held::InFile;
            }
            for workspace in &mut trainer.workspaces {
                workspace.most_activations = most_activations;
            }
            let losses: Vec<u64> = (0..3)
                .map(|_| trainer.step().unwrap().loss.to_bits())
                .collect();
            (losses, trainer.adapter().clone())
        };
        let expected = trained(true, None);
        assert!(trained(false, None) == expected, "merged in pieces");
        assert!(trained(true, Some(0)) == expected, "blocks computed again");
        assert!(trained(false, Some(0)) == expected, "both");
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
