//! An answer while it is put together, from a whole body or from pieces of a stream alike.

use std::collections::BTreeMap;

use super::json::{malformed, remark};
use super::{Call, thinking};
use crate::{Finish, Parsed, PrefillStyle, ProviderError, Reply, Usage};

/// Longest text of all answers to a request, in bytes; more is no answer but an attack.
const LONGEST_TEXT: usize = 64 << 20;
/// Usage above this many times what the request allows is a lie.
const ABSURD: u64 = 100;

/// What is known about an answer before it arrives.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    /// The model's name in the file, for errors.
    pub model: String,
    n: usize,
    prefill: String,
    prefill_style: PrefillStyle,
    stop: Vec<String>,
    most_input: u64,
    most_output: u64,
}

impl Expected {
    pub(super) fn of(call: &Call<'_>) -> Self {
        let (bytes, messages) = call.prompt_size();
        Self {
            model: call.spec.name.clone(),
            n: call.n() as usize,
            prefill: call.prefill().to_owned(),
            prefill_style: call.capabilities.prefill_style,
            stop: call.request.stop.clone(),
            most_input: bytes + messages * 64 + 1024,
            most_output: u64::from(call.request.max_tokens.max(1)) * u64::from(call.n()),
        }
    }

    /// Usage, unless its numbers make no sense for this request.
    fn sensible(&self, usage: Usage, any_text: bool) -> Option<Usage> {
        let fits = usage.input > 0
            && usage.input <= self.most_input.saturating_mul(ABSURD)
            && usage.output <= self.most_output.saturating_mul(ABSURD)
            && (usage.output > 0 || !any_text)
            && usage.cached_input <= usage.input
            && usage.cache_write <= usage.input
            && usage.reasoning <= usage.output;
        fits.then_some(usage)
    }
}

/// One reply while it is put together.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// The answer so far.
    pub text: String,
    /// The reasoning so far.
    pub reasoning: String,
    /// The model's refusal so far.
    pub refusal: String,
    /// Why it ended, as the provider said; nothing it said: it did not end.
    pub end: Option<Finish>,
    /// The name of a tool it called.
    pub tool: Option<String>,
    /// Tokens and log-probabilities.
    pub logprobs: Vec<(String, f64)>,
}

impl Draft {
    /// Ends the reply; what came first counts.
    pub(super) fn end(&mut self, finish: Finish) {
        self.end.get_or_insert(finish);
    }

    fn reply(mut self, expected: &Expected) -> Reply {
        if expected.prefill.is_empty() {
            thinking::part(&mut self.text, &mut self.reasoning);
        }
        let wrote = !self.text.trim().is_empty();
        self.text = with_prefill(self.text, expected);
        let cut = self.cut_at_stop(expected);
        let finish = self.finish(wrote, cut);
        let tokens = u32::try_from(self.logprobs.len()).ok();
        let sane = |(_, logprob): &(String, f64)| logprob.is_finite() && *logprob < 1e-3;
        let logprobs = if self.logprobs.iter().all(sane) {
            self.logprobs
        } else {
            Vec::new()
        };
        Reply {
            text: self.text,
            reasoning: (!self.reasoning.is_empty()).then_some(self.reasoning),
            finish,
            tokens: tokens.filter(|tokens| *tokens > 0),
            logprob: (!logprobs.is_empty())
                .then(|| logprobs.iter().map(|(_, logprob)| logprob).sum()),
            token_logprobs: logprobs,
        }
    }

    /// Ends the text at a stop string that the provider did not take or left in.
    fn cut_at_stop(&mut self, expected: &Expected) -> bool {
        let start = expected.prefill.len().min(self.text.len());
        let Some(tail) = self.text.get(start..) else {
            return false;
        };
        let ends = expected.stop.iter().filter(|stop| !stop.is_empty());
        let Some(end) = ends.filter_map(|stop| tail.find(stop.as_str())).min() else {
            return false;
        };
        self.text.truncate(start + end);
        let mut length = 0;
        self.logprobs.retain(|(token, _)| {
            length += token.len();
            length <= end
        });
        true
    }

