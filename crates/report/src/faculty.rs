//! What teachers gave and what judges are worth, loop by loop.

use autodidact_core::{Attribute, Usd};
use autodidact_star::ReportData;

use crate::number::{NONE, count};
use crate::tables::{Table, texts};

/// Each model's yield, the problems it alone solved, and what a kept rationale of it cost.
pub(crate) fn models(data: &ReportData) -> Option<Table<'static>> {
    let loops = data.status.iterations.iter().zip(&data.details);
    let rows: Vec<Vec<String>> = loops
        .flat_map(|(done, detail)| detail.models.iter().map(move |model| (done.n, model)))
        .map(|(n, model)| {
            let number = |n: Option<u64>| n.map_or_else(|| NONE.to_owned(), count);
            let none: Vec<String> = model
                .unanswered
                .iter()
                .map(|(outcome, times)| format!("{times} {outcome}"))
                .collect();
            vec![
                format!("{} in loop {n}", model.model),
                count(model.answers),
                number(model.right),
                number(model.solved),
                number(model.unique),
                count(model.kept),
                none.join(", "),
                money(model.cost_usd),
                money(model.cost_per_kept_usd),
                model.terms.clone(),
            ]
        })
        .collect();
    (!rows.is_empty()).then(|| Table {
        caption: "Student and teachers: rationales by model; what each had cost by then, and that for each rationale kept in the loop",
        head: texts(&[
            "model",
            "rationales",
            "right",
            "solved",
            "alone",
            "kept",
            "no answer",
            "cost so far",
            "per kept",
            "terms",
        ]),
        rows,
    })
}

/// How well each judge's scores tell right rationales from wrong ones.
pub(crate) fn judges(data: &ReportData) -> Option<Table<'static>> {
    let loops = data.status.iterations.iter().zip(&data.details);
    let rows: Vec<Vec<String>> = loops
        .flat_map(|(done, detail)| detail.judges.iter().map(move |judge| (done.n, judge)))
        .map(|(n, judge)| {
            let area =
                |area: Option<f64>| area.map_or_else(|| NONE.to_owned(), |a| format!("{a:.3}"));
            let overall = judge.overall.as_ref();
            let mut row = vec![
                format!("{} in loop {n}", judge.judge),
                count(judge.answers as u64),
                area(overall.map(|auc| auc.area)),
                overall.map_or_else(
                    || NONE.to_owned(),
                    |auc| format!("{:.3} to {:.3}", auc.low, auc.high),
                ),
            ];
            let of = |a: &Attribute| area(judge.attributes.get(a).map(|auc| auc.area));
            row.extend(Attribute::ALL.iter().map(of));
            row
        })
        .collect();
    let mut head = texts(&["judge", "scored", "overall", "95% interval"]);
    head.extend(Attribute::ALL.map(|a| a.as_str().to_owned()));
    (!rows.is_empty()).then_some(Table {
        caption: "Judges: area under the ROC curve of their scores against gold",
        head,
        rows,
    })
}

fn money(amount: Option<Usd>) -> String {
    amount.map_or_else(|| NONE.to_owned(), |usd| usd.to_string())
}
