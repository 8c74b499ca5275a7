//! The embedded engine behind the seams.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use autodidact_core::{Completion, Prompt, Sample, TrainMethod};
use autodidact_engine::gguf::TensorType;
use autodidact_engine::{
    Adapter, Arithmetic, Checkpoint, EngineError, Finished, LoraScaling, Model, PreferencePair,
    Request, SamplingOptions, Schedule, ScoredExample, StepReport, Trained, TrainerOptions,
    TrainingData, TrainingExample, WeightStorage,
};
use autodidact_store::atomic_write;

use crate::StarError;
use crate::run::of_engine;
use crate::seams::{
    Ask, Deliver, Preference, Sampler, ScoredAnswer, SeenExample, SeenToken, Student, Trainer,
    TrainingJob, TrainingPair, TrainingSet,
};

/// A student that lives in a GGUF file and runs in this process.
#[derive(Debug)]
pub struct LocalStudent {
    model: Arc<Model>,
    identity: String,
    threads: usize,
}

impl LocalStudent {
    /// A student on an open model. `identity` names its weights, for instance by the file's SHA-256
    /// sum: a checkpoint made with others is not resumed.
    pub fn new(model: Arc<Model>, identity: String, threads: usize) -> Self {
        Self {
            model,
            identity,
            threads,
        }
    }

    /// The model.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// The tokens of an answer, the end-of-text token behind them.
    fn answer(&self, text: &str) -> Result<Vec<u32>, EngineError> {
        let tokenizer = self.model.tokenizer();
        let mut tokens = tokenizer.encode_continuation(text)?;
        tokens.push(tokenizer.end_of_text());
        Ok(tokens)
    }

    fn completion(&self, pair: &TrainingPair) -> Result<TrainingExample, EngineError> {
        let mut tokens = encode(&self.model, &pair.prompt)?;
        let prompt_tokens = tokens.len();
        tokens.extend(self.answer(&pair.completion)?);
        Ok(TrainingExample {
            tokens,
            prompt_tokens,
        })
    }

    /// A training text, token by token.
    fn shown(&self, pair: &TrainingPair) -> Result<SeenExample, EngineError> {
        let example = self.completion(pair)?;
        let tokenizer = self.model.tokenizer();
        let shown = |id: &u32| SeenToken {
            id: *id,
            text: String::from_utf8_lossy(tokenizer.token_bytes(*id)).into_owned(),
        };
        let last = example.tokens.last();
        Ok(SeenExample {
            model: pair.model.clone(),
            ends: last.is_some_and(|id| tokenizer.is_end_of_text(*id)),
            prompt_tokens: example.prompt_tokens as u32,
            tokens: example.tokens.iter().map(shown).collect(),
        })
    }

    fn preference(&self, pair: &Preference) -> Result<PreferencePair, EngineError> {
        Ok(PreferencePair {
            prompt: encode(&self.model, &pair.prompt)?,
            chosen: answer(&self.model, &pair.chosen)?,
            rejected: answer(&self.model, &pair.rejected)?,
        })
    }

    fn scored(&self, scored: &ScoredAnswer) -> Result<ScoredExample, EngineError> {
        let mut tokens = encode(&self.model, &scored.prompt)?;
        tokens.extend(answer(&self.model, &scored.completion)?);
        let score = scored.score;
        Ok(ScoredExample { tokens, score })
    }

    fn training_data(&self, set: &TrainingSet) -> Result<TrainingData, EngineError> {
        let preferences = |pairs: &[Preference]| -> Result<Vec<_>, EngineError> {
            pairs.iter().map(|pair| self.preference(pair)).collect()
        };
        Ok(match set {
            TrainingSet::Completions(pairs) => {
                let example = |p| training_example(&self.model, p);
                let examples: Result<_, _> = pairs.iter().map(example).collect();
                TrainingData::Completions(examples?)
            }
            TrainingSet::Preferences(pairs, loss) => {
                TrainingData::Preferences(preferences(pairs)?, *loss)
            }
            TrainingSet::Comparisons(pairs) => TrainingData::Comparisons(preferences(pairs)?),
            TrainingSet::Scores(answers) => {
                let examples: Result<_, _> = answers.iter().map(|a| self.scored(a)).collect();
                TrainingData::Scores(examples?)
            }
        })
    }

