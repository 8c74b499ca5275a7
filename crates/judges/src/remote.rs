//! Judges with an interface of their own: what is sent, how it is read, what it costs.

use autodidact_core::{JudgeSpec, Price, Scores, Usd};
use autodidact_providers::{Endpoint, ProviderError, Purse, Usage, WireRequest};
use bytes::Bytes;
use futures::future::{BoxFuture, join_all};
use serde_json::Value;

use crate::judge::{Case, Judge, Opinion, Unscored, excerpt, opinions_or_error, share};
use crate::tokens::{TURN, estimate_tokens, most_tokens};
use crate::{classifier, nemotron, predict, process, rerank};

/// What an interface sends and how its replies are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// NVIDIA's reward models through `/chat/completions`.
    Nemotron,
    /// vLLM's `/classify`.
    Classify,
    /// vLLM's `/pooling`.
    Pooling,
    /// vLLM's `/pooling` of a process reward model.
    Process,
    /// SGLang's `/classify`.
    SglangClassify,
    /// `/predict` of Text Embeddings Inference.
    Predict,
    /// `/v1/rerank` of llama-server and vLLM.
    Rerank,
    /// `/rerank` of Text Embeddings Inference.
    TeiRerank,
}

impl Form {
    /// Longest question and answer together in tokens, where the spec does not say: the context of
    /// Nemotron-4-340B-Reward and of Qwen2.5-Math-PRM (their model cards).
    pub const fn context(self) -> Option<u32> {
        match self {
            Self::Nemotron | Self::Process => Some(4096),
            _ => None,
        }
    }

    /// What follows the base URL.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Nemotron => nemotron::PATH,
            Self::Classify | Self::SglangClassify => "/classify",
            Self::Pooling | Self::Process => "/pooling",
            Self::Predict => predict::PATH,
            Self::Rerank => rerank::PATH,
            Self::TeiRerank => rerank::TEI_PATH,
        }
    }

    /// The base URL for [`Form::path`]: only chat completions live below `/v1`, everything else at the
    /// server's root.
    pub fn base_url(self, url: &str) -> String {
        let url = url.trim_end_matches('/');
        let root = match self {
            Self::Nemotron => url,
            _ => url.strip_suffix("/v1").unwrap_or(url),
        };
        root.trim_end_matches('/').to_owned()
    }

    /// Answers in one request. Chat templates take one conversation at a time.
    pub const fn batch(self) -> usize {
        match self {
            Self::Nemotron | Self::Classify | Self::Pooling | Self::Process => 1,
            Self::SglangClassify | Self::Predict | Self::Rerank | Self::TeiRerank => predict::BATCH,
        }
    }

    /// The body of a request about these answers, at most [`Form::batch`] of them.
    pub fn body(self, spec: &JudgeSpec, case: &Case, answers: &[&str]) -> Value {
        let model = spec.model.as_slice().first().map_or("", String::as_str);
        let first = answers.first().copied().unwrap_or_default();
        match self {
            Self::Nemotron => nemotron::body(model, case, first),
            Self::Classify => classifier::classify_body(model, case, first),
            Self::Pooling => classifier::pooling_body(model, case, first),
            Self::Process => process::body(spec, model, case, first),
            Self::SglangClassify => classifier::sglang_body(model, case, answers),
            Self::Predict => predict::body(case, answers),
            Self::Rerank => rerank::body(model, case, answers),
            Self::TeiRerank => rerank::tei_body(case, answers),
        }
    }

    /// The score of each of these answers, in order, from the body of a reply.
    pub fn parse(
        self,
        spec: &JudgeSpec,
        answers: &[&str],
        body: &[u8],
    ) -> Vec<Result<Scores, Unscored>> {
        match serde_json::from_slice(body) {
            Ok(reply) => self.parse_json(spec, answers, &reply),
            Err(error) => {
                let text = excerpt(&String::from_utf8_lossy(body));
                let text = format!("{text} is not JSON ({error})");
                vec![Err(Unscored::Malformed(text)); answers.len()]
            }
        }
    }

    /// The same for a reply that is JSON.
    pub fn parse_json(
        self,
        spec: &JudgeSpec,
        answers: &[&str],
        reply: &Value,
    ) -> Vec<Result<Scores, Unscored>> {
        let model = spec.model.as_slice().first().map_or("", String::as_str);
        let each = |one: &dyn Fn(&str) -> Result<Scores, Unscored>| {
            answers.iter().map(|answer| one(answer)).collect()
        };
        match self {
            Self::Nemotron => each(&|_| nemotron::parse(model, reply, &spec.weights)),
            Self::Classify => each(&|_| classifier::parse_classify(reply)),
            Self::Pooling => each(&|_| classifier::parse_pooling(reply)),
            Self::Process => each(&|answer| process::parse(spec, reply, answer)),
            Self::SglangClassify => classifier::parse_sglang(reply, answers.len()),
            Self::Predict => predict::parse(reply, answers.len(), &spec.weights),
            Self::Rerank => rerank::parse(reply, answers.len()),
            Self::TeiRerank => rerank::parse_tei(reply, answers.len()),
        }
    }
}

