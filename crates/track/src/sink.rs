//! The seam: whatever takes points.

use std::collections::HashMap;
use std::time::SystemTime;

use crate::{Point, TrackError};

/// How a run, or an attempt at it, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It is done.
    Finished,
    /// It was interrupted and can go on.
    Parked,
    /// It failed.
    Failed,
}

/// The last step of every series that a sink has already.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recorded(HashMap<String, u64>);

impl Recorded {
    /// Takes note of a point, and says whether it is new: series only grow.
    pub fn is_new(&mut self, series: &str, step: u64) -> bool {
        match self.0.get_mut(series) {
            Some(last) if *last >= step => false,
            Some(last) => {
                *last = step;
                true
            }
            None => {
                self.0.insert(series.to_owned(), step);
                true
            }
        }
    }

    /// The last step of a series.
    pub fn last(&self, series: &str) -> Option<u64> {
        self.0.get(series).copied()
    }
}

/// Something that takes points.
pub trait Sink: Send {
    /// The name in messages, as in the spec.
    fn name(&self) -> &'static str;

    /// Opens it and says what it has from earlier attempts.
    ///
    /// # Errors
    /// [`TrackError`]; it is then given up.
    fn open(&mut self) -> Result<Recorded, TrackError>;

    /// Takes points that are new, and has them when it returns.
    ///
    /// # Errors
    /// [`TrackError`]; some of the points may then be missing.
    fn write(&mut self, points: &[Point], at: SystemTime) -> Result<(), TrackError>;

    /// Nothing follows.
    ///
    /// # Errors
    /// [`TrackError`].
    fn close(&mut self, _ending: Ending) -> Result<(), TrackError> {
        Ok(())
    }
}

/// Seconds since 1970.
pub(crate) fn seconds(at: SystemTime) -> f64 {
    at.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}
