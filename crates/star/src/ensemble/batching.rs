//! Asking through a provider's batch interface: half the price, answers within a day. A job's number
//! is in the journal, so that a killed process finds its jobs again. Only a job that
//! was being submitted at that moment is submitted again: nobody can know whether it arrived.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use autodidact_core::{ProblemId, Prompt, SampleKey, Usd};
use autodidact_providers::{
    Answered, BatchClient, BatchId, BatchState, Billed, ChatRequest, ErrorClass, ProviderError,
    Ticket,
};
use autodidact_store::{BatchJob, Entry, RunStore, Unanswered};

use crate::StarError;
use crate::ensemble::member::{Asking, Member, Trouble, is_final, outcome_of};

/// The first wait between two looks at a job, and the longest.
const FIRST_LOOK: Duration = Duration::from_millis(500);
const LONGEST_LOOK: Duration = Duration::from_mins(1);
/// How soon a wish to stop is noticed.
const GLANCE: Duration = Duration::from_millis(500);
/// How much longer each wait is than the one before.
const PATIENCE: f64 = 1.5;

/// Tokens of an answer at most, where what was asked for is not known any more.
const LONGEST_ANSWER: u32 = 1 << 16;

/// A request of a job: its custom id and what is asked.
type Named = (String, ChatRequest);

impl Member {
    /// Draws one sample for each key of each asking that the journal lacks. Returns once every job
    /// has ended; requests that expired or failed are left for another attempt.
    pub(crate) async fn ask_in_batches(
        &self,
        store: &RunStore,
        askings: &[Asking],
        stop: &AtomicBool,
    ) -> Result<(), Trouble> {
        let client = self.model.batch().map_err(Trouble::Provider)?;
        let lost = self.finish_open_jobs(store, &client, askings, stop).await?;
        let missing = missing(store, askings).await.map_err(Trouble::Star)?;
        if lost > 0 {
            tracing::warn!(
                model = self.name(),
                "a batch was being submitted when the process ended; its {lost} requests are submitted again, and the money set aside for them stays spent"
            );
        }
        let (requests, bytes) = client.limits();
        let mut begin = 0;
        while begin < missing.len() && !stop.load(Ordering::Relaxed) {
            let end = parcel(&missing, begin, requests, bytes);
            let keys: Vec<SampleKey> = missing[begin..end]
                .iter()
                .map(|(key, _)| key.clone())
                .collect();
            let named = self.named(&missing[begin..end]);
            self.submit(store, &client, &keys, &named).await?;
            begin = end;
        }
        self.finish_open_jobs(store, &client, askings, stop).await?;
        Ok(())
    }

    /// Each key with its request, named by its place in the job.
    fn named(&self, part: &[(SampleKey, &Asking)]) -> Vec<Named> {
        let request = |(place, (key, asking)): (usize, &(SampleKey, &Asking))| {
            let request = self.chat_request(asking, &[key.index]);
            (format!("s{place}"), request)
        };
        part.iter().enumerate().map(request).collect()
    }

    /// Plans, submits and writes down one job.
    async fn submit(
        &self,
        store: &RunStore,
        client: &BatchClient<'_>,
        keys: &[SampleKey],
        named: &[Named],
    ) -> Result<(), Trouble> {
        let most = client.most(named);
        let ticket = self
            .purse
            .reserve(self.name(), most)
            .await
            .map_err(|over| {
                let error = ProviderError::new(self.name(), over.class(), over.to_string());
                Trouble::Provider(error)
            })?;
        let star = |error| Trouble::Star(StarError::Store(error));
        let id = store
            .plan_batch(self.name(), keys, Some(ticket.0))
            .await
            .map_err(star)?;
        match client.submit(named).await {
            Ok(job) => store.batch_submitted(id, &job.0).await.map_err(star),
            Err(error) => {
                // Only what certainly never became a job is forgotten.
                if error.billed == Billed::No {
                    store.batch_done(id).await.map_err(star)?;
                    self.purse.release(ticket).await;
                }
                Err(Trouble::Provider(error))
            }
        }
    }

    /// Waits for the jobs of this and of earlier attempts, and writes their results down. Returns
    /// how many requests were in jobs whose submission never came to an end.
    async fn finish_open_jobs(
        &self,
        store: &RunStore,
        client: &BatchClient<'_>,
        askings: &[Asking],
        stop: &AtomicBool,
    ) -> Result<usize, Trouble> {
        let star = |error| Trouble::Star(StarError::Store(error));
        let ours: HashSet<&ProblemId> = askings.iter().map(|asking| &asking.problem).collect();
        let mut lost = 0;
        for job in store.open_batches(self.name()).await.map_err(star)? {
            if !job.keys.iter().any(|key| ours.contains(&key.problem)) {
                // It is about another part of the data set, whose turn comes.
                continue;
            }
            let Some(id) = job.job.clone().map(BatchId) else {
                lost += job.keys.len();
                store.batch_done(job.id).await.map_err(star)?;
                continue;
            };
            let total = match self.outcome(client, &id, &job, askings, stop).await {
                Ok(total) => total,
                Err(Trouble::Provider(error)) if is_over(error.class) => {
                    // The provider refused the whole batch, or knows it no longer: it will never
                    // have results, and must not stand in the way of the next attempt.
                    store.batch_done(job.id).await.map_err(star)?;
                    let refused = error.class == ErrorClass::BadRequest;
                    if let Some(ticket) = job.ticket.filter(|_| refused) {
                        self.purse.release(Ticket(ticket)).await;
                    }
                    return Err(Trouble::Provider(error));
                }
                Err(trouble) => return Err(trouble),
            };
            // In this order: a process killed between the two leaves money set aside, and never
            // counts a batch twice.
            store.batch_done(job.id).await.map_err(star)?;
            if let Some(ticket) = job.ticket {
                self.purse.settle(Ticket(ticket), total).await;
            }
        }
        Ok(lost)
    }

