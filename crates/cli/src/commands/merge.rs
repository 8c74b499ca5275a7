//! `merge`: a base and its adapter into one GGUF file.

use std::path::Path;

use autodidact_engine::gguf::TensorType;
use autodidact_engine::{Adapter, Model};

use crate::arguments::{MergeArguments, Stored};
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
    let tensor_type = match arguments.store {
        Stored::F32 => TensorType::F32,
        Stored::F16 => TensorType::F16,
        Stored::Q8_0 => TensorType::Q8_0,
    };
    adapter.write_merged(&model, tensor_type, &arguments.out)?;
    printer.path("model", &arguments.out)
}
