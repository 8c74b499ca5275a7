//! What a run cost, where it ran, and how to run it again.

use autodidact_core::Usd;
use autodidact_star::ReportData;

use crate::html::{Text, put};
use crate::number::{NONE, count};
use crate::tables::{Table, texts};

/// What each model and judge cost; nothing where nothing was asked over a network.
pub(crate) fn costs(data: &ReportData) -> Option<Table<'static>> {
    let mut sum = Usd::default();
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (model, spent) in &data.spending {
        sum += spent.amount;
        sum += spent.unsettled;
        rows.push(vec![
            model.clone(),
            count(spent.requests),
            spent.amount.to_string(),
            count(spent.unpriced),
            spent.unsettled.to_string(),
        ]);
    }
    if rows.is_empty() {
        return None;
    }
    let budget = data.budget.map_or_else(
        || "no budget".to_owned(),
        |budget| format!("of a budget of {budget}"),
    );
    rows.push(vec![
        "in all".to_owned(),
        String::new(),
        sum.to_string(),
        budget,
        String::new(),
    ]);
    Some(Table {
        caption: "Costs of models and judges behind a network; what was set aside for requests of unknown outcome counts as spent",
        head: texts(&[
            "model",
            "requests",
            "spent",
            "of unknown price",
            "set aside",
        ]),
        rows,
    })
}

/// The program and the machine.
pub(crate) fn environment(data: &ReportData) -> Option<Table<'static>> {
    let here = data.environment.as_ref()?;
    let none = || NONE.to_owned();
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    Some(Table {
        caption: "Where the run was started",
        head: texts(&["", ""]),
        rows: vec![
            row("Autodidact", here.version.clone()),
            row(
                "system",
                format!("{} on {}", here.system, here.architecture),
            ),
            row("processor", here.processor.clone().unwrap_or_else(none)),
            row("cores", here.cores.to_string()),
            row(
                "memory",
                here.memory
                    .map_or_else(none, |bytes| format!("{:.1} GB", bytes as f64 / 1e9)),
            ),
        ],
    })
}

/// The settings, and the command that repeats the run with them.
pub(crate) fn repeat(out: &mut String, data: &ReportData) {
    let run = &data.status.run;
    put(
        out,
        format_args!(
            "<p>Save the settings below as <code>{0}.toml</code> in the directory whose files they name, then:</p>\n\
             <pre><code>autodidact run {0}.toml --name {0}-again</code></pre>\n\
             <p class=\"hint\">The seed of a sample follows from the seed in the settings and from the sample, not from the run's name: the same program on the same model writes the same texts again.</p>\n\
             <details>\n<summary>The settings of this run</summary>\n<pre>{1}</pre>\n</details>\n",
            Text(run),
            Text(data.spec.trim())
        ),
    );
}
