//! A run with teachers and a judge, on a student so small that it takes a blink: what is learned from
//! whom, who is asked about what, and what a kill, a fatal error or a small budget leave behind.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failed test panics, and figures are shown"
)]

mod common;

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use autodidact_core::RefusalReason;
use autodidact_store::RunStore;
use common::school::{PROBLEMS, SPEC, authors, problem_of, run, same_results, school, training};

const KILLS: u32 = 6;

#[test]
fn the_union_of_right_rationales_is_learned() {
    let (school, rig) = school(SPEC, Duration::ZERO);
    run(&rig).text(0);
    let rows = training(&rig, 1);
    let authors = authors(&rows);
    assert!(
        authors.contains_key("good") && authors.contains_key("poor"),
        "{authors:?}"
    );
    for row in &rows {
        let (name, terms) = (
            row["model"].as_str().unwrap(),
            row["terms"].as_str().unwrap(),
        );
        let n = problem_of(row);
        match name {
            "good" | "poor" => {
                let completion = row["completion"].as_str().unwrap();
                assert!(
                    completion.ends_with(&format!("the answer is {}.", 2 * n)),
                    "{row}"
                );
            }
            _ => assert_eq!(name, "student"),
        }
        assert_eq!(terms == "restricted", name == "poor", "{row}");
    }
    // Asked once for both loops.
    let of_teachers =
        |(body, _): &(&Vec<u8>, &u32)| !String::from_utf8_lossy(body).contains("\"reward\"");
    let calls = school.asked.lock().unwrap().clone();
    assert!(
        calls
            .iter()
            .filter(of_teachers)
            .all(|(_, count)| *count == 1)
    );
    assert_eq!(
        calls.iter().filter(of_teachers).count() as u32,
        5 * PROBLEMS
    );
    let asked = school.problems.lock().unwrap();
    assert!(
        asked
            .values()
            .all(|problems| problems.len() as u32 == PROBLEMS)
    );
    let again = school.calls();
    run(&rig).text(0);
    assert_eq!(school.calls(), again, "a finished run asks nobody");
}

#[test]
fn a_run_killed_again_and_again_ends_with_the_same_bytes() {
    let latency = Duration::from_millis(4);
    let (calm, undisturbed) = school(SPEC, latency);
    let started = Instant::now();
    run(&undisturbed).text(0);
    let whole = started.elapsed();
    let (school, killed) = school(SPEC, latency);
    let mut hits = 0;
    for kill in 0..KILLS {
        // Some in the middle of requests, some later, while the student samples and learns.
        let by_calls = kill % 2 == 0;
        let calls = school.calls() + 5 + 6 * kill;
        let share = whole.mul_f64(if by_calls {
            1.0
        } else {
            0.1 + 0.05 * f64::from(kill)
        });
        let started = Instant::now();
        let mut child = killed.spawn(&["run", "a.toml"]);
        killed.wait_until("the moment of the kill", |_| {
            (by_calls && school.calls() >= calls) || started.elapsed() > share
        });
        child.kill().unwrap();
        hits += u32::from(!child.wait().unwrap().success());
    }
    assert!(hits > 0, "no attempt was killed before it ended");
    run(&killed).text(0);
    same_results(&killed, &undisturbed);
    assert_eq!(school.different_calls(), calm.different_calls());
    let repaid = school.calls() - calm.calls();
    println!(
        "{hits} kills of a run with teachers: {repaid} of {} calls paid twice",
        calm.calls()
    );
    // Four under way at once, and as many that had just arrived.
    assert!(repaid <= hits * 8, "{repaid} calls in {hits} kills");
}

#[test]
fn only_those_named_are_learned_from() {
    for (train_on, allowed) in [("[\"student\"]", "student"), ("[\"poor\"]", "poor")] {
        let spec = SPEC
            .replace("[teach]", &format!("[teach]\ntrain_on = {train_on}"))
            .replace("iterations = 2", "iterations = 1");
        let (_, rig) = school(&spec, Duration::ZERO);
        run(&rig).text(0);
        let authors = authors(&training(&rig, 1));
        assert_eq!(authors.keys().collect::<Vec<_>>(), [allowed]);
    }
}