    /// Writes what was trained to the job's directory.
    fn write(
        &self,
        trainer: &autodidact_engine::Trainer,
        job: &TrainingJob,
    ) -> Result<(), StarError> {
        let directory = &job.adapter;
        if job.spec.method == TrainMethod::Full {
            std::fs::create_dir_all(directory).map_err(|source| StarError::Write {
                path: directory.clone(),
                source,
            })?;
            return Ok(trainer.write_model(TensorType::F32, &directory.join("model.gguf"))?);
        }
        let (adapter, config) = (trainer.adapter(), self.model.config());
        for (name, bytes) in adapter.to_peft(config, &self.model.name())? {
            atomic_write(&directory.join(name), &bytes)?;
        }
        if adapter.fits_gguf() {
            atomic_write(&directory.join("adapter.gguf"), &adapter.to_gguf(config)?)?;
        }
        Ok(())
    }
}

/// The tokens of an answer, the end-of-text token behind them.
fn answer(model: &Model, text: &str) -> Result<Vec<u32>, EngineError> {
    let tokenizer = model.tokenizer();
    let mut tokens = tokenizer.encode_continuation(text)?;
    tokens.push(tokenizer.end_of_text());
    Ok(tokens)
}

/// A line of training text as the tokens that a student learns from.
///
/// # Errors
/// Those of the tokenizer and of the chat template.
pub fn training_example(
    model: &Model,
    pair: &TrainingPair,
) -> Result<TrainingExample, EngineError> {
    let mut tokens = encode(model, &pair.prompt)?;
    let prompt_tokens = tokens.len();
    tokens.extend(answer(model, &pair.completion)?);
    Ok(TrainingExample {
        tokens,
        prompt_tokens,
    })
}

/// The tokens of a prompt; conversations go through the model's own template.
fn encode(model: &Model, prompt: &Prompt) -> Result<Vec<u32>, EngineError> {
    match prompt {
        Prompt::Text(text) => model.tokenizer().encode(text),
        Prompt::Chat(messages) => {
            let template = model.chat_template().ok_or_else(|| {
                EngineError::Input(
                    "the model file has no chat template; use `student.prompt = \"text\"`".into(),
                )
            })?;
            model
                .tokenizer()
                .encode_with_special(&template.render(messages, true)?)
        }
    }
}

/// A model ready to answer.
struct LocalSampler(autodidact_engine::Sampler);

impl Student for LocalStudent {
    fn sampler(
        &self,
        adapter: Option<&Path>,
        arithmetic: Arithmetic,
    ) -> Result<Arc<dyn Sampler>, StarError> {
        let adapter = adapter
            .map(|path| Adapter::open(path, self.model.config()))
            .transpose()?;
        let sampler = autodidact_engine::Sampler::with_weights(
            self.model.clone(),
            adapter.as_ref(),
            self.threads,
            WeightStorage::Automatic,
            arithmetic,
        )?;
        Ok(Arc::new(LocalSampler(sampler)))
    }
}

/// Says which problem's text a model cannot take.
fn of_problem(ask: &Ask, error: EngineError) -> StarError {
    match ask.keys.first() {
        Some(key) => StarError::Spec(format!("problem `{}`: {error}", key.problem)),
        None => error.into(),
    }
}

impl LocalSampler {
    /// Refuses a prompt that leaves no room for its completion.
    fn fits(&self, prompt: Vec<u32>, options: &SamplingOptions) -> Result<Vec<u32>, EngineError> {
        let (context, tokens) = (self.0.model().config().context, prompt.len());
        if tokens.saturating_add(options.max_tokens) <= context {
            return Ok(prompt);
        }
        Err(EngineError::Input(format!(
            "its prompt has {tokens} tokens and up to {} are to be generated, but the model's context holds {context}; leave the problem out, use fewer few-shot examples, or lower `max_tokens`",
            options.max_tokens
        )))
    }
}

