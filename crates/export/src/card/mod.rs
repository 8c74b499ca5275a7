//! README.md of an export: front matter for the Hugging Face Hub, and what people should know.

mod data_card;
mod text;
mod weights_card;

pub(crate) use data_card::dataset_card;
pub(crate) use weights_card::model_card;
