//! Where in a text the final answer stands, found in two independent ways.
//!
//! Start reading at `statement.rs`, the first way: answer marks in the order of the text, the last one
//! counts. `backward.rs` is the second: from the end of the text, line by line, the strongest kind of
//! mark counts. Both read what `visible.rs` leaves: no reasoning blocks, no echo of the prompt, and
//! nothing after a question that the model asked itself.

mod backward;
mod boxes;
mod marks;
mod pieces;
mod span;
mod statement;
mod tags;
mod visible;
mod words;

pub(crate) use backward::{Backward, backward};
pub(crate) use span::{answer_span, is_worded, last_span, without_nouns};
pub(crate) use statement::{Place, Statement, find, find_in, first_line, last_line};
pub(crate) use visible::{Visible, visible};