/// A judge behind an endpoint.
#[derive(Debug)]
pub struct RemoteJudge {
    spec: JudgeSpec,
    form: Form,
    endpoint: Endpoint,
    price: Option<Price>,
}

impl RemoteJudge {
    /// A judge that is asked through `endpoint`, whose base URL is [`Form::base_url`]'s.
    pub fn new(spec: JudgeSpec, form: Form, endpoint: Endpoint, price: Option<Price>) -> Self {
        Self {
            spec,
            form,
            endpoint,
            price,
        }
    }

    /// Why this answer is not sent, if it is not.
    fn refusal(&self, case: &Case, answer: &str) -> Option<Unscored> {
        if answer.trim().is_empty() {
            return Some(Unscored::Empty);
        }
        let context = u64::from(self.spec.context.or(self.form.context())?);
        let tokens = count(case, answer, estimate_tokens);
        (tokens > context).then_some(Unscored::TooLong { tokens, context })
    }

    /// Positions of the answers that are sent, in batches.
    fn batches(&self, case: &Case) -> Vec<Vec<usize>> {
        let sent: Vec<usize> = (0..case.answers.len())
            .filter(|i| self.refusal(case, &case.answers[*i]).is_none())
            .collect();
        let batches = sent.chunks(self.form.batch());
        batches.map(<[usize]>::to_vec).collect()
    }

    /// What a batch costs at most: every token of the prompt, none generated but a reward's few.
    fn most_of(&self, case: &Case, batch: &[usize]) -> Option<Usd> {
        let price = self.price?;
        let tokens = |i: &usize| count(case, &case.answers[*i], most_tokens);
        let input = batch.iter().map(tokens).sum();
        Some(price.input.per_million(input) + price.output.per_million(REWARD_TOKENS))
    }

    async fn ask(&self, case: &Case, batch: &[usize], purse: &dyn Purse) -> Vec<Opinion> {
        let answers: Vec<&str> = batch.iter().map(|i| case.answers[*i].as_str()).collect();
        let body = self.form.body(&self.spec, case, &answers);
        let tokens = answers.iter().map(|a| count(case, a, estimate_tokens));
        let request = WireRequest {
            path: self.form.path().to_owned(),
            headers: Vec::new(),
            body: Bytes::from(body.to_string()),
            tokens: tokens.sum(),
        };
        let most = self.most_of(case, batch);
        let paid = match self.endpoint.post(&request, most, purse).await {
            Ok(paid) => paid,
            Err(error) => {
                let none = Opinion {
                    scores: Err(Unscored::Unavailable(error)),
                    cost: None,
                };
                return vec![none; batch.len()];
            }
        };
        let cost = self.cost(&paid.value, most);
        purse.settle(paid.ticket, cost).await;
        let scores = self.form.parse(&self.spec, &answers, &paid.value);
        let opinion = |(scores, cost)| Opinion { scores, cost };
        let shares = share(cost, batch.len());
        scores.into_iter().zip(shares).map(opinion).collect()
    }

