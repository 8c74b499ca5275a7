//! `ui`: runs in a browser.

use autodidact_dashboard::{Dashboard, DashboardError, Options};

use crate::failure::Failure;
use crate::interrupt;
use crate::printer::Printer;
use crate::service_arguments::UiArguments;
use crate::settings::Settings;

pub(crate) async fn execute(
    arguments: UiArguments,
    settings: &Settings,
    printer: &Printer,
) -> Result<(), Failure> {
    let dashboard = Dashboard::open(Options {
        runs: arguments.runs.unwrap_or_else(|| settings.runs.clone()),
        host: arguments.host,
        port: arguments.port,
        names: arguments.name,
        token: arguments.token,
    })
    .await?;
    printer.dashboard(&dashboard.url())?;
    dashboard.serve(interrupt::asked()).await;
    Ok(())
}

impl From<DashboardError> for Failure {
    fn from(error: DashboardError) -> Self {
        Self::Usage(error.to_string())
    }
}
