//! A chat model that says what a test wants it to.

use std::sync::Mutex;

use autodidact_core::{ModelSpec, Price, Prompt, ProviderKind, Usd};
use autodidact_providers::{
    Answered, Capabilities, ChatModel, ChatRequest, Finish, ProviderError, Purse, Reply,
};
use futures::future::BoxFuture;

type Say = dyn Fn(&str, usize) -> Result<(String, Finish), ProviderError> + Send + Sync;

/// What every reply of [`Scripted`] costs.
pub(crate) const COST: Usd = Usd::from_nano(1000);

/// Says what a closure makes of the prompt and of the number of the request, and keeps the requests.
pub(crate) struct Scripted {
    spec: ModelSpec,
    say: Box<Say>,
    asked: Mutex<Vec<ChatRequest>>,
}

impl Scripted {
    pub(crate) fn new(say: impl Fn(&str, usize) -> String + Send + Sync + 'static) -> Self {
        Self::fallible(move |prompt, number| Ok((say(prompt, number), Finish::EndOfText)))
    }

    pub(crate) fn fallible(
        say: impl Fn(&str, usize) -> Result<(String, Finish), ProviderError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            spec: ModelSpec::new("chat", ProviderKind::OpenaiCompatible, "chat"),
            say: Box::new(say),
            asked: Mutex::new(Vec::new()),
        }
    }

    pub(crate) fn asked(&self) -> Vec<ChatRequest> {
        self.asked.lock().unwrap().clone()
    }
}

pub(crate) fn text(request: &ChatRequest) -> String {
    match &request.prompt {
        Prompt::Text(text) => text.clone(),
        Prompt::Chat(messages) => messages.last().unwrap().content.clone(),
    }
}

impl ChatModel for Scripted {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn capabilities(&self) -> &Capabilities {
        unreachable!("no judge looks at capabilities")
    }

    fn price(&self) -> Option<Price> {
        None
    }

    fn most(&self, _request: &ChatRequest) -> Option<Usd> {
        Some(COST)
    }

    fn ask<'a>(
        &'a self,
        request: &'a ChatRequest,
        _purse: &'a dyn Purse,
    ) -> BoxFuture<'a, Result<Answered, ProviderError>> {
        let number = {
            let mut asked = self.asked.lock().unwrap();
            asked.push(request.clone());
            asked.len() - 1
        };
        let answered = (self.say)(&text(request), number).map(|(text, finish)| Answered {
            replies: vec![Reply {
                text,
                reasoning: None,
                finish,
                tokens: None,
                logprob: None,
                token_logprobs: Vec::new(),
            }],
            usage: None,
            cost: Some(COST),
            model: "chat".into(),
            request_id: None,
        });
        Box::pin(std::future::ready(answered))
    }
}
