//! Decides when a request may leave, and to which server: pauses that were asked for, failing
//! servers, limits per minute.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::health::{Health, Ready};
use super::pace::Pace;
use crate::ErrorClass;

/// What a failure counts in the choice between servers, in outstanding requests.
const FAILURE_WEIGHT: usize = 4;

/// Why no request can leave for longer than anyone wants to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closed {
    /// Every server asked for a pause; the shortest.
    Parked(Duration),
    /// Every server fails.
    Failing,
    /// One request takes more tokens than a minute allows; the limit.
    TooManyTokens(u64),
}

/// Why to wait, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// For a limit per minute.
    Pace(Instant),
    /// For a pause to end.
    Parked(Instant),
    /// For a failing server: until something can be tried, or a probe that is under way says more.
    Failing(Option<Instant>),
}

/// The gate of one endpoint.
#[derive(Debug)]
pub(super) struct Gate {
    state: Mutex<State>,
    /// Told when a server works again or a probe has ended.
    changed: Notify,
    /// Whoever waits for the gate to open holds this; the others queue behind in order.
    turnstile: tokio::sync::Mutex<()>,
    longest_wait: Duration,
}

#[derive(Debug)]
struct State {
    servers: Vec<Health>,
    pace: Pace,
    /// The server to look at first, so that idle ones take turns.
    turn: usize,
}

impl Gate {
    pub(super) fn new(servers: usize, pace: Pace, longest_wait: Duration) -> Self {
        Self {
            state: Mutex::new(State {
                servers: (0..servers).map(|_| Health::default()).collect(),
                pace,
                turn: 0,
            }),
            changed: Notify::new(),
            turnstile: tokio::sync::Mutex::new(()),
            longest_wait,
        }
    }

    pub(super) fn set_pace(&mut self, pace: Pace) {
        self.lock().pace = pace;
    }

    /// Waits until a request could leave. Another may still be quicker: [`Self::enter`] decides.
    /// `failing_since` is when this request first found every server failing.
    pub(super) async fn opened(
        &self,
        tokens: u64,
        failing_since: &mut Option<Instant>,
    ) -> Result<(), Closed> {
        let Some(wait) = self.look(tokens)? else {
            return Ok(());
        };
        if matches!(wait, Wait::Failing(_)) {
            failing_since.get_or_insert_with(Instant::now);
        }
        let _turn = self.turnstile.lock().await;
        while let Some(wait) = self.look(tokens)? {
            match wait {
                Wait::Pace(until) | Wait::Parked(until) => sleep_until(until).await,
                Wait::Failing(until) => {
                    let since = *failing_since.get_or_insert_with(Instant::now);
                    let patience = since + self.longest_wait;
                    if Instant::now() >= patience {
                        return Err(Closed::Failing);
                    }
                    let until = until.map_or(patience, |until| until.min(patience));
                    // Either a probe succeeds or its time has come; both mean: look again.
                    let _ = timeout_at(until, self.changed.notified()).await;
                }
            }
        }
        Ok(())
    }

