//! Small models from scratch: sizes, random weights, and a vocabulary made from the user's own text.
//!
//! Start reading at [`ModelShape::create`].

mod shape;
mod vocabulary;
mod weights;

pub use shape::ModelShape;
pub use vocabulary::Vocabulary;
