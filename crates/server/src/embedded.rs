//! A model of the embedded engine, whose session starts with the first request.

use std::sync::{Arc, Mutex, PoisonError};

use autodidact_core::{Message, Prompt};
use autodidact_engine::{
    Adapter, EngineError, Model, Sampler, Session, SessionEvent, SessionOptions, SessionRequest,
    SessionStats, Ticket,
};
use autodidact_star::encode_prompt;
use tokio::sync::OnceCell;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::error::ApiError;

/// How a conversation becomes a prompt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ChatFormat {
    /// By the model's own template, or with `Q:` and `A:` where it has none.
    #[default]
    Template,
    /// As the questions that a student was trained on are written down.
    Task {
        /// Text before a question.
        before_question: String,
        /// Text between a question and its answer.
        before_answer: String,
        /// Text between an answer and the next question.
        separator: String,
        /// Texts at which an answer ends, beside those of the request.
        stop: Vec<String>,
    },
}

/// A model on this machine, with or without an adapter.
pub struct EmbeddedModel {
    name: String,
    parent: Option<String>,
    model: Arc<Model>,
    adapter: Option<Adapter>,
    threads: usize,
    options: SessionOptions,
    format: ChatFormat,
    session: OnceCell<Session>,
    admission: Mutex<()>,
}

impl EmbeddedModel {
    /// A model under a name. Its weights are unpacked at the first request.
    pub fn new(name: &str, model: Arc<Model>, threads: usize) -> Self {
        Self {
            name: name.to_owned(),
            parent: None,
            model,
            adapter: None,
            threads,
            options: SessionOptions::default(),
            format: ChatFormat::default(),
            session: OnceCell::new(),
            admission: Mutex::new(()),
        }
    }

    /// The same with an adapter on top; `parent` is the name of the model below it.
    #[must_use]
    pub fn with_adapter(mut self, adapter: Adapter, parent: &str) -> Self {
        self.adapter = Some(adapter);
        self.parent = Some(parent.to_owned());
        self
    }

    /// The same with conversations written down otherwise.
    #[must_use]
    pub fn with_format(mut self, format: ChatFormat) -> Self {
        self.format = format;
        self
    }

    /// The same with other limits of memory and batch.
    #[must_use]
    pub fn with_session(mut self, options: SessionOptions) -> Self {
        self.options = options;
        self
    }

    /// Its name in requests.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn parent(&self) -> Option<&str> {
        self.parent.as_deref()
    }

    pub(crate) fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// Longest prompt and completion together.
    pub(crate) fn context(&self) -> usize {
        self.model.config().context.min(self.options.context)
    }

    /// What the session has done, if it was needed yet.
    pub(crate) fn stats(&self) -> Option<SessionStats> {
        self.session.get().map(Session::stats)
    }

    /// Texts at which every answer to a conversation ends.
    pub(crate) fn chat_stops(&self) -> &[String] {
        match &self.format {
            ChatFormat::Template => &[],
            ChatFormat::Task { stop, .. } => stop,
        }
    }

    /// A conversation's tokens, up to where the answer begins.
    pub(crate) fn encode_chat(
        &self,
        messages: Vec<Message>,
        prefill: &str,
    ) -> Result<Vec<u32>, EngineError> {
        let ChatFormat::Task {
            before_question,
            before_answer,
            separator,
            ..
        } = &self.format
        else {
            return encode_prompt(&self.model, &Prompt::Chat(messages), prefill);
        };
        let mut text = String::new();
        for message in &messages {
            let content = message.content.trim();
            match message.role.as_str() {
                "user" => text += &format!("{before_question}{content}{before_answer}"),
                "assistant" => text += &format!(" {content}{separator}"),
                _ => text += &format!("{content}{separator}"),
            }
        }
        encode_prompt(&self.model, &Prompt::Text(text), prefill)
    }

    /// Starts the session, unless it runs.
    pub(crate) async fn session(self: &Arc<Self>) -> Result<&Session, ApiError> {
        let start = || async {
            let own = self.clone();
            let started = tokio::task::spawn_blocking(move || {
                let (model, adapter) = (own.model.clone(), own.adapter.as_ref());
                let sampler = Sampler::new(model, adapter, own.threads)?;
                Session::start(Arc::new(sampler), &own.options)
            });
            started.await.map_err(|_| EngineError::Worker)?
        };
        Ok(self.session.get_or_try_init(start).await?)
    }

    /// Hands requests in, all or none. More than `queue` that wait are refused.
    pub(crate) async fn submit(
        self: &Arc<Self>,
        requests: Vec<SessionRequest>,
        queue: usize,
    ) -> Result<Running, ApiError> {
        let session = self.session().await?;
        let (sender, events) = unbounded_channel();
        let mut tickets = Vec::with_capacity(requests.len());
        // Counting and joining the queue is one step.
        let _guard = self
            .admission
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let waiting = session.waiting();
        if waiting > 0 && waiting + requests.len() > queue {
            let batch = session.stats().capacity.max(1);
            return Err(ApiError::busy(1 + (waiting / batch) as u64));
        }
        for (prompt, request) in requests.into_iter().enumerate() {
            let sender = sender.clone();
            let listener = move |event| {
                // Whoever asked may have gone; the ticket tells the engine.
                let _ = sender.send((prompt, event));
            };
            tickets.push(session.submit(request, listener)?);
        }
        Ok(Running {
            events,
            _tickets: tickets,
        })
    }
}

impl std::fmt::Debug for EmbeddedModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedModel")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Requests under way. Dropping it cancels them.
pub(crate) struct Running {
    events: UnboundedReceiver<(usize, SessionEvent)>,
    _tickets: Vec<Ticket>,
}

impl Running {
    /// What happened next, with the position of the prompt it happened to.
    pub(crate) async fn next(&mut self) -> Result<(usize, SessionEvent), ApiError> {
        match self.events.recv().await {
            Some((_, SessionEvent::Failed(why))) => Err(ApiError::unavailable(why)),
            Some(event) => Ok(event),
            None => Err(ApiError::unavailable("the engine has stopped")),
        }
    }
}
