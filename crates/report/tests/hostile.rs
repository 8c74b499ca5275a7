//! Whatever a run contains, the page stays a page.

mod common;

use autodidact_core::Answer;
use autodidact_report::{render, verdict};
use autodidact_star::ReportData;
use proptest::prelude::*;

use common::sample;

/// Texts of what HTML reads. No letters, so that "NaN" can only come from a number.
fn text() -> impl Strategy<Value = String> {
    "[<>&\"'/=! \u{0}\u{1b}\u{202e}é\n-]{0,24}"
}

/// Every text of a run, replaced by the next of `texts`.
fn with_texts(mut data: ReportData, texts: &[String]) -> ReportData {
    let mut texts = texts.iter().cycle().cloned();
    let mut next = || texts.next().unwrap_or_default();
    data.status.run = next();
    data.spec = next();
    data.baseline = Some(next());
    for measured in data.baselines.iter_mut().chain(&mut data.controls) {
        measured.name = next();
    }
    for curve in &mut data.losses {
        curve.name = next();
    }
    for detail in &mut data.details {
        detail.refused.insert(next(), 1);
        detail.flags.rationales.flags.insert(next(), 1);
    }
    for overlap in &mut data.overlaps {
        overlap.train.0 = next();
        overlap.evaluate.0 = next();
        overlap.shared = next();
    }
    for levels in &mut data.levels {
        levels.name = next();
        for value in &mut levels.values {
            *value = next();
        }
        for row in &mut levels.rows {
            row.0 = next();
        }
    }
    if let Some(environment) = &mut data.environment {
        environment.processor = Some(next());
        environment.system = next();
    }
    data.spending = std::mem::take(&mut data.spending)
        .into_values()
        .map(|spent| (next(), spent))
        .collect();
    for example in &mut data.examples {
        example.problem.id.0 = next();
        example.problem.question = next();
        example.problem.gold = Some(Answer(next()));
        for choice in &mut example.problem.choices {
            choice.label = next();
            choice.text = next();
        }
        for answer in [&mut example.before, &mut example.after] {
            // Not empty: an empty answer has another tag.
            answer.text = format!("1{}", next());
            answer.false_step = Some(next());
        }
    }
    data
}

/// Every number of a run's measurements, replaced by the next of `numbers` and `counts`.
fn with_numbers(mut data: ReportData, numbers: &[f64], counts: &[u32]) -> ReportData {
    let mut numbers = numbers.iter().cycle().copied();
    let mut number = || numbers.next().unwrap_or_default();
    let mut counts = counts.iter().cycle().copied();
    let mut count = || counts.next().unwrap_or_default();
    if let Some(base) = &mut data.status.base {
        (base.right, base.total) = (count(), count());
    }
    for measured in data.baselines.iter_mut().chain(&mut data.controls) {
        (measured.right, measured.total) = (count(), count());
    }
    for result in &mut data.status.iterations {
        result.evaluation.p_value = number();
        (result.evaluation.right, result.evaluation.total) = (count(), count());
        (result.train.right, result.train.rationalized) = (count(), count());
        result.train.total = count();
        result.seconds.sample = number();
        result.seconds.evaluate = number();
    }
    for detail in &mut data.details {
        detail.final_loss = number();
        (detail.rationales_lucky, detail.rationales_right) = (count(), count());
    }
    for sampled in &mut data.sampled {
        for (k, share) in &mut sampled.pass_at {
            (*k, *share) = (count(), number());
        }
    }
    for levels in &mut data.levels {
        for cell in levels.rows.iter_mut().flat_map(|row| &mut row.1) {
            *cell = Some((count().into(), count().into()));
        }
    }
    for rewards in data.details.iter_mut().filter_map(|d| d.rewards.as_mut()) {
        (rewards.low, rewards.high) = (number(), number());
        for bar in rewards.right.iter_mut().chain(&mut rewards.wrong) {
            *bar = count();
        }
    }
    if let Some(paired) = &mut data.paired {
        (paired.gained, paired.lost, paired.total) = (count(), count(), count());
    }
    for curve in &mut data.losses {
        for loss in &mut curve.losses {
            *loss = number() as f32;
        }
    }
    data
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn texts_never_become_markup(
        loops in 0_u32..3,
        texts in proptest::collection::vec(text(), 1..12),
    ) {
        let page = render(&with_texts(sample(loops), &texts));
        // The same run with letters of no meaning instead, one for one, so that nothing else
        // differs: its markup is that of the template.
        let harmless = texts.iter().map(|t| {
            t.replace('<', "\u{e000}")
                .replace('>', "\u{e001}")
                .replace('&', "\u{e002}")
                .replace('"', "\u{e003}")
                .replace('\'', "\u{e004}")
        });
        let expected = render(&with_texts(sample(loops), &harmless.collect::<Vec<_>>()));
        for c in ['<', '>', '"', '\''] {
            prop_assert_eq!(page.matches(c).count(), expected.matches(c).count(), "{}", c);
        }
        let controls = ['\0', '\u{1b}', '\u{202e}'];
        prop_assert!(!page.contains(controls));
    }

    #[test]
    fn numbers_are_always_readable(
        loops in 0_u32..4,
        numbers in proptest::collection::vec(any::<f64>(), 1..20),
        counts in proptest::collection::vec(prop_oneof![0_u32..300, any::<u32>()], 1..20),
    ) {
        let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0];
        let numbers: Vec<f64> = numbers.into_iter().chain(odd).collect();
        let data = with_numbers(sample(loops), &numbers, &counts);
        for text in [render(&data), verdict(&data)] {
            prop_assert!(!text.contains("NaN") && !text.contains("inf"), "{}", text);
        }
    }
}
