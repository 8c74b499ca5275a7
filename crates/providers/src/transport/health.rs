//! What is known of one server: how busy it is, whether it works, when it may be asked again.

use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row after which a server is left alone.
const FAILURES: u32 = 8;
const FIRST_COOL_DOWN: Duration = Duration::from_secs(1);
const LONGEST_COOL_DOWN: Duration = Duration::from_mins(1);

/// Whether a server may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ready {
    /// Yes.
    Now,
    /// Yes, with one request that finds out whether it works again.
    Probe,
    /// It asked for a pause until then.
    Parked(Instant),
    /// It failed too often and is left alone until then; `None`: a probe is under way.
    Failing(Option<Instant>),
}

/// One server's state: outstanding requests, a circuit breaker, a pause it asked for.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// Requests under way.
    pub(super) outstanding: usize,
    /// Failures since the last success.
    pub(super) failures: u32,
    parked_until: Option<Instant>,
    breaker: Option<Breaker>,
}

/// Present while the server is left alone.
#[derive(Debug)]
struct Breaker {
    since: Instant,
    until: Instant,
    cool_down: Duration,
    probing: bool,
}

impl Health {
    /// Whether it may be asked now.
    pub(super) fn ready(&self, now: Instant) -> Ready {
        if let Some(until) = self.parked_until
            && until > now
        {
            return Ready::Parked(until);
        }
        match &self.breaker {
            None => Ready::Now,
            Some(breaker) if breaker.probing => Ready::Failing(None),
            Some(breaker) if breaker.until > now => Ready::Failing(Some(breaker.until)),
            Some(_) => Ready::Probe,
        }
    }

    /// How long it has been left alone.
    pub(super) fn out_for(&self, now: Instant) -> Duration {
        self.breaker
            .as_ref()
            .map_or(Duration::ZERO, |breaker| now - breaker.since)
    }

    /// A request goes to it.
    pub(super) const fn begin(&mut self, probe: bool) {
        self.outstanding += 1;
        if let Some(breaker) = &mut self.breaker
            && probe
        {
            breaker.probing = true;
        }
    }

    /// It answered, if only to refuse: it works.
    pub(super) fn works(&mut self) {
        self.failures = 0;
        self.breaker = None;
    }

    /// It did not answer, or said that it cannot.
    pub(super) fn failed(&mut self, now: Instant, probe: bool) {
        self.failures = self.failures.saturating_add(1);
        match &mut self.breaker {
            None if self.failures >= FAILURES => {
                self.breaker = Some(Breaker {
                    since: now,
                    until: now + FIRST_COOL_DOWN,
                    cool_down: FIRST_COOL_DOWN,
                    probing: false,
                });
            }
            // Requests that were under way when it opened say nothing new.
            Some(breaker) if probe => {
                breaker.cool_down = (breaker.cool_down * 2).min(LONGEST_COOL_DOWN);
                breaker.until = now + breaker.cool_down;
                breaker.probing = false;
            }
            _ => {}
        }
    }

    /// A probe was given up before it said anything.
    pub(super) const fn probe_dropped(&mut self) {
        if let Some(breaker) = &mut self.breaker {
            breaker.probing = false;
        }
    }

    /// It asked to be left alone until then.
    pub(super) fn park(&mut self, until: Instant) {
        self.parked_until = self.parked_until.max(Some(until));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_breaker_opens_probes_once_at_a_time_and_doubles_its_cool_down_to_a_minute() {
        let mut health = Health::default();
        let mut now = Instant::now();
        for _ in 1..FAILURES {
            health.failed(now, false);
            assert_eq!(health.ready(now), Ready::Now);
        }
        health.failed(now, false);
        let mut waits = Vec::new();
        for _ in 0..8 {
            let Ready::Failing(Some(until)) = health.ready(now) else {
                panic!("{:?}", health.ready(now));
            };
            waits.push((until - now).as_secs());
            now = until;
            assert_eq!(health.ready(now), Ready::Probe);
            health.begin(true);
            assert_eq!(health.ready(now), Ready::Failing(None));
            health.failed(now, false);
            assert_eq!(health.ready(now), Ready::Failing(None), "a late failure");
            health.failed(now, true);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        health.works();
        assert_eq!(health.ready(now), Ready::Now);
    }

    #[test]
    fn a_pause_is_kept_to_its_end_and_never_shortened() {
        let mut health = Health::default();
        let now = Instant::now();
        health.park(now + Duration::from_secs(5));
        health.park(now + Duration::from_secs(2));
        health.works();
        let end = now + Duration::from_secs(5);
        assert_eq!(health.ready(now), Ready::Parked(end));
        assert_eq!(health.ready(end), Ready::Now);
    }
}
