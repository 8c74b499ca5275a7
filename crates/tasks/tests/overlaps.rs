//! The search for training problems that are also evaluated on: what is planted is found, what is
//! not there is not, and templates survive.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use autodidact_core::{Decontaminate, DropOrKeep, Problem, ProblemId, Split, TaskSpec};
use autodidact_tasks::{OverlapKind, OverlapRules, find_overlaps, load, write_jsonl};
use proptest::prelude::*;

const RULES: OverlapRules = OverlapRules {
    decontaminate: Decontaminate::Drop,
    near_duplicates: DropOrKeep::Drop,
    other_numbers: DropOrKeep::Keep,
};

fn problem(id: &str, question: &str, split: Split) -> Problem {
    Problem {
        id: ProblemId(id.to_owned()),
        question: question.to_owned(),
        gold: None,
        choices: Vec::new(),
        solution: None,
        split,
        meta: BTreeMap::new(),
    }
}

fn train(question: &str) -> Vec<Problem> {
    vec![problem("t", question, Split::Train)]
}

fn held(question: &str) -> Vec<Problem> {
    vec![problem("e", question, Split::Evaluate)]
}

/// Kind, other numbers, dropped.
fn found(a: &str, b: &str) -> Option<(&'static str, bool, bool)> {
    let found = find_overlaps(&train(a), &held(b), &RULES);
    let overlap = found.first()?;
    Some((
        overlap.kind.as_str(),
        overlap.other_numbers,
        overlap.dropped,
    ))
}

const EGGS: &str = "Janet's ducks lay 16 eggs per day. She eats three for breakfast every morning and \
    bakes muffins for her friends every day with four. She sells the remainder at the farmers' market \
    daily for $2 per fresh duck egg. How much in dollars does she make every day?";

#[test]
fn the_same_text_in_another_dress_is_the_same_text() {
    let dressed = EGGS.to_uppercase().replace(". ", " …\n").replace('\'', "’");
    assert_eq!(found(&dressed, EGGS), Some(("same-text", false, true)));
    assert_eq!(found("What is 3 + 4?", "What is 3 * 4?"), None);
    assert_eq!(
        found("What is 1,200?", "what is 1200"),
        Some(("same-text", false, true))
    );
}

#[test]
fn a_copied_sentence_is_a_shared_run() {
    let copied = "A farm story. She sells the remainder at the farmers' market daily for $2 per fresh \
        duck egg. What is sold?";
    let found = find_overlaps(&train(copied), &held(EGGS), &RULES);
    assert_eq!(found[0].kind, OverlapKind::SharedRun { words: 15 });
    assert_eq!(
        found[0].shared,
        "she sells the remainder at the farmers market daily for 2 per fresh duck egg"
    );
    assert!(found[0].dropped);
}

#[test]
fn a_changed_word_is_a_near_duplicate_and_a_changed_number_another_problem() {
    // Every twelfth word at most stays in a row, so that no run of 13 is shared.
    let words: Vec<String> = (0..60).map(|i| format!("w{i}")).collect();
    let mut changed = words.clone();
    changed[30] = "other".to_owned();
    let (a, b) = (words.join(" "), changed.join(" "));
    assert_eq!(found(&b, &a).unwrap().0, "shared-run", "29 words in a row");
    let short = "Tom buys pens and shares them with Ann and Bo today";
    let longer = format!("{short} please");
    assert_eq!(found(&longer, short), Some(("near-duplicate", false, true)));
    let other = EGGS.replace("16", "21").replace("$2", "$3");
    let (kind, other_numbers, dropped) = found(&other, EGGS).unwrap();
    assert_eq!((kind, other_numbers, dropped), ("shared-run", true, false));
    let strict = OverlapRules {
        other_numbers: DropOrKeep::Drop,
        ..RULES
    };
    assert!(find_overlaps(&train(&other), &held(EGGS), &strict)[0].dropped);
    let keeping = OverlapRules {
        near_duplicates: DropOrKeep::Keep,
        ..RULES
    };
    assert!(!find_overlaps(&train(&longer), &held(short), &keeping)[0].dropped);
}

/// Random words, told apart from each other by their numbers.
fn text(words: &[u16]) -> String {
    let mut text = String::new();
    for word in words {
        // Letters only, so that these are no numbers.
        let letters: String = word
            .to_string()
            .bytes()
            .map(|digit| char::from(digit - b'0' + b'a'))
            .collect();
        write!(text, "{letters} ").unwrap();
    }
    text
}

