//! Faults on demand: by a header of the request, or with a probability.

use std::time::Duration;

use super::dialect::{Dialect, Kind, Trouble};
use crate::script::{Act, End, Reply};

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 429 with the provider's way to ask for a wait.
    Rate429,
    /// The provider is overloaded (503, 529).
    Overloaded,
    /// Credit or quota is used up.
    Money,
    /// 500.
    Server500,
    /// An answer that ends in the middle.
    Truncated,
    /// The page of a gateway with status 200.
    Garbage200,
    /// A whole answer that takes seconds.
    Slow,
    /// A TCP reset before any answer.
    Reset,
    /// No answer at all.
    Silence,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Rate429,
        Self::Overloaded,
        Self::Money,
        Self::Server500,
        Self::Truncated,
        Self::Garbage200,
        Self::Slow,
        Self::Reset,
        Self::Silence,
    ];

    /// The name used in headers and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rate429 => "rate429",
            Self::Overloaded => "overloaded",
            Self::Money => "money",
            Self::Server500 => "server500",
            Self::Truncated => "truncated",
            Self::Garbage200 => "garbage200",
            Self::Slow => "slow",
            Self::Reset => "reset",
            Self::Silence => "silence",
        }
    }

    /// The fault of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.as_str() == name)
    }

    /// What happens instead of any work; `None` if the request is answered nevertheless.
    pub(crate) fn instead(self, dialect: Dialect, wait: Duration) -> Option<Act> {
        let refused = |kind, message: &str, wait| {
            let mut trouble = Trouble::new(kind, message);
            trouble.retry_after = wait;
            Some(Act::Answer(trouble.reply(dialect)))
        };
        match self {
            Self::Rate429 => refused(
                Kind::RateLimit,
                "Rate limit reached for requests",
                Some(wait),
            ),
            Self::Overloaded => refused(Kind::Overloaded, "Overloaded", None),
            Self::Money => refused(
                Kind::Money,
                "You exceeded your current quota, please check your plan and billing details.",
                None,
            ),
            Self::Server500 => refused(Kind::Server, "Internal server error", None),
            Self::Garbage200 => Some(Act::Answer(Reply::new(
                200,
                "text/html",
                "<html><body><h1>Sign in to the network</h1></body></html>",
            ))),
            Self::Reset => Some(Act::Reset),
            Self::Silence => Some(Act::Silence),
            Self::Truncated | Self::Slow => None,
        }
    }

    /// What becomes of a finished answer.
    pub(crate) fn spoil(self, act: Act, delay: Duration) -> Act {
        match self {
            Self::Truncated => truncate(act),
            Self::Slow => slow(act, delay),
            _ => act,
        }
    }
}

fn truncate(act: Act) -> Act {
    match act {
        Act::Answer(reply) => {
            let mut head = format!(
                "HTTP/1.1 {} OK\r\ncontent-length: {}\r\n",
                reply.status,
                reply.body.len()
            );
            for (name, value) in &reply.headers {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
            let mut bytes = format!("{head}\r\n").into_bytes();
            bytes.extend_from_slice(&reply.body[..reply.body.len() / 2]);
            Act::Raw {
                bytes: vec![(reply.delay, bytes)],
                then: End::Close,
            }
        }
        Act::Pieces {
            status,
            headers,
            mut pieces,
            ..
        } => {
            pieces.truncate(pieces.len() / 2);
            Act::Pieces {
                status,
                headers,
                pieces,
                then: End::CutChunked,
            }
        }
        other => other,
    }
}

/// Spreads the delay over the pieces.
pub(crate) fn slow(act: Act, delay: Duration) -> Act {
    match act {
        Act::Answer(mut reply) => {
            reply.delay += delay;
            Act::Answer(reply)
        }
        Act::Pieces {
            status,
            headers,
            mut pieces,
            then,
        } => {
            let share = delay / pieces.len().max(1) as u32;
            for (wait, _) in &mut pieces {
                *wait += share;
            }
            Act::Pieces {
                status,
                headers,
                pieces,
                then,
            }
        }
        other => other,
    }
}
