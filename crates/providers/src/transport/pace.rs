//! Requests and tokens in any window of time, kept exactly.
//!
//! A bucket that refills steadily lets a burst and its refill through in one window, which is more
//! than the limit. Here every request of the last window is remembered instead.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// A request can take longer to the server than the one a window later. A sixtieth of the window is
/// added for that: one second in a minute.
const SLACK: u32 = 60;

/// Limits for any window, and what was sent in the last one.
#[derive(Debug)]
pub(super) struct Pace {
    window: Duration,
    requests: Option<usize>,
    tokens: Option<u64>,
    sent: VecDeque<(Instant, u64)>,
    tokens_sent: u64,
}

impl Pace {
    /// `None` is no limit. A limit of 0 counts as 1: nothing could ever be sent.
    pub(super) fn new(window: Duration, requests: Option<u32>, tokens: Option<u32>) -> Self {
        Self {
            window: window + window / SLACK,
            requests: requests.map(|limit| limit.max(1) as usize),
            tokens: tokens.map(|limit| u64::from(limit.max(1))),
            sent: VecDeque::new(),
            tokens_sent: 0,
        }
    }

    /// The limit of tokens, for requests that can never keep it.
    pub(super) const fn token_limit(&self) -> Option<u64> {
        self.tokens
    }

    /// When a request may be sent; now or earlier if at once.
    pub(super) fn ready_at(&mut self, now: Instant, tokens: u64) -> Instant {
        self.forget(now);
        let mut ready = now;
        if let Some(limit) = self.requests
            && self.sent.len() >= limit
        {
            ready = ready.max(self.sent[self.sent.len() - limit].0 + self.window);
        }
        if let Some(limit) = self.tokens {
            let mut left = self.tokens_sent;
            for &(at, cost) in &self.sent {
                if left + tokens <= limit {
                    break;
                }
                left -= cost;
                ready = ready.max(at + self.window);
            }
        }
        ready
    }

    /// Counts a request as sent.
    pub(super) fn record(&mut self, now: Instant, tokens: u64) {
        if self.requests.is_some() || self.tokens.is_some() {
            self.sent.push_back((now, tokens));
            self.tokens_sent += tokens;
        }
    }

    fn forget(&mut self, now: Instant) {
        while let Some(&(at, tokens)) = self.sent.front()
            && at + self.window <= now
        {
            self.sent.pop_front();
            self.tokens_sent -= tokens;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn without_limits_nothing_waits_and_nothing_is_remembered() {
        let mut pace = Pace::new(MINUTE, None, None);
        let now = Instant::now();
        for _ in 0..1000 {
            assert_eq!(pace.ready_at(now, 1 << 40), now);
            pace.record(now, 1 << 40);
        }
        assert!(pace.sent.is_empty());
    }

    proptest! {
        #[test]
        fn no_window_ever_holds_more_than_the_limits(
            requests in prop::option::of(1_u32..6),
            tokens in prop::option::of(50_u32..200),
            wanted in prop::collection::vec((0_u64..20_000, 1_u64..50), 1..80),
        ) {
            let mut pace = Pace::new(MINUTE, requests, tokens);
            let start = Instant::now();
            let mut now = start;
            let mut sent: Vec<(Duration, u64)> = Vec::new();
            for (pause, cost) in wanted {
                now += Duration::from_millis(pause);
                let ready = pace.ready_at(now, cost);
                now = now.max(ready);
                prop_assert_eq!(pace.ready_at(now, cost), now, "what it says is true");
                pace.record(now, cost);
                sent.push((now - start, cost));
            }
            for (index, (at, _)) in sent.iter().enumerate() {
                let window = sent[index..].iter().take_while(|(t, _)| *t < *at + MINUTE);
                let (count, sum) = window.fold((0, 0), |(n, sum), (_, cost)| (n + 1, sum + cost));
                prop_assert!(requests.is_none_or(|limit| count <= limit));
                prop_assert!(tokens.is_none_or(|limit| sum <= u64::from(limit)));
            }
        }
    }
}
