//! `pull`: fetch a model file.

use std::path::Path;

use crate::arguments::{Machine, Overrides, PullArguments};
use crate::failure::Failure;
use crate::open;
use crate::printer::Printer;
use crate::settings::Settings;

pub(crate) fn execute(
    arguments: &PullArguments,
    settings: &Settings,
    printer: &Printer,
) -> Result<(), Failure> {
    let fetched = match arguments.sources.as_slice() {
        [file]
            if Path::new(file)
                .extension()
                .is_some_and(|e| e.eq_ignore_ascii_case("toml")) =>
        {
            let machine = Machine {
                threads: None,
                offline: false,
            };
            open::spec(Path::new(file), &Overrides::default())?
                .fetch(settings, &machine, printer)?
        }
        sources => {
            let progress = printer.download();
            let fetcher = open::fetcher(settings, false);
            let sources = open::sources(sources);
            fetcher.fetch(
                &sources,
                arguments.sha256.as_deref(),
                Path::new(""),
                &progress,
            )?
        }
    };
    printer.fetched(&fetched)
}
