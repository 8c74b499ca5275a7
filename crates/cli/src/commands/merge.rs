//! `merge`: a base and its adapter into one GGUF file.

use std::path::Path;

use autodidact_engine::{Adapter, Model};

use super::export::tensor_type;
use crate::arguments::MergeArguments;
use crate::failure::Failure;
use crate::open;
use crate::printer::Printer;
use crate::settings::Settings;

pub(crate) fn execute(
    arguments: &MergeArguments,
    settings: &Settings,
    printer: &Printer,
) -> Result<(), Failure> {
    let fetcher = open::fetcher(settings, arguments.machine.offline);
    let sources = open::sources(&arguments.model);
    let fetched = fetcher.fetch(&sources, None, Path::new(""), &printer.download())?;
    let model = Model::open(&fetched.path)?;
    let adapter = Adapter::open(&arguments.adapter, model.config())?;
    adapter.write_merged(&model, tensor_type(arguments.store), &arguments.out)?;
    printer.path("model", &arguments.out)
}
