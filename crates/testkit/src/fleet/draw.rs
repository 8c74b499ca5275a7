//! Turning what a model says into tokens, cut by limits and stops, with log-probabilities.

use super::hash::{hash, mix, unit};
use super::phrases::thoughts;
use super::wits::{Ask, Wits};

/// Why an answer ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finish {
    /// The model was done.
    End,
    /// It wrote this stop text.
    Stop(String),
    /// It reached the token limit.
    Length,
}

/// One answer as it goes over the wire.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Draw {
    pub(crate) tokens: Vec<String>,
    pub(crate) finish: Finish,
    pub(crate) reasoning: Option<String>,
    pub(crate) reasoning_tokens: u64,
}

impl Draw {
    pub(crate) fn text(&self) -> String {
        self.tokens.concat()
    }

    /// All tokens that are charged.
    pub(crate) fn output_tokens(&self) -> u64 {
        self.tokens.len() as u64 + self.reasoning_tokens
    }

    /// A natural logarithm of a probability for each token.
    pub(crate) fn logprobs(&self) -> Vec<f64> {
        let mut state = hash(&[&self.text()]);
        self.tokens
            .iter()
            .map(|_| {
                state = mix(state);
                -(unit(state).powi(3) * 2.0 * 10_000.0).round() / 10_000.0
            })
            .collect()
    }
}

/// Answers a request.
pub(crate) fn draw(wits: &Wits, ask: &Ask) -> Vec<Draw> {
    wits.say(ask)
        .into_iter()
        .map(|said| cut(&said, ask))
        .collect()
}

fn cut(said: &str, ask: &Ask) -> Draw {
    let limit = ask.max_tokens.unwrap_or(u64::MAX);
    let reasoning = ask.thinks.then(|| thoughts(hash(&[said])));
    let thought = reasoning.as_deref().map(tokens).unwrap_or_default();
    let reasoning_tokens = (thought.len() as u64).min(limit);
    let reasoning = reasoning.map(|_| thought[..reasoning_tokens as usize].concat());

    let stop = ask
        .stop
        .iter()
        .filter(|stop| !stop.is_empty())
        .filter_map(|stop| Some((said.find(stop.as_str())?, stop)))
        .min();
    let (text, mut finish) = match stop {
        Some((at, stop)) => (&said[..at], Finish::Stop(stop.clone())),
        None => (said, Finish::End),
    };
    let mut tokens = tokens(text);
    let left = (limit - reasoning_tokens) as usize;
    if tokens.len() > left {
        tokens.truncate(left);
        finish = Finish::Length;
    }
    Draw {
        tokens,
        finish,
        reasoning,
        reasoning_tokens,
    }
}

/// The fleet's tokens: a word with the space before it, in parts of at most six letters.
pub(crate) fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut letters = 0;
    for c in text.chars() {
        let joins = letters < 6 && c.is_alphanumeric();
        match tokens.last_mut() {
            Some(token) if joins && ends_open(token) => {
                token.push(c);
                letters += 1;
            }
            _ => {
                tokens.push(c.to_string());
                letters = usize::from(c.is_alphanumeric());
            }
        }
    }
    tokens
}

/// True if letters may follow in the same token.
fn ends_open(token: &str) -> bool {
    token.ends_with(|c: char| c.is_alphanumeric() || c == ' ')
}

#[cfg(test)]
mod tests {
    use super::{Finish, cut, tokens};
    use crate::fleet::wits::Ask;

    #[test]
    fn tokens_put_together_are_the_text() {
        let text = "Let us multiply 17 by 23:\n391. Größe?";
        assert_eq!(tokens(text).concat(), text);
        assert_eq!(tokens(" understand it"), [" unders", "tand", " it"]);
    }

    #[test]
    fn limits_and_stops_cut() {
        let mut ask = Ask {
            max_tokens: Some(2),
            ..Ask::default()
        };
        let drawn = cut("one two three", &ask);
        assert_eq!(
            (drawn.text().as_str(), drawn.finish),
            ("one two", Finish::Length)
        );
        ask.max_tokens = None;
        ask.stop = vec!["three".into(), " two".into()];
        let drawn = cut("one two three", &ask);
        assert_eq!(
            (drawn.text().as_str(), drawn.finish),
            ("one", Finish::Stop(" two".into()))
        );
    }

    #[test]
    fn reasoning_can_use_up_the_limit() {
        let ask = Ask {
            max_tokens: Some(5),
            thinks: true,
            ..Ask::default()
        };
        let drawn = cut("one", &ask);
        assert_eq!((drawn.text().as_str(), drawn.finish), ("", Finish::Length));
        assert_eq!(drawn.reasoning_tokens, 5);
    }
}
