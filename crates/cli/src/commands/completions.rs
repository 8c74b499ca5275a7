//! `completions` and `man`: what shells and `man` know about this command, from its own arguments.

use clap::CommandFactory;

use crate::arguments::Arguments;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::service_arguments::{CompletionsArguments, ManArguments};

pub(crate) fn completions(arguments: &CompletionsArguments, printer: &Printer) {
    let mut script = Vec::new();
    let mut command = Arguments::command();
    clap_complete::generate(arguments.shell, &mut command, "autodidact", &mut script);
    printer.script(&String::from_utf8_lossy(&script));
}

pub(crate) fn man(arguments: &ManArguments, printer: &Printer) -> Result<(), Failure> {
    let directory = &arguments.directory;
    let failed = |source| Failure::Write {
        path: directory.clone(),
        source,
    };
    std::fs::create_dir_all(directory).map_err(failed)?;
    clap_mangen::generate_to(Arguments::command(), directory).map_err(failed)?;
    printer.path("man pages", directory)
}
