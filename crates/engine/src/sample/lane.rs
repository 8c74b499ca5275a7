//! A lane: one thread that keeps a batch of sequences going.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::attention::Span;
use super::cache::{Cache, Segment, SegmentId};
use super::choose::{ChoiceScratch, choose};
use super::forward::{Network, Row, Scratch};
use super::helpers::Helpers;
use super::sequence::Sequence;
use super::{Finished, GenerationStats, Request, SamplingOptions};
use crate::EngineError;
use crate::profile::{LayerKind, timed};

/// Prompt tokens computed together with one step of the batch: enough to use the processor well,
/// few enough to keep the running sequences moving.
pub(super) const PREFILL_ROWS: usize = 256;

/// What all lanes share.
pub(super) struct Work<'a> {
    pub(super) network: Network<'a>,
    pub(super) requests: &'a [Request],
    pub(super) options: &'a SamplingOptions,
    /// How many tokens all prompts begin with.
    pub(super) prefix: usize,
    /// The next request nobody has taken.
    pub(super) next: &'a AtomicUsize,
    /// Samples that have not ended, in all lanes and in none.
    pub(super) unfinished: &'a AtomicUsize,
    pub(super) lanes: usize,
    /// Threads of every lane's forward pass.
    pub(super) threads: usize,
    /// Who helps the last lane at work.
    pub(super) helpers: Option<&'a Arc<Helpers>>,
    pub(super) stop: &'a AtomicBool,
    pub(super) on_sample: &'a (dyn Fn(Finished) + Sync),
}

/// A request whose prompt is not computed to its end.
struct Prefill {
    request: usize,
    segment: SegmentId,
    done: usize,
}

/// A thread's batch.
struct Lane<'a> {
    work: &'a Work<'a>,
    cache: Cache,
    prefix: SegmentId,
    prefills: VecDeque<Prefill>,
    /// Samples of one request stand together.
    sequences: Vec<Sequence>,
    scratch: Scratch,
    choice: ChoiceScratch,
    stats: GenerationStats,
}

/// One forward pass in the making.
#[derive(Default)]
struct Batch {
    rows: Vec<Row>,
    spans: Vec<Span>,
    wanted: Vec<usize>,
    /// Requests whose prompt ends in this batch.
    completed: Vec<Prefill>,
}

/// Works until no request is left.
pub(super) fn run(work: &Work<'_>, prefix: Segment) -> Result<GenerationStats, EngineError> {
    let mut cache = Cache::new(&work.network.model.config);
    let prefix = cache.insert(prefix);
    let _working = work.helpers.map(|helpers| helpers.at_work());
    let mut lane = Lane {
        work,
        cache,
        prefix,
        prefills: VecDeque::new(),
        sequences: Vec::new(),
        scratch: Scratch::new(work.threads).helped_by(work.helpers.cloned()),
        choice: ChoiceScratch::default(),
        stats: GenerationStats::default(),
    };
    loop {
        if work.stop.load(Ordering::Relaxed) {
            return Err(EngineError::Interrupted);
        }
        lane.admit();
        if lane.sequences.is_empty() && lane.prefills.is_empty() {
            return Ok(lane.stats);
        }
        lane.step()?;
    }
}