    /// Waits for a job, and writes its results down. Returns what it cost, if that is known.
    async fn outcome(
        &self,
        client: &BatchClient<'_>,
        id: &BatchId,
        job: &BatchJob,
        askings: &[Asking],
        stop: &AtomicBool,
    ) -> Result<Option<Usd>, Trouble> {
        self.wait(client, id, stop).await?;
        self.collect(client, id, job, askings).await
    }

    async fn wait(
        &self,
        client: &BatchClient<'_>,
        id: &BatchId,
        stop: &AtomicBool,
    ) -> Result<(), Trouble> {
        let mut pause = FIRST_LOOK;
        loop {
            if client.poll(id).await.map_err(Trouble::Provider)? == BatchState::Ended {
                return Ok(());
            }
            if stop.load(Ordering::Relaxed) {
                return Err(Trouble::Star(StarError::Interrupted));
            }
            let next = tokio::time::Instant::now() + pause;
            while tokio::time::Instant::now() < next && !stop.load(Ordering::Relaxed) {
                tokio::time::sleep(pause.min(GLANCE)).await;
            }
            pause = pause.mul_f64(PATIENCE).min(LONGEST_LOOK);
        }
    }

    /// Writes down the results of a job that has ended. Returns what it cost, if that is known.
    async fn collect(
        &self,
        client: &BatchClient<'_>,
        id: &BatchId,
        job: &BatchJob,
        askings: &[Asking],
    ) -> Result<Option<Usd>, Trouble> {
        let by_problem: std::collections::HashMap<_, _> = askings
            .iter()
            .map(|asking| (&asking.problem, asking))
            .collect();
        let mut named = Vec::with_capacity(job.keys.len());
        for (place, key) in job.keys.iter().enumerate() {
            // A problem that is not asked about any more (a lower limit) has been answered and paid
            // all the same.
            let request = by_problem.get(&key.problem).map_or_else(
                || ChatRequest::new(Prompt::Chat(Vec::new()), 0, LONGEST_ANSWER),
                |asking| self.chat_request(asking, &[key.index]),
            );
            named.push((format!("s{place}"), request));
        }
        let results = client
            .results(id, &named)
            .await
            .map_err(Trouble::Provider)?;
        let mut total = Some(Usd::ZERO);
        let mut entries = Vec::with_capacity(results.len());
        for ((name, outcome), (_, request)) in results.into_iter().zip(&named) {
            let Some(key) = key_of(job, &name) else {
                continue;
            };
            match outcome {
                Ok(parsed) => {
                    let cost = client.cost(request, &parsed);
                    total = total.zip(cost).map(|(a, b)| a + b);
                    let answered = Answered {
                        replies: parsed.replies,
                        usage: parsed.usage,
                        cost,
                        model: parsed.model,
                        request_id: parsed.request_id,
                    };
                    entries.extend(self.entries(std::iter::once(key.clone()), &answered));
                }
                Err(error) if is_final(error.class) => entries.push(Entry::NoAnswer(Unanswered {
                    key: key.clone(),
                    outcome: outcome_of(error.class).to_owned(),
                    detail: error.message,
                    cost: Some(Usd::ZERO),
                })),
                Err(error) => tracing::warn!(model = self.name(), %error, "no result in the batch"),
            }
        }
        self.writer.record(entries).await.map_err(Trouble::Star)?;
        Ok(total)
    }
}

/// Errors after which a job will never have results. A wrong key or an outage says nothing about it.
fn is_over(class: ErrorClass) -> bool {
    matches!(class, ErrorClass::BadRequest | ErrorClass::NotFound)
}

/// The key of a request by its custom id.
fn key_of<'a>(job: &'a BatchJob, name: &str) -> Option<&'a SampleKey> {
    job.keys.get(name.strip_prefix('s')?.parse::<usize>().ok()?)
}

/// What the journal lacks.
async fn missing<'a>(
    store: &RunStore,
    askings: &'a [Asking],
) -> Result<Vec<(SampleKey, &'a Asking)>, StarError> {
    let mut missing = Vec::new();
    for asking in askings {
        let known = crate::ensemble::member::recorded(store, asking).await?;
        let indices = (0..asking.samples).filter(|index| !known.indices.contains(index));
        missing.extend(indices.map(|index| (asking.key(index), asking)));
    }
    Ok(missing)
}

/// Where the job that begins at `begin` ends: at so many requests, or at about so many bytes.
fn parcel(missing: &[(SampleKey, &Asking)], begin: usize, requests: usize, bytes: usize) -> usize {
    /// Bytes of a line beside the prompt.
    const FRAME: usize = 512;
    let mut size = 0;
    let mut end = begin;
    while end < missing.len() && end - begin < requests {
        // JSON may escape each byte of a prompt.
        size += FRAME + 2 * prompt_bytes(missing[end].1);
        if size > bytes && end > begin {
            break;
        }
        end += 1;
    }
    end
}

fn prompt_bytes(asking: &Asking) -> usize {
    match &asking.prompt {
        autodidact_core::Prompt::Text(text) => text.len(),
        autodidact_core::Prompt::Chat(messages) => messages.iter().map(|m| m.content.len()).sum(),
    }
}
