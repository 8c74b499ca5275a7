//! Threads that take part in a lane's products while no other lane is at work.
//!
//! Lanes never wait for each other, so a single client, or the last samples of a run, would leave all
//! threads but one idle. A product of one row takes some ten microseconds, less than starting a thread
//! does; so helpers stay awake for a while after a product, looking for the next.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use crate::kernels::{EightBitPanels, EightBitRows, Level, PANEL};

/// Looks for the next product before a helper goes to sleep: a tenth of a millisecond, about.
const LOOKS: usize = 4096;

/// Some panels of a product.
struct Job {
    level: Level,
    tensors: Arc<Vec<EightBitPanels>>,
    rows: Arc<EightBitRows>,
    panels: Range<usize>,
    /// `[panels][rows][32]`.
    tiles: Vec<f32>,
}

struct Helper {
    jobs: Sender<Job>,
    done: Receiver<Vec<f32>>,
    /// The buffer of the last product.
    tiles: Vec<f32>,
    thread: JoinHandle<()>,
}

/// What the lanes of one sampler share.
pub(super) struct Helpers {
    count: usize,
    /// Lanes at work.
    busy: AtomicUsize,
    /// Started when they are first needed.
    started: Mutex<Vec<Helper>>,
}

/// A lane is at work as long as it has this.
pub(super) struct AtWork<'a>(&'a Helpers);

impl fmt::Debug for Helpers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Helpers")
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

impl Helpers {
    /// So many helpers for lanes on threads of their own.
    pub(super) fn new(count: usize) -> Arc<Self> {
        Arc::new(Self {
            count,
            busy: AtomicUsize::new(0),
            started: Mutex::default(),
        })
    }