impl Lane<'_> {
    /// Takes requests while there is room for their samples, and never more than the lane's share
    /// of what is left, so that lanes end at about the same time.
    fn admit(&mut self) {
        let unfinished = self.work.unfinished.load(Ordering::Relaxed);
        let room = self
            .work
            .options
            .batch
            .min(unfinished.div_ceil(self.work.lanes));
        let requests = self.work.requests;
        let waiting = |p: &Prefill| requests[p.request].seeds.len();
        let mut busy = self.sequences.len() + self.prefills.iter().map(waiting).sum::<usize>();
        while busy < room {
            let request = self.work.next.fetch_add(1, Ordering::Relaxed);
            let Some(taken) = requests.get(request) else {
                return;
            };
            if taken.seeds.is_empty() {
                continue;
            }
            busy += taken.seeds.len();
            let segment = self.cache.open(self.work.prefix);
            self.prefills.push_back(Prefill {
                request,
                segment,
                done: self.work.prefix,
            });
        }
    }

    /// One forward pass: the next token of every sequence, and some prompt tokens.
    fn step(&mut self) -> Result<(), EngineError> {
        let mut batch = Batch::default();
        self.add_sequences(&mut batch);
        self.add_prefills(&mut batch);
        if self.work.prefix > 0 {
            batch.spans.insert(
                0,
                Span {
                    segment: self.prefix,
                    rows: 0..batch.rows.len(),
                },
            );
        }
        // The buffers leave `self` for as long as the logits in them are read.
        let mut scratch = std::mem::replace(&mut self.scratch, Scratch::new(1));
        let Batch {
            rows,
            spans,
            wanted,
            completed,
        } = batch;
        let network = &self.work.network;
        let logits = network.forward(&rows, &spans, &wanted, &mut self.cache, &mut scratch)?;
        let mut lines = logits.chunks_exact(network.logits_stride());
        let mut ended = Vec::new();
        for sequence in std::mem::take(&mut self.sequences) {
            if let Some(line) = lines.next() {
                self.extend(sequence, line, &mut ended)?;
            }
        }
        for (prefill, line) in completed.iter().zip(lines) {
            for (index, seed) in self.work.requests[prefill.request].seeds.iter().enumerate() {
                let own = self.cache.open(prefill.done);
                let sequence = Sequence::new(prefill.request, index, *seed, prefill.segment, own);
                self.extend(sequence, line, &mut ended)?;
            }
        }
        self.scratch = scratch;
        self.retire(ended);
        Ok(())
    }

    /// Rows for the last token of every sequence, each seeing its prompt and itself.
    fn add_sequences(&mut self, batch: &mut Batch) {
        let mut prompt_spans: Vec<Span> = Vec::new();
        let mut own_spans = Vec::new();
        for sequence in &self.sequences {
            let Some(token) = sequence.last_token() else {
                continue;
            };
            let row = batch.rows.len();
            let position = self.cache.extend(sequence.own);
            batch.rows.push(Row {
                token,
                position,
                segment: sequence.own,
            });
            batch.wanted.push(row);
            match prompt_spans.last_mut() {
                Some(span) if span.segment == sequence.prompt => span.rows.end = row + 1,
                _ => prompt_spans.push(Span {
                    segment: sequence.prompt,
                    rows: row..row + 1,
                }),
            }
            own_spans.push(Span {
                segment: sequence.own,
                rows: row..row + 1,
            });
        }
        batch.spans.extend(prompt_spans);
        batch.spans.extend(own_spans);
    }

    /// Rows for prompt tokens, first come first served.
    fn add_prefills(&mut self, batch: &mut Batch) {
        let mut room = PREFILL_ROWS;
        while room > 0
            && let Some(mut prefill) = self.prefills.pop_front()
        {
            let prompt = &self.work.requests[prefill.request].prompt;
            let first = batch.rows.len();
            for token in prompt[prefill.done..].iter().take(room) {
                let position = self.cache.extend(prefill.segment);
                batch.rows.push(Row {
                    token: *token,
                    position,
                    segment: prefill.segment,
                });
            }
            let count = batch.rows.len() - first;
            room -= count;
            prefill.done += count;
            self.stats.prompt_tokens += count as u64;
            batch.spans.push(Span {
                segment: prefill.segment,
                rows: first..first + count,
            });
            if prefill.done == prompt.len() {
                batch.wanted.push(first + count - 1);
                batch.completed.push(prefill);
            } else {
                self.prefills.push_front(prefill);
            }
        }
    }

    /// Chooses a sequence's next token and files it under going on or ended.
    fn extend(
        &mut self,
        mut sequence: Sequence,
        logits: &[f32],
        ended: &mut Vec<(Sequence, Finished)>,
    ) -> Result<(), EngineError> {
        let _timing = timed(LayerKind::Choice);
        let model = self.work.network.model;
        let logits = &logits[..model.config.vocabulary];
        let choice = choose(
            logits,
            self.work.options,
            &mut sequence.random,
            &mut self.choice,
        );
        if !choice.logprob.is_finite() {
            return Err(EngineError::NotNumbers);
        }
        self.stats.generated_tokens += 1;
        match sequence.push(choice, model.tokenizer(), self.work.options) {
            Some(finished) => ended.push((sequence, finished)),
            None => self.sequences.push(sequence),
        }
        Ok(())
    }

    /// Frees what ended sequences alone have used, and delivers their samples.
    fn retire(&mut self, ended: Vec<(Sequence, Finished)>) {
        let mut prompts: Vec<SegmentId> = Vec::new();
        for (sequence, finished) in ended {
            self.cache.close(sequence.own);
            if !prompts.contains(&sequence.prompt) {
                prompts.push(sequence.prompt);
            }
            self.stats.samples += 1;
            self.work.unfinished.fetch_sub(1, Ordering::Relaxed);
            (self.work.on_sample)(finished);
        }
        for prompt in prompts {
            if !self.sequences.iter().any(|s| s.prompt == prompt) {
                self.cache.close(prompt);
            }
        }
    }
}
