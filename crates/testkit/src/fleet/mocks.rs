//! The fleet: its settings, and the way of each request through keys, faults and ledger.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::dialect::{Dialect, Kind, Trouble};
use super::draw::{Draw, draw};
use super::faults::{Fault, slow};
use super::hash::{hash, unit};
use super::jobs::Jobs;
use super::ledger::{Book, Ledger, Purpose};
use super::routes::{Route, handle};
use super::settings::Settings;
use super::wits::{Ask, Question, Wits};
use crate::script::{Act, Received};
use crate::server::Server;

/// Mock providers that speak every wire format; give [`Fleet::act`] to a [`Server`].
///
/// Clones share what they know and what they have counted. The `with_…` methods are for a fleet that
/// was not cloned or started yet; afterwards they change nothing.
#[derive(Debug, Clone, Default)]
pub struct Fleet {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug, Default)]
pub(crate) struct Inner {
    pub(crate) settings: Settings,
    pub(crate) wits: Wits,
    book: Mutex<Book>,
    replays: Mutex<HashMap<Purpose, Act>>,
    pub(crate) jobs: Mutex<Jobs>,
    pub(crate) cached: Mutex<HashSet<u64>>,
    serial: AtomicU64,
}

/// An answer, and what it costs.
pub(crate) struct Done {
    pub(crate) act: Act,
    /// Tokens of prompt and answer, if the provider charges for it.
    pub(crate) paid: Option<(u64, u64)>,
}

impl Done {
    pub(crate) const fn free(act: Act) -> Self {
        Self { act, paid: None }
    }

    pub(crate) fn json(body: &Value) -> Self {
        Self::free(Act::json(200, body))
    }

    pub(crate) const fn paid(act: Act, input: u64, output: u64) -> Self {
        Self {
            act,
            paid: Some((input, output)),
        }
    }
}

impl Fleet {
    /// Models that know arithmetic only, take every key and make no trouble.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a server with this fleet on a free port.
    pub async fn start(&self) -> std::io::Result<Server> {
        let fleet = self.clone();
        Server::start(move |request| fleet.act(request)).await
    }

    /// What was asked and answered so far.
    pub fn ledger(&self) -> Ledger {
        self.book().ledger()
    }

    /// Forgets what was asked so far and the answers kept for idempotency keys.
    pub fn forget(&self) {
        self.book().clear();
        self.replays().clear();
    }

    /// What the providers do with a request.
    pub fn act(&self, request: &Received) -> Act {
        let route = Route::of(request);
        if let Route::Testkit = route {
            return self.testkit(request);
        }
        let body = request.json();
        let dialect = route.dialect(&body);
        if let Some(refused) = self.refused_key(&route, dialect, request) {
            return refused;
        }
        if !route.is_charged() {
            return handle(self, &route, dialect, request, &body).map_or_else(
                |trouble| Act::Answer(trouble.reply(dialect)),
                |done| done.act,
            );
        }
        let purpose = purpose(&route, request, &body);
        self.book().entry(&purpose).requests += 1;
        let fault = self.fault(request);
        let instead =
            fault.and_then(|fault| fault.instead(dialect, self.inner.settings.retry_after));
        if let Some(instead) = instead {
            return instead;
        }
        if let Some(replay) = self.replay(&purpose) {
            return replay;
        }
        match handle(self, &route, dialect, request, &body) {
            Ok(done) => {
                // Of the others nobody promises that a key is known again.
                if dialect == Dialect::OpenAi {
                    self.keep(&done, &purpose, request);
                }
                self.settle(done, fault, &purpose)
            }
            Err(trouble) => Act::Answer(trouble.reply(dialect)),
        }
    }

    fn keep(&self, done: &Done, purpose: &Purpose, request: &Received) {
        if request.header("idempotency-key").is_some() {
            self.replays().insert(purpose.clone(), done.act.clone());
        }
    }

    fn settle(&self, done: Done, fault: Option<Fault>, purpose: &Purpose) -> Act {
        let mut book = self.book();
        let entry = book.entry(purpose);
        let (input, output) = done.paid.unwrap_or_default();
        entry.answers += 1;
        entry.broken += u64::from(fault == Some(Fault::Truncated));
        entry.input_tokens += input;
        entry.output_tokens += output;
        drop(book);
        let act = slow(done.act, self.inner.settings.latency);
        match fault {
            Some(fault) => fault.spoil(act, self.inner.settings.slow),
            None => act,
        }
    }

    fn replay(&self, purpose: &Purpose) -> Option<Act> {
        let act = self.replays().get(purpose).cloned()?;
        self.book().entry(purpose).replays += 1;
        Some(slow(act, self.inner.settings.latency))
    }