impl Sampler for LocalSampler {
    fn sample(
        &self,
        asks: &[Ask],
        options: &SamplingOptions,
        run_seed: u64,
        deliver: &Deliver<'_>,
        stop: &AtomicBool,
    ) -> Result<(), StarError> {
        let mut requests = Vec::with_capacity(asks.len());
        // Where each request's keys begin: an ask for more samples than a batch holds becomes
        // several requests, so that memory stays within the batch.
        let mut origins = Vec::with_capacity(asks.len());
        for (a, ask) in asks.iter().enumerate() {
            let prompt = encode(self.0.model(), &ask.prompt)
                .and_then(|prompt| self.fits(prompt, options))
                .map_err(|error| of_problem(ask, error))?;
            for (chunk, keys) in ask.keys.chunks(options.batch.max(1)).enumerate() {
                let seeds = keys.iter().map(|key| key.seed(run_seed)).collect();
                requests.push(Request {
                    prompt: prompt.clone(),
                    seeds,
                });
                origins.push((a, chunk * options.batch));
            }
        }
        let on_sample = |finished: Finished| {
            let Finished {
                request,
                index,
                completion,
                ..
            } = finished;
            let completion = Completion {
                text: completion.text.trim().to_owned(),
                ..completion
            };
            deliver(Sample {
                key: asks[origins[request].0].keys[origins[request].1 + index].clone(),
                completion,
            });
        };
        self.0.generate(&requests, options, &on_sample, stop)?;
        Ok(())
    }
}

impl Trainer for LocalStudent {
    fn seen(&self, set: &TrainingSet) -> Result<Vec<SeenExample>, StarError> {
        let TrainingSet::Completions(pairs) = set else {
            return Ok(Vec::new());
        };
        let shown: Result<Vec<_>, EngineError> = pairs.iter().map(|p| self.shown(p)).collect();
        Ok(shown?)
    }

    fn train(
        &self,
        job: &TrainingJob,
        on_step: &(dyn Fn(StepReport) + Send + Sync),
        stop: &AtomicBool,
    ) -> Result<(), StarError> {
        let data = self.training_data(&job.set)?;
        let options = trainer_options(job, &self.identity, self.threads);
        let mut trainer = autodidact_engine::Trainer::on(self.model.clone(), data, options)?;
        resume(&mut trainer, &job.checkpoint)?;
        while trainer.steps_done() < job.steps {
            if stop.load(Ordering::Relaxed) {
                save(&trainer, &job.checkpoint)?;
                return Err(StarError::Interrupted);
            }
            on_step(trainer.step()?);
            if trainer
                .steps_done()
                .is_multiple_of(job.spec.checkpoint_every.max(1))
            {
                save(&trainer, &job.checkpoint)?;
            }
        }
        self.write(&trainer, job)
    }
}

fn trainer_options(job: &TrainingJob, identity: &str, threads: usize) -> TrainerOptions {
    let method = job.spec.method;
    TrainerOptions {
        weights: identity.to_owned(),
        trained: match method {
            TrainMethod::Full => Trained::Everything,
            TrainMethod::Lora | TrainMethod::Rslora | TrainMethod::Dora => Trained::Adapter,
        },
        scaling: match method {
            TrainMethod::Rslora => LoraScaling::RootOfRank,
            TrainMethod::Lora | TrainMethod::Dora | TrainMethod::Full => LoraScaling::Rank,
        },
        dora: method == TrainMethod::Dora,
        arithmetic: of_engine(job.spec.arithmetic),
        rank: job.spec.rank as usize,
        alpha: job.spec.alpha,
        steps: job.steps,
        learning_rate: job.spec.learning_rate,
        warm_up: job.spec.warm_up,
        schedule: Schedule::Linear,
        batch: job.spec.batch as usize,
        weight_decay: job.spec.weight_decay,
        clip: job.spec.clip,
        seed: job.seed,
        threads,
        ..TrainerOptions::default()
    }
}

/// Goes on from a checkpoint if there is one that fits; one that does not is the leftover of
/// another attempt and is written over.
fn resume(trainer: &mut autodidact_engine::Trainer, path: &Path) -> Result<(), StarError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(source) => {
            return Err(StarError::Read {
                path: path.to_owned(),
                source,
            });
        }
    };
    let resumed = Checkpoint::from_bytes(&bytes).and_then(|checkpoint| trainer.resume(checkpoint));
    if let Err(error) = resumed {
        tracing::warn!(%error, path = %path.display(), "training starts over");
    }
    Ok(())
}

fn save(trainer: &autodidact_engine::Trainer, path: &Path) -> Result<(), StarError> {
    Ok(atomic_write(path, &trainer.checkpoint().to_bytes()?)?)
}