    /// Takes a place on the best server, if one can be taken at this moment. The request must leave
    /// at once. `avoid` is the server on which it failed before.
    pub(super) fn enter(&self, tokens: u64, avoid: Option<usize>) -> Option<Place<'_>> {
        let now = Instant::now();
        let mut state = self.lock();
        if state.pace.ready_at(now, tokens) > now {
            return None;
        }
        let count = state.servers.len();
        let best = (0..count)
            .map(|step| (state.turn + step) % count)
            .filter_map(|server| {
                let health = &state.servers[server];
                let load = health.outstanding + FAILURE_WEIGHT * health.failures as usize;
                match health.ready(now) {
                    // A probe that is due goes first: without one a server would never come back.
                    Ready::Probe => Some(((false, 0), server, true)),
                    Ready::Now => Some(((avoid == Some(server), load), server, false)),
                    Ready::Parked(_) | Ready::Failing(_) => None,
                }
            })
            .min_by_key(|&(load, ..)| load);
        let (_, server, probe) = best?;
        state.turn = (server + 1) % count;
        state.pace.record(now, tokens);
        state.servers[server].begin(probe);
        Some(Place {
            gate: self,
            server,
            probe,
        })
    }

    /// What a request must wait for; `None`: it can leave.
    fn look(&self, tokens: u64) -> Result<Option<Wait>, Closed> {
        let now = Instant::now();
        let mut state = self.lock();
        if let Some(limit) = state.pace.token_limit()
            && tokens > limit
        {
            return Err(Closed::TooManyTokens(limit));
        }
        let (mut parked, mut probe): (Option<Instant>, Option<Instant>) = (None, None);
        let (mut probing, mut lasting) = (false, true);
        for health in &state.servers {
            match health.ready(now) {
                Ready::Now | Ready::Probe => {
                    let ready = state.pace.ready_at(now, tokens);
                    return Ok((ready > now).then_some(Wait::Pace(ready)));
                }
                Ready::Parked(until) => {
                    parked = Some(parked.map_or(until, |earlier| earlier.min(until)));
                }
                Ready::Failing(None) => probing = true,
                Ready::Failing(Some(until)) => {
                    lasting &= health.out_for(now) > self.longest_wait;
                    probe = Some(probe.map_or(until, |earlier| earlier.min(until)));
                }
            }
        }
        match (parked, probe) {
            _ if probing => Ok(Some(Wait::Failing(parked.into_iter().chain(probe).min()))),
            (Some(until), None) if until - now > self.longest_wait => {
                Err(Closed::Parked(until - now))
            }
            (Some(until), None) => Ok(Some(Wait::Parked(until))),
            (None, _) if lasting => Err(Closed::Failing),
            (parked, probe) => Ok(Some(Wait::Failing(parked.into_iter().chain(probe).min()))),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that holds this lock can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request on its way to a server. Dropped without a word, it says nothing about the server.
#[derive(Debug)]
pub(super) struct Place<'a> {
    gate: &'a Gate,
    /// Which server.
    pub(super) server: usize,
    probe: bool,
}

impl Place<'_> {
    /// The server answered, if only to refuse.
    pub(super) fn works(mut self) {
        self.report(Health::works);
    }

    /// An attempt failed with this class, and perhaps a pause that was asked for.
    pub(super) fn failed(mut self, class: ErrorClass, pause: Option<Duration>) {
        let now = Instant::now();
        let probe = self.probe;
        self.report(|health| {
            match class {
                ErrorClass::Network
                | ErrorClass::Timeout
                | ErrorClass::Overloaded
                | ErrorClass::Server => health.failed(now, probe),
                _ => health.works(),
            }
            if let Some(pause) = pause {
                health.park(now + pause);
            }
        });
    }

    fn report(&mut self, tell: impl FnOnce(&mut Health)) {
        tell(&mut self.gate.lock().servers[self.server]);
        if std::mem::take(&mut self.probe) {
            self.gate.changed.notify_one();
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let probe = self.probe;
        let mut state = self.gate.lock();
        let health = &mut state.servers[self.server];
        health.outstanding -= 1;
        if probe {
            health.probe_dropped();
            drop(state);
            self.gate.changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_mins(5);

    fn gate(servers: usize) -> Gate {
        let pace = Pace::new(Duration::from_mins(1), None, None);
        Gate::new(servers, pace, LONGEST)
    }

    fn fail(gate: &Gate, times: usize) {
        for _ in 0..times {
            gate.enter(0, None)
                .unwrap()
                .failed(ErrorClass::Network, None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn requests_wait_for_a_pause_and_not_a_moment_less() {
        let gate = gate(1);
        let pause = Duration::from_millis(34_500);
        let start = Instant::now();
        gate.enter(0, None)
            .unwrap()
            .failed(ErrorClass::RateLimit, Some(pause));
        assert!(gate.enter(0, None).is_none());
        gate.opened(0, &mut None).await.unwrap();
        assert!(start.elapsed() >= pause && start.elapsed() < pause + Duration::from_millis(5));
        assert!(gate.enter(0, None).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_longer_than_wanted_is_said_at_once() {
        let gate = gate(1);
        let pause = Duration::from_secs(1_000_000_000);
        gate.enter(0, None)
            .unwrap()
            .failed(ErrorClass::RateLimit, Some(pause));
        let closed = gate.opened(0, &mut None).await.unwrap_err();
        assert_eq!(closed, Closed::Parked(pause));
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_waited_out_with_few_probes_and_given_up_after_the_longest_wait() {
        let gate = gate(1);
        fail(&gate, 8);
        let start = Instant::now();
        let mut probes = 0;
        while start.elapsed() < Duration::from_mins(1) {
            gate.opened(0, &mut None).await.unwrap();
            fail(&gate, 1);
            probes += 1;
        }
        assert_eq!(probes, 6, "at 1, 3, 7, 15, 31, 63 s");
        let mut since = None;
        loop {
            match gate.opened(0, &mut since).await {
                Ok(()) => fail(&gate, 1),
                Err(closed) => break assert_eq!(closed, Closed::Failing),
            }
        }
        let out = start.elapsed().as_secs();
        assert!((240..=365).contains(&out), "given up after {out} s");
        tokio::time::advance(Duration::from_mins(1)).await;
        gate.opened(0, &mut None).await.unwrap();
        gate.enter(0, None).unwrap().works();
        assert!(gate.enter(0, None).is_some(), "it works again");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_for_a_probe_goes_on_when_it_succeeds_or_is_dropped() {
        let gate = gate(1);
        fail(&gate, 8);
        gate.opened(0, &mut None).await.unwrap();
        let probe = gate.enter(0, None).unwrap();
        assert!(gate.enter(0, None).is_none(), "one probe at a time");
        let mut since = None;
        let waiting = gate.opened(0, &mut since);
        let (opened, ()) = tokio::join!(waiting, async { drop(probe) });
        opened.unwrap();
        let probe = gate.enter(0, None).unwrap();
        let mut since = None;
        let waiting = gate.opened(0, &mut since);
        let (opened, ()) = tokio::join!(waiting, async { probe.works() });
        opened.unwrap();
    }

    #[test]
    fn the_least_busy_server_is_taken_and_the_one_that_failed_avoided() {
        let gate = gate(3);
        let places: Vec<Place<'_>> = (0..6).map(|_| gate.enter(0, None).unwrap()).collect();
        let mut counts = [0; 3];
        for place in &places {
            counts[place.server] += 1;
        }
        assert_eq!(counts, [2, 2, 2]);
        let mut places = places.into_iter();
        let freed = places.next().unwrap();
        let server = freed.server;
        drop(freed);
        assert_ne!(gate.enter(0, Some(server)).unwrap().server, server);
        assert_eq!(gate.enter(0, None).unwrap().server, server);
    }
}