    fn fault(&self, request: &Received) -> Option<Fault> {
        if let Some(name) = request.header("x-testkit-fault") {
            return Fault::from_name(name);
        }
        let mut faults = self.inner.settings.faults.iter();
        let number = self.serial().to_string();
        faults
            .find(|(fault, probability)| unit(hash(&[fault.as_str(), &number])) < *probability)
            .map(|(fault, _)| *fault)
    }

    fn refused_key(&self, route: &Route, dialect: Dialect, request: &Received) -> Option<Act> {
        let keys = &self.inner.settings.keys;
        if keys.is_empty() || !route.wants_key() {
            return None;
        }
        let bearer = || request.header("authorization")?.strip_prefix("Bearer ");
        let given = match dialect {
            Dialect::Anthropic => request.header("x-api-key").or_else(bearer),
            Dialect::Gemini => request
                .header("x-goog-api-key")
                .or_else(|| request.path.split_once("key=").map(|(_, key)| key)),
            _ => bearer(),
        };
        if given.is_some_and(|given| keys.iter().any(|key| key == given)) {
            return None;
        }
        let message = match dialect {
            Dialect::Anthropic if given.is_none() => "x-api-key header is required",
            Dialect::Anthropic => "invalid x-api-key",
            Dialect::Gemini => "API key not valid. Please pass a valid API key.",
            Dialect::Mistral => "Unauthorized",
            _ => "Incorrect API key provided.",
        };
        Some(Act::Answer(Trouble::new(Kind::Key, message).reply(dialect)))
    }

    fn testkit(&self, request: &Received) -> Act {
        if request.method == "DELETE" {
            self.forget();
        }
        let ledger = serde_json::to_value(self.ledger()).unwrap_or_default();
        Act::json(200, &ledger)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        locked(&self.inner.book)
    }

    fn replays(&self) -> MutexGuard<'_, HashMap<Purpose, Act>> {
        locked(&self.inner.replays)
    }

    pub(crate) fn jobs(&self) -> MutexGuard<'_, Jobs> {
        locked(&self.inner.jobs)
    }

    pub(crate) fn batch_time(&self) -> Duration {
        self.inner.settings.batch
    }

    /// A number that was not used before.
    pub(crate) fn serial(&self) -> u64 {
        self.inner.serial.fetch_add(1, Ordering::Relaxed)
    }

    /// Enters an answer that was given in a batch.
    pub(crate) fn charge(&self, path: &str, model: &str, custom_id: &str, paid: (u64, u64)) {
        let purpose = (path.to_owned(), model.to_owned(), custom_id.to_owned());
        let mut book = self.book();
        let entry = book.entry(&purpose);
        entry.requests += 1;
        entry.answers += 1;
        entry.input_tokens += paid.0;
        entry.output_tokens += paid.1;
    }

    /// The five attributes of a text that holds a question and, after it, an answer.
    pub(crate) fn scores(&self, model: &str, text: &str) -> [f64; 5] {
        self.inner.wits.scores(model, text)
    }

    /// The first question in a text that the fleet knows.
    pub(crate) fn first_question(&self, text: &str) -> Option<Question> {
        self.inner.wits.questions(text).into_iter().next()
    }

    pub(crate) fn draw(&self, ask: &Ask) -> Vec<Draw> {
        draw(&self.inner.wits, ask)
    }
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs())
}

fn purpose(route: &Route, request: &Received, body: &Value) -> Purpose {
    let model = route.model(body);
    let key = request.header("idempotency-key").map_or_else(
        || format!("{:016x}", hash(&[&String::from_utf8_lossy(&request.body)])),
        str::to_owned,
    );
    (request.route().to_owned(), model, key)
}

/// An error for a model nobody has; tests name it so.
pub(crate) fn known_model(model: &str) -> Result<(), Trouble> {
    if model.contains("no-such") {
        return Err(Trouble::new(
            Kind::NotFound,
            format!("The model `{model}` does not exist or you do not have access to it."),
        ));
    }
    Ok(())
}

/// Refuses prompts above the context of the model: 131 072 tokens, of reward models 4096.
pub(crate) fn fits(model: &str, tokens: u64) -> Result<(), Trouble> {
    let context = if model.contains("reward") {
        4096
    } else {
        131_072
    };
    if tokens > context {
        return Err(Trouble::new(
            Kind::TooLong,
            format!(
                "This model's maximum context length is {context} tokens. However, your messages resulted in {tokens} tokens."
            ),
        ));
    }
    Ok(())
}

/// The list of models of the OpenAI form.
pub(crate) fn model_list() -> Value {
    let names = [
        "gpt-4o-mini",
        "mistral-small-latest",
        "mock-large",
        "mock-small",
        "nvidia/nemotron-4-340b-reward",
    ];
    let models: Vec<Value> = names
        .iter()
        .map(|name| json!({"id": name, "object": "model", "created": 1, "owned_by": "testkit"}))
        .collect();
    json!({"object": "list", "data": models})
}