#[test]
fn caps_hold_and_the_judge_decides_who_is_kept() {
    let spec = SPEC
        .replace("samples = 3", "samples = 4\nkeep = 1")
        .replace("minimum = 1", "minimum = 1\nrank_by = \"judge\"")
        .replace("iterations = 2", "iterations = 1")
        .replace("[teach]", "[teach]\ntrain_on = [\"good\"]");
    let (school, rig) = school(&spec, Duration::ZERO);
    run(&rig).text(0);
    let rows = training(&rig, 1);
    assert_eq!(rows.len() as u32, PROBLEMS, "one of each problem");
    let scores = school.scores.lock().unwrap();
    let mut choices = 0;
    for row in &rows {
        let n = problem_of(row);
        let text = row["completion"].as_str().unwrap().trim();
        // What `poor` says is judged too, but not learned here.
        let judged: Vec<f64> = scores
            .iter()
            .filter(|((problem, text), _)| *problem == n && text.contains("is it."))
            .map(|(_, score)| *score)
            .collect();
        let most = judged.iter().copied().fold(f64::MIN, f64::max);
        assert!(
            (scores[&(n, text.to_owned())] - most).abs() < 1e-12,
            "{row}"
        );
        choices += usize::from(judged.len() > 1);
    }
    assert!(
        choices > 3,
        "there was nothing to choose in all but {choices}"
    );
}

#[test]
fn teachers_of_failures_are_asked_about_failures_only() {
    let spec = SPEC
        .replace("[teach]", "[teach]\nproblems = \"failed\"")
        .replace("iterations = 2", "iterations = 1");
    let (school, rig) = school(&spec, Duration::ZERO);
    run(&rig).text(0);
    let rows = training(&rig, 1);
    let own = rows.iter().filter(|row| row["model"] == "student");
    let solved: BTreeSet<u32> = own.map(problem_of).collect();
    let asked = school.problems.lock().unwrap();
    assert!(
        !solved.is_empty() && asked["good"].len() > 2,
        "{solved:?} {asked:?}"
    );
    assert_eq!(asked["good"].intersection(&solved).count(), 0);
    assert!(asked["good"].len() as u32 <= PROBLEMS - solved.len() as u32);
}

#[test]
fn answers_below_a_minimum_are_refused_with_the_reason() {
    let spec = SPEC
        .replace(
            "minimum = 1",
            "minimum = 1\nminimum_scores = { correctness = 3.0 }",
        )
        .replace("iterations = 2", "iterations = 1");
    let (school, rig) = school(&spec, Duration::ZERO);
    run(&rig).text(0);
    let rows = training(&rig, 1);
    let scores = school.scores.lock().unwrap();
    for row in &rows {
        let text = row["completion"].as_str().unwrap().trim();
        assert!(scores[&(problem_of(row), text.to_owned())] >= 3.0, "{row}");
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let low = runtime.block_on(async {
        let store = RunStore::open_reader(&rig.path("runs/taught"))
            .await
            .unwrap();
        let decided = store.selections(1).await.unwrap();
        let low = decided
            .iter()
            .filter(|d| d.refused == Some(RefusalReason::LowScore));
        low.count()
    });
    assert!(
        low > 0 && !rows.is_empty(),
        "{low} refused, {} kept",
        rows.len()
    );
}

#[test]
fn without_money_the_run_stops_at_once_and_goes_on_later() {
    let (calm, undisturbed) = school(SPEC, Duration::ZERO);
    run(&undisturbed).text(0);
    let (school, rig) = school(SPEC, Duration::from_millis(2));
    for broke_at in [0, 10, 45] {
        let before = school.requests.load(Ordering::SeqCst);
        school.broke_at.store(before + broke_at, Ordering::SeqCst);
        let stopped = run(&rig);
        assert_eq!(stopped.code, 6, "{}", stopped.err);
        assert!(stopped.err.contains("no credit"), "{}", stopped.err);
        let refused = school.requests.load(Ordering::SeqCst) - before - broke_at;
        println!("without money after {broke_at} calls: {refused} refused");
        // Those under way at that moment and no more; whoever waits in line is not sent.
        assert!((1..=4).contains(&refused), "{refused} calls without money");
    }
    school.broke_at.store(usize::MAX, Ordering::SeqCst);
    run(&rig).text(0);
    same_results(&rig, &undisturbed);
    assert_eq!(school.calls(), calm.calls(), "nothing is paid twice");
}