    fn finish(&mut self, wrote: bool, cut: bool) -> Finish {
        if !self.refusal.is_empty() {
            return Finish::Refused(remark(&self.refusal));
        }
        if let Some(tool) = &self.tool {
            return Finish::Other(format!("a call of {}", remark(tool)));
        }
        match self.end.take() {
            None => Finish::Incomplete("it ends without an end mark".to_owned()),
            Some(end) if !end.is_answer() => end,
            Some(end) if !wrote => Finish::Empty(format!(
                "no text (finish reason {}){}",
                end.as_str(),
                if self.reasoning.is_empty() {
                    ""
                } else {
                    ": reasoning took every token"
                }
            )),
            Some(_) if cut => Finish::Stop,
            Some(end) => end,
        }
    }
}

fn with_prefill(text: String, expected: &Expected) -> String {
    let prefill = &expected.prefill;
    match expected.prefill_style {
        _ if prefill.is_empty() => text,
        PrefillStyle::Prefix if text.starts_with(prefill.as_str()) => text,
        // The white space at the end was not sent, so the model wrote its own.
        PrefillStyle::Trimmed if prefill.ends_with(char::is_whitespace) => {
            format!("{prefill}{}", text.trim_start())
        }
        _ => format!("{prefill}{text}"),
    }
}

/// All replies to a request while they are put together.
#[derive(Debug)]
pub(super) struct Answer {
    /// What is known about it.
    pub expected: Expected,
    drafts: BTreeMap<usize, Draft>,
    /// As the provider counted, last.
    pub usage: Option<Usage>,
    model: String,
    request_id: Option<String>,
    bytes: usize,
}

impl Answer {
    pub(super) fn new(expected: Expected) -> Self {
        Self {
            expected,
            drafts: BTreeMap::new(),
            usage: None,
            model: String::new(),
            request_id: None,
            bytes: 0,
        }
    }

    /// The reply of that number; `None` if it is more than was asked for.
    pub(super) fn draft(&mut self, index: usize) -> Option<&mut Draft> {
        (index < self.expected.n).then(|| self.drafts.entry(index).or_default())
    }

    /// Notes the names of model and request, where they are given.
    pub(super) fn names(&mut self, model: Option<&str>, request_id: Option<&str>) {
        if let Some(model) = model {
            self.model = remark(model);
        }
        if let Some(id) = request_id {
            self.request_id = Some(remark(id));
        }
    }

    /// Counts the bytes of a piece of a stream, which altogether must stay within reason.
    pub(super) fn piece(&mut self, data: &str) -> Result<(), ProviderError> {
        self.bytes = self.bytes.saturating_add(data.len());
        if self.bytes > LONGEST_TEXT {
            return Err(malformed(
                &self.expected.model,
                "the stream is longer than any answer",
            ));
        }
        Ok(())
    }

    /// The finished answer.
    pub(super) fn parsed(self) -> Result<Parsed, ProviderError> {
        let expected = self.expected;
        let mut replies: Vec<Reply> = self
            .drafts
            .into_values()
            .map(|draft| draft.reply(&expected))
            .collect();
        if replies.is_empty() {
            return Err(malformed(&expected.model, "the reply has no choices"));
        }
        let wrote = |reply: &Reply| reply.text.len() > expected.prefill.len();
        let any_text = replies.iter().any(wrote);
        let usage = self
            .usage
            .and_then(|usage| expected.sensible(usage, any_text));
        if let ([reply], Some(usage)) = (replies.as_mut_slice(), usage) {
            reply.tokens = u32::try_from(usage.output).ok();
        }
        Ok(Parsed {
            replies,
            usage,
            model: self.model,
            request_id: self.request_id,
        })
    }
}
