//! The four time limits of one attempt.

use std::time::Duration;

use autodidact_core::Limits;
use tokio::time::{Instant, timeout_at};

/// A limit that is no number, or longer, is three years: never reached, and still a point in time.
const NEVER: f64 = 1e8;

/// Limits as durations. The fourth, to connect, is kept by the connection pool.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) connect: Duration,
    first_byte: Duration,
    idle: Duration,
    total: Duration,
    pub(super) longest_wait: Duration,
}

/// When one attempt must have got how far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadlines {
    times: Times,
    first: Instant,
    last: Instant,
    begun: bool,
}

impl Times {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            connect: seconds(limits.connect_seconds),
            first_byte: seconds(limits.first_byte_seconds),
            idle: seconds(limits.idle_seconds),
            total: seconds(limits.total_seconds),
            longest_wait: seconds(limits.longest_wait_seconds),
        }
    }

    /// Deadlines of an attempt that begins now.
    pub(super) fn start(self) -> Deadlines {
        let now = Instant::now();
        Deadlines {
            times: self,
            first: now + self.first_byte,
            last: now + self.total,
            begun: false,
        }
    }
}

impl Deadlines {
    /// Waits for the next piece. Until [`Self::begin`] was called it may take as long as the first
    /// byte, afterwards as long as the pause between two pieces. The error says which limit passed.
    pub(super) async fn piece<T>(&self, piece: impl Future<Output = T>) -> Result<T, String> {
        let until = if self.begun {
            Instant::now() + self.times.idle
        } else {
            self.first
        };
        timeout_at(until.min(self.last), piece).await.map_err(|_| {
            let (name, limit) = if until >= self.last {
                ("total", self.times.total)
            } else if self.begun {
                ("idle", self.times.idle)
            } else {
                ("first_byte", self.times.first_byte)
            };
            let seconds = limit.as_secs_f64();
            format!("the answer took longer than `limits.{name}_seconds` = {seconds}")
        })
    }

    /// The first byte of the body is there.
    pub(super) const fn begin(&mut self) {
        self.begun = true;
    }
}

/// Seconds of a file as a duration.
fn seconds(seconds: f64) -> Duration {
    if seconds > 0.0 {
        Duration::from_secs_f64(seconds.min(NEVER))
    } else if seconds.is_nan() {
        Duration::from_secs_f64(NEVER)
    } else {
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_limit_is_kept_and_named() {
        let limits = Limits {
            first_byte_seconds: 3.0,
            idle_seconds: 1.0,
            total_seconds: 3.5,
            ..Limits::default()
        };
        let deadlines = Times::new(&limits).start();
        let start = Instant::now();
        let never = std::future::pending::<()>;
        let error = deadlines.piece(never()).await.unwrap_err();
        assert!(error.contains("first_byte_seconds` = 3"), "{error}");
        assert_eq!(start.elapsed().as_secs(), 3);
        let mut deadlines = Times::new(&limits).start();
        deadlines.begin();
        let error = deadlines.piece(never()).await.unwrap_err();
        assert!(error.contains("idle_seconds` = 1"), "{error}");
        tokio::time::advance(Duration::from_secs(2)).await;
        let error = deadlines.piece(never()).await.unwrap_err();
        assert!(error.contains("total_seconds` = 3.5"), "{error}");
    }

    #[test]
    fn no_number_is_too_strange() {
        for strange in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.0, 1e300] {
            let limits = Limits {
                first_byte_seconds: strange,
                total_seconds: strange,
                idle_seconds: strange,
                connect_seconds: strange,
                ..Limits::default()
            };
            let times = Times::new(&limits);
            assert!(times.total <= Duration::from_secs_f64(NEVER));
        }
    }
}
