//! How long to wait after a failure when nobody said how long.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);

/// Half a second after the first attempt, doubling to 30 s, times a random factor of 0.75 to 1 so
/// that requests which failed together do not come back together. Each attempt is counted from 1.
pub(super) fn backoff(attempt: u32) -> Duration {
    let doublings = attempt.saturating_sub(1).min(6);
    let wait = (FIRST * 2_u32.pow(doublings)).min(LONGEST);
    wait.mul_f64(0.75 + 0.25 * fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_half_a_minute_and_differ() {
        for (attempt, most) in [(1, 0.5), (2, 1.0), (3, 2.0), (7, 30.0), (u32::MAX, 30.0)] {
            let waits: Vec<f64> = (0..50).map(|_| backoff(attempt).as_secs_f64()).collect();
            assert!(
                waits.iter().all(|wait| (0.75 * most..=most).contains(wait)),
                "attempt {attempt}: {waits:?}"
            );
            assert!(waits.iter().any(|wait| (wait - waits[0]).abs() > 1e-6));
        }
    }
}
