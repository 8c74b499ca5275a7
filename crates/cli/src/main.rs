//! The `autodidact` command: language models that teach themselves to reason.
//!
//! Start reading at `arguments.rs` (what can be asked for) and `commands/` (one file a verb).
//! `settings.rs` alone reads the environment, and `printer.rs` alone prints.

mod answer_tables;
mod arguments;
mod bench_tables;
mod checkers;
mod commands;
mod ensemble_arguments;
mod export_tables;
mod failure;
mod flag_tables;
mod fleet;
mod interrupt;
mod journals;
mod members;
mod open;
mod overlap_tables;
mod printer;
mod service_arguments;
mod settings;
mod spec_changes;
mod tables;
mod tracking;
mod training_lines;
mod watcher;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::{Arguments, Command};
use crate::failure::Failure;
use crate::printer::Printer;
use crate::settings::Settings;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Before any thread is started: the layers of the sandbox hold for the thread that asks for them.
    if let Command::SandboxLaunch { order } = &arguments.command {
        return autodidact_sandbox::launch(order);
    }
    let settings = Settings::from_environment();
    settings.start_logging();
    let printer = Printer::new(arguments.output);
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(Failure::Runtime)
        .and_then(|runtime| {
            runtime.block_on(commands::execute(arguments.command, &settings, &printer))
        });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            printer.failure(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}
