//! One file a verb.

mod ask;
pub(crate) mod bench;
mod check;
mod completions;
mod doctor;
mod evaluate;
mod export;
mod init;
mod judge;
mod merge;
mod pull;
mod report;
mod run;
mod sample;
mod serve;
mod status;
mod tasks;
mod train;
mod ui;
mod verify;
mod verify_file;

use crate::arguments::Command;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::settings::Settings;

/// Does what was asked for.
pub(crate) async fn execute(
    command: Command,
    settings: &Settings,
    printer: &Printer,
) -> Result<(), Failure> {
    match command {
        Command::Run(arguments) => run::execute(&arguments, settings, printer).await,
        Command::Ask(arguments) => ask::execute(&arguments, settings, printer).await,
        Command::Sample(arguments) => sample::execute(&arguments, settings, printer).await,
        Command::Judge(arguments) => judge::execute(&arguments, settings, printer).await,
        Command::Serve(arguments) => serve::execute(&arguments, settings, printer).await,
        Command::Status(arguments) => status::execute(&arguments, settings, printer).await,
        Command::Ui(arguments) => ui::execute(arguments, settings, printer).await,
        Command::Report(arguments) => report::execute(&arguments, settings, printer).await,
        Command::Export(arguments) => export::execute(&arguments, settings, printer).await,
        Command::Check(arguments) => check::execute(&arguments, settings, printer),
        Command::Init(arguments) => init::execute(&arguments, printer),
        Command::Pull(arguments) => pull::execute(&arguments, settings, printer),
        Command::Tasks(command) => tasks::execute(&command, printer),
        Command::Train(arguments) => train::execute(&arguments, settings, printer).await,
        Command::Merge(arguments) => merge::execute(&arguments, settings, printer),
        Command::Evaluate(arguments) => evaluate::execute(&arguments, settings, printer).await,
        Command::Verify(arguments) => verify::execute(&arguments, settings, printer).await,
        Command::Bench(arguments) => bench::execute(&arguments, settings, printer).await,
        // `main` has done that before anything was started.
        Command::SandboxLaunch { .. } => Ok(()),
        Command::Doctor(arguments) => doctor::execute(&arguments, settings, printer),
        Command::Completions(arguments) => {
            completions::completions(&arguments, printer);
            Ok(())
        }
        Command::Man(arguments) => completions::man(&arguments, printer),
    }
}