    /// Says that a lane is at work.
    pub(super) fn at_work(&self) -> AtWork<'_> {
        self.busy.fetch_add(1, Ordering::Relaxed);
        AtWork(self)
    }

    /// `product = rows * tensors^T` on all threads, rows of `product` `stride` apart; false, and
    /// nothing done, if another lane is at work, too. It has the bits of the same on one thread.
    pub(super) fn multiply(
        &self,
        level: Level,
        tensors: &Arc<Vec<EightBitPanels>>,
        rows: &Arc<EightBitRows>,
        product: &mut [f32],
        stride: usize,
    ) -> bool {
        let panels: usize = tensors.iter().map(|t| t.padded_outputs() / PANEL).sum();
        let shares = self.count + 1;
        if self.count == 0 || panels < 2 * shares || self.busy.load(Ordering::Relaxed) != 1 {
            return false;
        }
        let Ok(mut helpers) = self.started.try_lock() else {
            return false;
        };
        while helpers.len() < self.count {
            let Ok(helper) = Helper::start() else {
                return false;
            };
            helpers.push(helper);
        }
        let share = |t: usize| t * panels / shares..(t + 1) * panels / shares;
        for (t, helper) in helpers.iter_mut().enumerate() {
            let job = Job {
                level,
                tensors: tensors.clone(),
                rows: rows.clone(),
                panels: share(t + 1),
                tiles: std::mem::take(&mut helper.tiles),
            };
            // One that has died does not answer either.
            let _ = helper.jobs.send(job);
        }
        let own = |panels: Range<usize>, product: &mut [f32]| {
            for panel in panels {
                let c = &mut product[panel * PANEL..];
                multiply_coded(level, tensors, panel, rows, c, stride);
            }
        };
        own(share(0), product);
        for (t, helper) in helpers.iter_mut().enumerate() {
            let share = share(t + 1);
            let Some(tiles) = next(&helper.done) else {
                own(share, product);
                continue;
            };
            place_tiles(&tiles, rows.count(), share, product, stride);
            helper.tiles = tiles;
        }
        true
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Helpers {
    fn drop(&mut self) {
        let Ok(helpers) = self.started.get_mut() else {
            return;
        };
        for Helper { jobs, thread, .. } in helpers.drain(..) {
            drop(jobs);
            // One that died was done without.
            let _ = thread.join();
        }
    }
}

impl Helper {
    fn start() -> std::io::Result<Self> {
        let (jobs, waiting) = channel::<Job>();
        let (finished, done) = channel();
        let work = move || {
            while let Some(job) = next(&waiting) {
                if finished.send(job.run()).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("autodidact-helper".into());
        Ok(Self {
            jobs,
            done,
            tiles: Vec::new(),
            thread: thread.spawn(work)?,
        })
    }
}

impl Job {
    /// Computes the tiles, and lets go of what the lane will want to change.
    fn run(mut self) -> Vec<f32> {
        let tile = self.rows.count() * PANEL;
        self.tiles.resize(self.panels.len() * tile, 0.0);
        for (panel, c) in self.panels.zip(self.tiles.chunks_exact_mut(tile)) {
            multiply_coded(self.level, &self.tensors, panel, &self.rows, c, PANEL);
        }
        self.tiles
    }
}

/// What comes next; nothing if the other side is gone. Sleeps only after a while.
fn next<T>(channel: &Receiver<T>) -> Option<T> {
    for _ in 0..LOOKS {
        match channel.try_recv() {
            Ok(value) => return Some(value),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) => std::hint::spin_loop(),
        }
    }
    channel.recv().ok()
}

/// Copies panels, `[panels][rows][32]`, to their columns of a product.
pub(super) fn place_tiles(
    tiles: &[f32],
    rows: usize,
    panels: Range<usize>,
    product: &mut [f32],
    stride: usize,
) {
    for (panel, tile) in panels.zip(tiles.chunks_exact(rows * PANEL)) {
        for (r, values) in tile.chunks_exact(PANEL).enumerate() {
            let at = r * stride + panel * PANEL;
            product[at..at + PANEL].copy_from_slice(values);
        }
    }
}

/// One panel of tensors below each other; `c` starts at its columns.
pub(super) fn multiply_coded(
    level: Level,
    tensors: &[EightBitPanels],
    panel: usize,
    rows: &EightBitRows,
    c: &mut [f32],
    c_stride: usize,
) {
    let mut panel = panel;
    for tensor in tensors {
        let panels = tensor.padded_outputs() / PANEL;
        if panel < panels {
            return tensor.multiply_one(level, panel, rows, c, c_stride);
        }
        panel -= panels;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Rows;

    fn wave(count: usize, frequency: f32) -> Vec<f32> {
        (0..count).map(|i| (i as f32 * frequency).sin()).collect()
    }

    struct Product {
        tensors: Arc<Vec<EightBitPanels>>,
        rows: Arc<EightBitRows>,
        stride: usize,
        alone: Vec<f32>,
    }

    /// Two tensors of 96 and 160 outputs.
    fn product(count: usize) -> Product {
        let inner = 64;
        let tensors = [(96, 0.71), (160, 0.37)]
            .map(|(outputs, f)| EightBitPanels::round(&wave(outputs * inner, f), inner));
        let mut rows = EightBitRows::default();
        let data = wave(count * inner, 0.13);
        let left = Rows {
            data: &data,
            rows: count,
            stride: inner,
        };
        rows.round(left, inner);
        let stride = 256 + 16;
        let mut alone = vec![0.0; count * stride];
        for panel in 0..8 {
            let c = &mut alone[panel * PANEL..];
            multiply_coded(Level::detect(), &tensors, panel, &rows, c, stride);
        }
        Product {
            tensors: Arc::new(tensors.into()),
            rows: Arc::new(rows),
            stride,
            alone,
        }
    }

    impl Product {
        fn with(&self, helpers: &Helpers) -> Option<Vec<f32>> {
            let mut out = vec![0.0; self.alone.len()];
            let (tensors, rows) = (&self.tensors, &self.rows);
            let helped = helpers.multiply(Level::detect(), tensors, rows, &mut out, self.stride);
            helped.then_some(out)
        }
    }

    #[test]
    fn help_changes_no_bit() {
        for count in [1, 2, 3] {
            let helpers = Helpers::new(count);
            let _working = helpers.at_work();
            // More and fewer rows than before, with the buffers of before.
            for rows in [1, 7, 2] {
                let product = product(rows);
                let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                let helped = product.with(&helpers).unwrap();
                assert_eq!(bits(&helped), bits(&product.alone), "{count} helpers");
                // The lane can change its rows again.
                assert_eq!(Arc::strong_count(&product.rows), 1);
            }
        }
    }

    #[test]
    fn nobody_helps_while_another_lane_is_at_work_or_with_next_to_nothing() {
        let (helpers, product) = (Helpers::new(1), product(1));
        let working = helpers.at_work();
        let other = helpers.at_work();
        assert!(product.with(&helpers).is_none());
        drop(other);
        assert!(product.with(&helpers).is_some());
        drop(working);
        let many = Helpers::new(4);
        let _working = many.at_work();
        assert!(product.with(&many).is_none(), "8 panels for 5 threads");
    }
}
