//! How fast this machine can multiply and add at all: the yardstick of every other figure.

use std::hint::black_box;
use std::sync::Barrier;
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use super::Level;
use crate::EngineError;

/// Independent sums: more than the latency of a fused multiply-add times what a core starts in each
/// cycle (4 x 2 on current cores), few enough for sixteen vector registers.
const SUMS: usize = 12;
/// Rounds between two looks at the clock: some ten microseconds.
const ROUNDS: usize = 2048;

/// Floating-point operations a second of `threads` threads together, each doing nothing but fused
/// multiply-adds (two operations each) in its registers for the length of `time`, with the vectors
/// of [`super::instruction_set`]. No matrix product can be faster.
pub fn fused_multiply_add_rate(threads: usize, time: Duration) -> Result<f64, EngineError> {
    let level = Level::detect();
    let barrier = Barrier::new(threads.max(1));
    let work = || {
        barrier.wait();
        let started = Instant::now();
        let mut operations = 0;
        loop {
            operations += rounds(level);
            let elapsed = started.elapsed();
            if elapsed >= time {
                return operations as f64 / elapsed.as_secs_f64();
            }
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        let rates = threads.into_iter().map(ScopedJoinHandle::join);
        rates
            .sum::<Result<f64, _>>()
            .map_err(|_| EngineError::Worker)
    })
}

/// Runs [`ROUNDS`] rounds; returns how many operations they were.
fn rounds(level: Level) -> u64 {
    let width = match level {
        // SAFETY: the level was detected, so the processor has its instructions.
        #[cfg(target_arch = "x86_64")]
        #[expect(unsafe_code, reason = "call of a function with target features")]
        Level::Avx512 => unsafe { x86::avx512() },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        #[expect(unsafe_code, reason = "call of a function with target features")]
        Level::Avx2 => unsafe { x86::avx2() },
        _ => scalar(),
    };
    (2 * width * SUMS * ROUNDS) as u64
}

/// What runs where there is no SIMD kernel: vectors of four, as far as the compiler makes them.
fn scalar() -> usize {
    const WIDTH: usize = 4;
    let (factor, term) = (black_box(0.5f32), black_box(1.0f32));
    let mut sums = [[0.0f32; WIDTH]; SUMS];
    for _ in 0..ROUNDS {
        for sum in sums.iter_mut().flatten() {
            *sum = sum.mul_add(factor, term);
        }
    }
    black_box(sums);
    WIDTH
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        _mm256_fmadd_ps, _mm256_set1_ps, _mm256_setzero_ps, _mm512_fmadd_ps, _mm512_set1_ps,
        _mm512_setzero_ps,
    };
    use std::hint::black_box;

    use super::{ROUNDS, SUMS};

    /// Returns the lanes of a vector.
    #[target_feature(enable = "avx512f")]
    pub(super) fn avx512() -> usize {
        let factor = _mm512_set1_ps(black_box(0.5));
        let term = _mm512_set1_ps(black_box(1.0));
        let mut sums = [_mm512_setzero_ps(); SUMS];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(*sum, factor, term);
            }
        }
        black_box(sums);
        16
    }

    /// Returns the lanes of a vector.
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn avx2() -> usize {
        let factor = _mm256_set1_ps(black_box(0.5));
        let term = _mm256_set1_ps(black_box(1.0));
        let mut sums = [_mm256_setzero_ps(); SUMS];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = _mm256_fmadd_ps(*sum, factor, term);
            }
        }
        black_box(sums);
        8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_some_computer() {
        let rate = fused_multiply_add_rate(2, Duration::from_millis(20)).unwrap();
        assert!((1e7..1e15).contains(&rate), "{rate}");
    }
}
