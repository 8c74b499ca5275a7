//! A lane: one thread whose batch requests join and leave between two tokens.

use std::collections::{BTreeMap, VecDeque};

use super::super::cache::{Cache, SegmentId};
use super::super::choose::{Choice, ChoiceScratch, choose, likelihoods};
use super::super::forward::{Network, Scratch};
use super::super::helpers::Helpers;
use super::super::lane::PREFILL_ROWS;
use super::super::sequence::Sequence;
use super::batch::{Batch, Wanted};
use super::prefix_cache::{Hit, NodeId};
use super::queue::{Job, Queue};
use super::stats::Counters;
use super::{ScoredToken, SessionEvent};
use crate::EngineError;

/// Prompt tokens whose logits are wanted in one step: each takes a row as long as the vocabulary.
const SCORED_ROWS: usize = 64;
/// Tokens of a common beginning for which it is worth waiting a step.
const WORTH_WAITING: usize = 16;

/// A request in the lane.
struct Active {
    job: Job,
    /// Pieces of the prompt that were in the cache.
    path: Vec<SegmentId>,
    /// The rest of the prompt; nothing before its first token is computed.
    own: Option<SegmentId>,
    /// Prompt tokens that are in `path` and `own`.
    done: usize,
    cached: usize,
    scores: Vec<ScoredToken>,
    /// Samples that have not ended.
    left: usize,
}

/// A segment of the cache that several requests see.
struct Interned {
    node: NodeId,
    length: usize,
    segment: SegmentId,
    users: usize,
}

struct Lane<'a> {
    network: &'a Network<'a>,
    queue: &'a Queue,
    index: usize,
    cache: Cache,
    interned: Vec<Interned>,
    active: BTreeMap<usize, Active>,
    /// Requests whose prompt is not computed to its end, first come first served.
    prefills: VecDeque<usize>,
    /// Those that see the same segments stand together.
    sequences: Vec<Sequence>,
    choice: ChoiceScratch,
}

/// Works until the session is over.
pub(super) fn run(
    network: &Network<'_>,
    queue: &Queue,
    index: usize,
    mut scratch: Scratch,
    helpers: Option<&Helpers>,
) {
    let mut lane = Lane {
        network,
        queue,
        index,
        cache: Cache::new(&network.model.config),
        interned: Vec::new(),
        active: BTreeMap::new(),
        prefills: VecDeque::new(),
        sequences: Vec::new(),
        choice: ChoiceScratch::default(),
    };
    loop {
        lane.leave();
        while let Some(job) = queue.take(index) {
            lane.enter(job);
        }
        if queue.is_closed() {
            return lane.fail_all("the engine has stopped");
        }
        if lane.active.is_empty() {
            continue;
        }
        let _working = helpers.map(Helpers::at_work);
        if let Err(error) = lane.step(&mut scratch) {
            lane.fail_all(&error.to_string());
        }
    }
}

