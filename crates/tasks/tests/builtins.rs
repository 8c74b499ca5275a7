//! Generated tasks: every gold solution is right and sound, the splits have nothing in common, and
//! a seed always gives the same problems.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

use std::collections::HashSet;

use autodidact_core::{Problem, Split, TaskSpec, VerifyKind};
use autodidact_tasks::{StepCheck, Task, builtin_names, load};
use autodidact_verify::{verify, verify_answer};

fn spec(name: &str, levels: &[u32], train: u32, evaluate: u32) -> TaskSpec {
    TaskSpec {
        builtin: Some(name.into()),
        levels: levels.to_vec(),
        train_problems: Some(train),
        evaluate_problems: Some(evaluate),
        ..TaskSpec::default()
    }
}

fn task(name: &str, levels: &[u32], train: u32, evaluate: u32, seed: u64) -> Task {
    load(&spec(name, levels, train, evaluate), None, 12, seed).unwrap()
}

fn assert_gold_is_right(task: &Task, problem: &Problem) {
    let solution = problem.solution.as_deref().unwrap();
    let found = verify(task.verify, problem, solution);
    assert!(
        found.verdict.is_right(),
        "{}\n{solution}\n{found:?}",
        problem.question
    );
    let check = task.step_checker.unwrap().check(problem, solution);
    assert_eq!(check, StepCheck::Sound, "{}\n{solution}", problem.question);
    if task.verify == VerifyKind::Number {
        let gold = &problem.gold.as_ref().unwrap().0;
        assert!(
            solution.ends_with(&format!(" The answer is {gold}.")),
            "{solution}"
        );
    }
}

#[test]
fn gold_solutions_are_right_and_sound_at_every_level() {
    let cases: [(&str, &[u32]); 4] = [
        ("addition", &[2, 3, 4, 5, 6, 12]),
        ("arithmetic", &[1, 2, 3, 4, 5, 6]),
        ("word-problems", &[1, 2, 3]),
        ("counting", &[1, 2]),
    ];
    for (name, levels) in cases {
        for level in levels {
            // Two-digit sums and small countings are few.
            let train = if name == "arithmetic" && *level == 1 {
                1500
            } else {
                2000
            };
            let task = task(name, &[*level], train, 400, 5);
            assert_eq!(
                (task.train.len(), task.evaluate.len()),
                (train as usize, 400)
            );
            for problem in task.train.iter().chain(&task.evaluate) {
                assert_gold_is_right(&task, problem);
                assert_eq!(problem.meta["level"], level.to_string());
            }
        }
    }
}

#[test]
fn a_wrong_step_is_noticed_in_every_number_task() {
    for name in ["arithmetic", "word-problems", "counting"] {
        let task = task(name, &[], 300, 10, 1);
        for problem in &task.train {
            let solution = problem.solution.as_deref().unwrap();
            let at = solution.rfind(" = ").unwrap() + 3;
            // The right answer after a step that is off: right by luck.
            let lucky = format!("{}9{}", &solution[..at], &solution[at..]);
            assert!(verify(task.verify, problem, &lucky).verdict.is_right());
            let check = task.step_checker.unwrap().check(problem, &lucky);
            assert!(
                matches!(check, StepCheck::FalseStep(_)),
                "{lucky}: {check:?}"
            );
        }
    }
}

#[test]
fn splits_and_examples_have_nothing_in_common_whatever_the_seed() {
    for (name, _) in builtin_names() {
        let mut train = HashSet::new();
        let mut evaluate = HashSet::new();
        let mut examples = HashSet::new();
        let mut ids = HashSet::new();
        for seed in 0..4 {
            let task = load(&spec(name, &[], 500, 150), None, 40, seed).unwrap();
            ids.clear();
            for problem in task.train.iter().chain(&task.evaluate) {
                assert!(ids.insert(problem.id.clone()), "{}", problem.id);
            }
            assert!(task.train.iter().all(|p| p.split == Split::Train));
            assert!(task.evaluate.iter().all(|p| p.split == Split::Evaluate));
            assert_eq!(task.dropped_overlap, 0);
            train.extend(task.train.into_iter().map(|p| p.question));
            evaluate.extend(task.evaluate.into_iter().map(|p| p.question));
            examples.extend(task.examples.into_iter().map(|e| e.question));
        }
        assert!(train.is_disjoint(&evaluate), "{name}");
        assert!(
            examples.is_disjoint(&train) && examples.is_disjoint(&evaluate),
            "{name}"
        );
    }
}

#[test]
fn a_seed_gives_the_same_task_and_another_seed_another() {
    for (name, _) in builtin_names() {
        let make = |train, seed| task(name, &[], train, 100, seed);
        let (one, again, other) = (make(300, 1), make(300, 1), make(300, 2));
        assert_eq!(one.train, again.train);
        assert_eq!(one.evaluate, again.evaluate);
        assert_eq!(one.examples, again.examples);
        assert_ne!(one.train, other.train);
        assert_ne!(one.evaluate, other.evaluate);
        // More training problems: the same ones first, and the same evaluation.
        let more = make(400, 1);
        assert_eq!(more.train[..300], one.train[..]);
        assert_eq!(more.evaluate, one.evaluate);
    }
}

#[test]
fn the_first_six_examples_show_different_stories_and_all_operations() {
    for levels in [&[][..], &[1], &[2], &[3], &[1, 2], &[1, 2, 3]] {
        for seed in 0..5 {
            let task = load(&spec("word-problems", levels, 10, 10), None, 6, seed).unwrap();
            assert_eq!(task.examples.len(), 6);
            let all: String = task.examples.iter().map(|e| e.rationale.as_str()).collect();
            for operator in [" + ", " - ", " * ", " / "] {
                assert!(
                    all.contains(operator),
                    "{levels:?} {seed} {operator}: {all}"
                );
            }
            for example in &task.examples {
                let found = verify_answer(task.verify, &example.answer.0, &[], &example.rationale);
                assert!(found.verdict.is_right(), "{example:?}");
            }
        }
    }
}

#[test]
fn defaults_and_small_levels() {
    for (name, about) in builtin_names() {
        let spec = TaskSpec {
            builtin: Some((*name).into()),
            ..TaskSpec::default()
        };
        let task = load(&spec, None, 32, 1).unwrap();
        assert_eq!(
            (task.train.len(), task.evaluate.len()),
            (600, 200),
            "{name}"
        );
        assert_eq!(task.examples.len(), 32, "{name}");
        assert_eq!(task.name, *name);
        assert!(!about.is_empty());
    }
}

#[test]
fn what_cannot_be_generated_is_said() {
    let error = |spec: &TaskSpec| load(spec, None, 1, 1).unwrap_err().to_string();
    let text = error(&spec("additions", &[], 10, 10));
    assert!(
        text.contains("`additions`") && text.contains("addition, arithmetic"),
        "{text}"
    );
    let text = error(&spec("addition", &[13], 10, 10));
    assert!(text.contains("levels 1 to 12"), "{text}");
    let text = error(&spec("addition", &[1], 600, 10));
    assert!(
        text.contains("`task.train_problems` is 600") && text.contains("only"),
        "{text}"
    );
    let text = error(&spec("addition", &[2], 0, 10));
    assert!(text.contains("is 0"), "{text}");
    let text = error(&TaskSpec::default());
    assert!(text.contains("neither"), "{text}");
}
