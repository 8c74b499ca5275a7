//! Shards computed by several threads, their gradients added in the order of the shards.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::EngineError;
use crate::kernels::add_assign;

/// A gradient that grows shard by shard. One that is ready before its turn waits, so the sum has
/// the same bits whichever thread is faster.
struct OrderedSum<'a> {
    total: &'a mut [f32],
    loss: f64,
    next: usize,
    waiting: BTreeMap<usize, (f64, Vec<f32>)>,
    spare: &'a mut Vec<Vec<f32>>,
}

impl OrderedSum<'_> {
    fn add(&mut self, shard: usize, loss: f64, gradient: Vec<f32>) {
        self.waiting.insert(shard, (loss, gradient));
        while let Some((loss, gradient)) = self.waiting.remove(&self.next) {
            self.loss += loss;
            add_assign(self.total, &gradient);
            self.spare.push(gradient);
            self.next += 1;
        }
    }
}

/// Computes `count` shards, each by whichever of the workers is free; `compute` writes the
/// gradient of a shard and returns its loss. `total` becomes the sum of the gradients; returned is
/// that of the losses. `spare` keeps buffers between calls.
pub(super) fn sum_of_shards<W: Send>(
    count: usize,
    workers: &mut [W],
    total: &mut [f32],
    spare: &mut Vec<Vec<f32>>,
    compute: impl Fn(usize, &mut W, &mut [f32]) -> Result<f64, EngineError> + Sync,
) -> Result<f64, EngineError> {
    total.fill(0.0);
    let parameters = total.len();
    let sum = Mutex::new(OrderedSum {
        total,
        loss: 0.0,
        next: 0,
        waiting: BTreeMap::new(),
        spare,
    });
    let turn = AtomicUsize::new(0);
    let work = |worker: &mut W| loop {
        let shard = turn.fetch_add(1, Ordering::Relaxed);
        if shard >= count {
            return Ok(());
        }
        let lock = || sum.lock().map_err(|_| EngineError::Worker);
        let spare = lock()?.spare.pop();
        let mut gradient = spare.unwrap_or_else(|| vec![0.0; parameters]);
        let loss = compute(shard, worker, &mut gradient)?;
        lock()?.add(shard, loss, gradient);
    };
    let work = &work;
    std::thread::scope(|scope| {
        let threads: Vec<_> = workers
            .iter_mut()
            .take(count)
            .map(|worker| scope.spawn(move || work(worker)))
            .collect();
        let mut outcomes = threads
            .into_iter()
            .map(|t| t.join().map_err(|_| EngineError::Worker).flatten());
        outcomes.try_for_each(|outcome: Result<(), EngineError>| outcome)
    })?;
    let sum = sum.into_inner().map_err(|_| EngineError::Worker)?;
    Ok(sum.loss)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_has_the_same_bits_whoever_is_faster() {
        let gradient = |shard: usize| (shard as f32 * 0.7).sin() * 10f32.powi(shard as i32 % 5);
        let run = |threads: usize| {
            let (mut total, mut spare) = (vec![9.0; 3], Vec::new());
            let mut workers = vec![(); threads];
            let loss = sum_of_shards(
                17,
                &mut workers,
                &mut total,
                &mut spare,
                |shard, (), out| {
                    // The first shards take longest, so others wait for them.
                    std::thread::sleep(std::time::Duration::from_millis(17 - shard as u64));
                    out.fill(gradient(shard));
                    Ok(f64::from(gradient(shard)))
                },
            );
            (loss.unwrap().to_bits(), total)
        };
        let expected = run(1);
        assert!([2, 3, 5].iter().all(|threads| run(*threads) == expected));
    }
}