    /// From the usage, or the whole reservation where the reply has none or one that makes no sense.
    fn cost(&self, body: &[u8], most: Option<Usd>) -> Option<Usd> {
        let price = self.price?;
        usage(body).map(|usage| usage.cost(&price)).or(most)
    }
}

/// A reward is a number or five of them with their names.
const REWARD_TOKENS: u64 = 64;

/// Tokens of the conversation that ends with this answer, as `tokens` counts a text.
fn count(case: &Case, answer: &str, tokens: fn(&str) -> u64) -> u64 {
    let earlier = case.earlier.iter().map(|m| tokens(&m.content) + TURN);
    earlier.sum::<u64>() + tokens(&case.question) + tokens(answer) + 2 * TURN
}

/// Tokens as the server counted them; `None` unless there are some.
fn usage(body: &[u8]) -> Option<Usage> {
    /// No judge reads more in one request; a larger number is an error of the server's.
    const MOST: u64 = 100_000_000;
    let reply: Value = serde_json::from_slice(body).ok()?;
    let count = |name: &str| reply["usage"][name].as_u64().filter(|n| *n < MOST);
    let output = count("completion_tokens").unwrap_or(0);
    let input = count("prompt_tokens").or_else(|| count("total_tokens"))?;
    (input > 0).then_some(Usage {
        input,
        output,
        ..Usage::default()
    })
}

impl Judge for RemoteJudge {
    fn spec(&self) -> &JudgeSpec {
        &self.spec
    }

    fn most(&self, case: &Case) -> Option<Usd> {
        let batches = self.batches(case);
        batches.iter().map(|b| self.most_of(case, b)).sum()
    }

    fn judge<'a>(
        &'a self,
        case: &'a Case,
        purse: &'a dyn Purse,
    ) -> BoxFuture<'a, Result<Vec<Opinion>, ProviderError>> {
        Box::pin(async move {
            let batches = self.batches(case);
            let asked = batches.iter().map(|b| self.ask(case, b, purse));
            let replies = join_all(asked).await;
            let mut opinions: Vec<Opinion> = case
                .answers
                .iter()
                .map(|answer| Opinion::none(self.refusal(case, answer).unwrap_or(Unscored::Empty)))
                .collect();
            for (batch, replies) in batches.iter().zip(replies) {
                for (i, opinion) in batch.iter().zip(replies) {
                    opinions[*i] = opinion;
                }
            }
            opinions_or_error(opinions)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_chat_completions_live_below_v1() {
        let url = |form: Form, base: &str| form.base_url(base) + form.path();
        let base = "http://h:8000/v1/";
        assert_eq!(
            url(Form::Nemotron, base),
            "http://h:8000/v1/chat/completions"
        );
        assert_eq!(url(Form::Classify, base), "http://h:8000/classify");
        assert_eq!(url(Form::Rerank, base), "http://h:8000/v1/rerank");
        assert_eq!(
            url(Form::Rerank, "http://h:8000"),
            "http://h:8000/v1/rerank"
        );
        assert_eq!(url(Form::TeiRerank, "http://h/tei/"), "http://h/tei/rerank");
    }

    #[test]
    fn a_usage_that_makes_no_sense_is_none() {
        let of = |usage: &str| usage_of(usage).map(|u| (u.input, u.output));
        assert_eq!(
            of(r#"{"prompt_tokens":7,"completion_tokens":2}"#),
            Some((7, 2))
        );
        assert_eq!(of(r#"{"total_tokens":7}"#), Some((7, 0)));
        for bad in [
            "null",
            r#"{"prompt_tokens":0}"#,
            r#"{"prompt_tokens":-3}"#,
            r#"{"prompt_tokens":"7"}"#,
            r#"{"prompt_tokens":900000000000}"#,
        ] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }

    fn usage_of(text: &str) -> Option<Usage> {
        usage(format!(r#"{{"usage":{text}}}"#).as_bytes())
    }
}