impl Lane<'_> {
    /// Takes a request into the batch.
    fn enter(&mut self, job: Job) {
        let (id, left) = (job.id, job.samples());
        self.active.insert(
            id,
            Active {
                job,
                path: Vec::new(),
                own: None,
                done: 0,
                cached: 0,
                scores: Vec::new(),
                left,
            },
        );
        self.prefills.push_back(id);
    }

    /// Takes out requests that nobody waits for any more.
    fn leave(&mut self) {
        let gone = self
            .active
            .iter()
            .filter(|(_, active)| active.job.is_cancelled());
        let gone: Vec<usize> = gone.map(|(id, _)| *id).collect();
        for id in gone {
            self.remove(id);
        }
    }

    fn fail_all(&mut self, why: &str) {
        let all: Vec<usize> = self.active.keys().copied().collect();
        for id in all {
            self.fail(id, why);
        }
    }

    fn fail(&mut self, id: usize, why: &str) {
        if let Some(active) = self.active.get_mut(&id) {
            (active.job.listener)(SessionEvent::Failed(why.to_owned()));
        }
        self.remove(id);
    }

    /// Frees everything a request holds.
    fn remove(&mut self, id: usize) {
        self.prefills.retain(|waiting| *waiting != id);
        for sequence in self
            .sequences
            .extract_if(.., |sequence| sequence.request == id)
        {
            self.cache.close(sequence.own);
        }
        let Some(active) = self.active.remove(&id) else {
            return;
        };
        if let Some(own) = active.own {
            self.cache.close(own);
        }
        for segment in &active.path {
            self.release(*segment);
        }
        self.queue.ended(self.index, active.left);
        self.queue.freed(active.job.blocks);
    }

    /// A segment for a piece of the cache; requests that see the same piece share it.
    fn intern(&mut self, hit: Hit) -> SegmentId {
        let length = hit.segment.length;
        let same = |i: &&mut Interned| i.node == hit.node && i.length == length;
        if let Some(interned) = self.interned.iter_mut().find(same) {
            interned.users += 1;
            return interned.segment;
        }
        let segment = self.cache.insert(hit.segment);
        self.interned.push(Interned {
            node: hit.node,
            length,
            segment,
            users: 1,
        });
        segment
    }

    fn release(&mut self, segment: SegmentId) {
        let at = self.interned.iter().position(|i| i.segment == segment);
        let Some(interned) = at.and_then(|at| self.interned.get_mut(at)) else {
            return;
        };
        interned.users -= 1;
        if interned.users == 0 {
            self.cache.close(segment);
            self.interned.retain(|i| i.segment != segment);
        }
    }

    /// One forward pass: the next token of every sequence, and some prompt tokens.
    fn step(&mut self, scratch: &mut Scratch) -> Result<(), EngineError> {
        let mut batch = Batch::default();
        self.add_sequences(&mut batch);
        let completed = self.add_prefills(&mut batch);
        if batch.rows.is_empty() {
            return Ok(());
        }
        Counters::add(&self.queue.counters.steps, 1);
        Counters::add(&self.queue.counters.sequences, self.sequences.len());
        let spans = batch.take_spans();
        let network = self.network;
        let logits = network.forward(
            &batch.rows,
            &spans,
            &batch.wanted_rows,
            &mut self.cache,
            scratch,
        )?;
        let vocabulary = network.model.config.vocabulary;
        let lines = logits
            .chunks_exact(network.logits_stride())
            .map(|line| &line[..vocabulary]);
        let mut going: Vec<Option<Sequence>> = std::mem::take(&mut self.sequences)
            .into_iter()
            .map(Some)
            .collect();
        let mut ends = Vec::new();
        for (wanted, line) in batch.wanted.iter().zip(lines) {
            match *wanted {
                Wanted::Sequence(at) => {
                    if let Some(sequence) = going.get_mut(at).and_then(Option::take) {
                        self.extend(sequence, line);
                    }
                }
                Wanted::Prompt {
                    request,
                    next: Some(next),
                } => self.score(request, next, line),
                Wanted::Prompt {
                    request,
                    next: None,
                } => ends.push((request, line)),
            }
        }
        for id in completed {
            self.computed(id);
            for (_, line) in ends.iter().filter(|(request, _)| *request == id) {
                self.begin(id, line);
            }
            self.finish_scoring(id);
        }
        self.order();
        Ok(())
    }

    /// Rows for the last token of every sequence, each seeing its prompt and itself.
    fn add_sequences(&mut self, batch: &mut Batch) {
        for (at, sequence) in self.sequences.iter().enumerate() {
            let (Some(token), Some(active)) =
                (sequence.last_token(), self.active.get(&sequence.request))
            else {
                continue;
            };
            let rows = batch.add(&[token], sequence.own, &mut self.cache);
            let prompt = active.path.iter().copied().chain(active.own);
            batch.see(&rows, prompt.chain([sequence.own]));
            batch.want(rows.start, Wanted::Sequence(at));
        }
    }

    /// Rows for prompt tokens. Returns the requests whose prompt ends with them.
    fn add_prefills(&mut self, batch: &mut Batch) -> Vec<usize> {
        let mut room = PREFILL_ROWS;
        let mut completed = Vec::new();
        while room > 0
            && let Some(id) = self.prefills.front().copied()
        {
            if !self.look_up(id, &completed) {
                break;
            }
            let Some(active) = self.active.get_mut(&id) else {
                self.prefills.pop_front();
                continue;
            };
            let Some(own) = active.own else { break };
            let request = &active.job.request;
            let scored = request.score_prompt;
            let most = if scored { room.min(SCORED_ROWS) } else { room };
            let rest = &request.prompt[active.done..];
            let tokens = &rest[..rest.len().min(most)];
            let rows = batch.add(tokens, own, &mut self.cache);
            batch.see(&rows, active.path.iter().copied().chain([own]));
            for (offset, row) in rows.clone().enumerate() {
                let next = rest.get(offset + 1).copied();
                if (scored && next.is_some()) || (next.is_none() && !request.seeds.is_empty()) {
                    batch.want(row, Wanted::Prompt { request: id, next });
                }
            }
            active.done += tokens.len();
            Counters::add(&self.queue.counters.prompt_tokens, tokens.len());
            let whole = active.done == request.prompt.len();
            // The logits of scored rows fill memory, so that only one such prompt is in a step.
            room = if scored { 0 } else { room - rows.len() };
            if !whole {
                break;
            }
            self.prefills.pop_front();
            completed.push(id);
        }
        completed
    }

    /// Finds out what is known of a prompt, once. False if it should wait a step, because a prompt
    /// that is computed in this one begins alike.
    fn look_up(&mut self, id: usize, completed: &[usize]) -> bool {
        let Some(active) = self.active.get(&id) else {
            return true;
        };
        if active.own.is_some() {
            return true;
        }
        let prompt = &active.job.request.prompt;
        let mut hits = Vec::new();
        if !active.job.request.score_prompt {
            hits = self.queue.cache().find(prompt, prompt.len() - 1);
            let known: usize = hits.iter().map(|hit| hit.segment.length).sum();
            let alike = |other: &usize| {
                let other = self
                    .active
                    .get(other)
                    .map(|a| a.job.request.prompt.as_slice());
                let pairs = prompt.iter().zip(other.unwrap_or_default());
                pairs.take_while(|(a, b)| a == b).count() >= known + WORTH_WAITING
            };
            if completed.iter().any(alike) {
                return false;
            }
        }
        let known = hits.iter().map(|hit| hit.segment.length).sum();
        let path: Vec<SegmentId> = hits.into_iter().map(|hit| self.intern(hit)).collect();
        let own = self.cache.open(known);
        Counters::add(&self.queue.counters.cached_tokens, known);
        if let Some(active) = self.active.get_mut(&id) {
            (active.path, active.own) = (path, Some(own));
            (active.done, active.cached) = (known, known);
        }
        true
    }

    /// Notes the log probability of a prompt's next token.
    fn score(&mut self, id: usize, next: u32, logits: &[f32]) {
        let Some(active) = self.active.get_mut(&id) else {
            return;
        };
        let count = active.job.request.alternatives;
        let (logprob, alternatives) = likelihoods(logits, next, count, &mut self.choice);
        active.scores.push(ScoredToken {
            token: next,
            logprob,
            alternatives,
        });
    }

    /// A prompt is computed: others may go on from it.
    fn computed(&mut self, id: usize) {
        let Some(active) = self.active.get_mut(&id) else {
            return;
        };
        if active.scores.iter().any(|s| !s.logprob.is_finite()) {
            return self.fail(id, &EngineError::NotNumbers.to_string());
        }
        let scores = std::mem::take(&mut active.scores);
        let cached = active.cached;
        (active.job.listener)(SessionEvent::Prompt { cached, scores });
        if let Some(own) = active.own {
            let segment = self.cache.segment(own);
            self.queue
                .cache()
                .insert(&active.job.request.prompt, segment);
        }
    }

    /// Starts the samples of a request whose prompt is computed.
    fn begin(&mut self, id: usize, logits: &[f32]) {
        let Some(active) = self.active.get(&id) else {
            return;
        };
        let Some(prompt) = active.own else { return };
        let (start, seeds) = (active.done, active.job.request.seeds.clone());
        for (index, seed) in seeds.into_iter().enumerate() {
            let own = self.cache.open(start);
            self.extend(Sequence::new(id, index, seed, prompt, own), logits);
        }
    }

    /// Ends a request of which only scores were wanted.
    fn finish_scoring(&mut self, id: usize) {
        let only_scored = |active: &Active| active.job.request.seeds.is_empty();
        if self.active.get(&id).is_some_and(only_scored) {
            self.remove(id);
        }
    }

    /// Chooses a sequence's next token, tells it, and files the sequence under going on or ended.
    fn extend(&mut self, mut sequence: Sequence, logits: &[f32]) {
        let (id, index) = (sequence.request, sequence.index);
        let Some(active) = self.active.get_mut(&id) else {
            return self.cache.close(sequence.own);
        };
        let request = &active.job.request;
        let choice = choose(
            logits,
            &request.options,
            &mut sequence.random,
            &mut self.choice,
        );
        if !choice.logprob.is_finite() {
            self.cache.close(sequence.own);
            return self.fail(id, &EngineError::NotNumbers.to_string());
        }
        let alternatives = if request.alternatives > 0 {
            likelihoods(logits, choice.token, request.alternatives, &mut self.choice).1
        } else {
            Vec::new()
        };
        let Choice { token, logprob } = choice;
        let token = ScoredToken {
            token,
            logprob,
            alternatives,
        };
        Counters::add(&self.queue.counters.generated_tokens, 1);
        let finished = sequence.push(choice, self.network.model.tokenizer(), &request.options);
        (active.job.listener)(SessionEvent::Token { index, token });
        let Some(finished) = finished else {
            self.sequences.push(sequence);
            return;
        };
        // A conversation goes on with what was said, so that this is a beginning too.
        let segment = self.cache.segment(sequence.own);
        let mut text = request.prompt.clone();
        text.extend(&finished.tokens);
        self.queue.cache().insert(&text, segment);
        let completion = finished.completion;
        (active.job.listener)(SessionEvent::Finished { index, completion });
        self.cache.close(sequence.own);
        active.left -= 1;
        if active.left == 0 {
            self.remove_ended(id);
        } else {
            self.queue.ended(self.index, 1);
        }
    }

    /// The last sample of a request has ended.
    fn remove_ended(&mut self, id: usize) {
        if let Some(active) = self.active.get_mut(&id) {
            active.left = 1;
        }
        self.remove(id);
    }

    /// Puts sequences together that see the same segments, so that these are read once for all.
    fn order(&mut self) {
        let active = &self.active;
        let place = |sequence: &Sequence| {
            let path = active.get(&sequence.request).map(|a| a.path.clone());
            (path, sequence.request, sequence.index)
        };
        self.sequences.sort_by_cached_key(place);
    }
}
