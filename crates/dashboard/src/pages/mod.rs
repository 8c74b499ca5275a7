//! One file a page.

pub(crate) mod compare;
pub(crate) mod difficulty;
mod frame;
pub(crate) mod loops;
pub(crate) mod models;
pub(crate) mod problem;
pub(crate) mod problems;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod training;
