//! Training problems that are also evaluated on, or nearly: contamination makes a measurement
//! worthless, so it is looked for before anything is learned.
//!
//! Three searches, each linear in the texts: the whole normalised text, runs of 13 words, and
//! near-duplicates by MinHash. Start reading at [`find_overlaps`].

mod min_hash;
mod normalise;
mod overlaps;
mod runs;
mod search;

pub use overlaps::{Overlap, OverlapKind, OverlapRules};
pub use search::find_overlaps;