proptest! {
    #[test]
    fn a_planted_run_is_found_wherever_it_stands(
        held_words in prop::collection::vec(0_u16..60_000, 13..80),
        before in prop::collection::vec(60_000_u16.., 0..40),
        after in prop::collection::vec(60_000_u16.., 0..40),
        at in any::<prop::sample::Index>(),
    ) {
        let start = at.index(held_words.len() - 12);
        let planted = &held_words[start..start + 13];
        let question = [&before, planted, &after].concat();
        let (train, held) = (train(&text(&question)), held(&text(&held_words)));
        let found = find_overlaps(&train, &held, &RULES);
        prop_assert_eq!(found.len(), 1);
        prop_assert!(found[0].dropped);
        if before.len() + after.len() > 10 || held_words.len() > 20 {
            let shares_run = matches!(found[0].kind, OverlapKind::SharedRun { words } if words >= 13);
            prop_assert!(shares_run, "{:?}", found[0]);
        }
    }

    #[test]
    fn twelve_words_in_a_row_are_not_enough(
        held_words in prop::collection::vec(0_u16..60_000, 60..80),
        before in prop::collection::vec(60_000_u16.., 20..40),
        start in 0_usize..40,
    ) {
        let question = [&before, &held_words[start..start + 12]].concat();
        prop_assert_eq!(find_overlaps(&train(&text(&question)), &held(&text(&held_words)), &RULES), []);
    }

    #[test]
    fn random_texts_do_not_overlap(
        ours in prop::collection::vec(prop::collection::vec(0_u16.., 6..60), 1..20),
        theirs in prop::collection::vec(prop::collection::vec(0_u16.., 6..60), 1..20),
    ) {
        let problems = |texts: &[Vec<u16>], split| -> Vec<Problem> {
            texts.iter().enumerate().map(|(i, t)| problem(&i.to_string(), &text(t), split)).collect()
        };
        let found = find_overlaps(&problems(&ours, Split::Train), &problems(&theirs, Split::Evaluate), &RULES);
        prop_assert_eq!(found, []);
    }

    #[test]
    fn any_text_overlaps_with_itself_and_nothing_panics(question in "\\PC{0,200}", other in "\\PC{0,200}") {
        let found = find_overlaps(&train(&question), &held(&question), &RULES);
        prop_assert!(found.is_empty() || found[0].kind == OverlapKind::SameText);
        find_overlaps(&train(&question), &held(&other), &RULES);
        find_overlaps(&[], &held(&other), &RULES);
        find_overlaps(&train(&question), &[], &RULES);
    }
}

#[test]
fn what_is_found_does_not_depend_on_the_number_of_threads() {
    let questions = |shift: usize, split| -> Vec<Problem> {
        (0..3000)
            .map(|i| {
                let n = i + shift;
                problem(
                    &i.to_string(),
                    &format!("Question about thing{n} and thing{}?", n * 7),
                    split,
                )
            })
            .collect()
    };
    let (train, held) = (questions(0, Split::Train), questions(2500, Split::Evaluate));
    let found = find_overlaps(&train, &held, &RULES);
    let ids: Vec<&str> = found.iter().map(|o| o.train.0.as_str()).collect();
    let expected: Vec<String> = (2500..3000).map(|i| i.to_string()).collect();
    assert_eq!(ids, expected);
    let parts = train
        .chunks(400)
        .flat_map(|part| find_overlaps(part, &held, &RULES));
    assert_eq!(parts.collect::<Vec<_>>(), found);
}

/// Generated problems written to files lose nothing that matters: they are from templates, and
/// differ in their numbers.
#[test]
fn problems_from_templates_are_kept() {
    for name in autodidact_tasks::builtin_names()
        .iter()
        .map(|(name, _)| *name)
    {
        let spec = TaskSpec {
            builtin: Some(name.to_owned()),
            train_problems: Some(400),
            evaluate_problems: Some(300),
            ..TaskSpec::default()
        };
        let task = load(&spec, None, 0, 1).unwrap();
        assert!(
            task.overlaps.is_empty() && task.dropped_overlap == 0,
            "{name}"
        );
        let found = find_overlaps(&task.train, &task.evaluate, &RULES);
        let dropped = found.iter().filter(|overlap| overlap.dropped).count();
        eprintln!("{name}: {} overlaps, {dropped} dropped of 400", found.len());
        for overlap in found.iter().filter(|overlap| overlap.dropped).take(5) {
            eprintln!("  {overlap:?}");
        }
        assert!(dropped <= 20, "{name}: {dropped} of 400");
    }
}

#[test]
fn a_task_from_files_drops_keeps_or_fails() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let mut ours: Vec<Problem> = (0..20)
        .map(|i| {
            problem(
                &format!("t{i}"),
                &format!("What is {i} + {i} + 100?"),
                Split::Train,
            )
        })
        .collect();
    ours[7].question = format!("Read this. {EGGS}");
    for (problems, name) in [(&ours, "train.jsonl"), (&held(EGGS), "held.jsonl")] {
        let mut problems = problems.clone();
        for problem in &mut problems {
            problem.gold = Some(autodidact_core::Answer("18".into()));
        }
        write_jsonl(&problems, std::fs::File::create(path(name)).unwrap()).unwrap();
    }
    let spec = |decontaminate| TaskSpec {
        train: Some(path("train.jsonl")),
        evaluate: Some(path("held.jsonl")),
        id: Some("id".into()),
        decontaminate,
        ..TaskSpec::default()
    };
    let dropped = load(&spec(Decontaminate::Drop), None, 0, 1).unwrap();
    assert_eq!((dropped.train.len(), dropped.dropped_overlap), (19, 1));
    assert_eq!(dropped.overlaps[0].train.0, "t7");
    assert!(dropped.overlaps[0].dropped && dropped.train.iter().all(|p| p.id.0 != "t7"));
    let kept = load(&spec(Decontaminate::Keep), None, 0, 1).unwrap();
    assert_eq!((kept.train.len(), kept.overlaps.len()), (20, 1));
    assert!(!kept.overlaps[0].dropped);
    let error = load(&spec(Decontaminate::Fail), None, 0, 1)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("the training problem `t7` overlaps with the evaluation problem `e`"),
        "{error}"
    );
    let before =
        autodidact_tasks::load_without_search(&spec(Decontaminate::Drop), None, 0, 1).unwrap();
    assert_eq!((before.train.len(), before.overlaps.len()), (20, 0));
}
