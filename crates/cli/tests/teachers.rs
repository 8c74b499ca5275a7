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

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use autodidact_core::RefusalReason;
use autodidact_store::RunStore;
use autodidact_testkit::{Act, Fleet, Received, Reply};
use common::fleet::{Done, Rig, lines};
use common::root;
use serde_json::{Value, json};

const PROBLEMS: u32 = 12;
const KILLS: u32 = 6;

const SPEC: &str = r#"
[run]
name = "taught"
iterations = 2
[task]
train = "train.jsonl"
evaluate = "evaluate.jsonl"
verify = "regex"
[task.prompt]
before_question = "q "
before_answer = " a"
completion_lead = " "
separator = "\n\n"
hint = " <{hint}>"
hint_place = "after-question"
stop = ["\n\n"]
[student]
model = ["MODEL"]
few_shot = 1
examples = "examples.toml"
[sample]
per_problem = 2
temperature = 1.2
max_tokens = 16
[rationalize]
per_problem = 1
[select]
per_problem = 8
minimum = 1
[train]
rank = 4
steps = { first = 4, growth = 1.2 }
batch = 4
checkpoint_every = 2
[stop]
patience = 0
[teach]
calibrate = 0
[[teachers]]
name = "good"
provider = "openai-compatible"
model = "good"
base_url = "URL/v1"
samples = 3
terms = "allowed"
limits = { concurrency = 4, attempts = 2 }
[[teachers]]
name = "poor"
provider = "openai-compatible"
model = "poor"
base_url = "URL/v1"
samples = 2
terms = "restricted"
limits = { concurrency = 4, attempts = 2 }
[[judges]]
name = "nemotron"
provider = "nvidia"
model = "reward"
base_url = "URL/v1"
limits = { concurrency = 4, attempts = 2 }
"#;

/// What was asked for, and what the judge said.
#[derive(Default)]
struct School {
    requests: AtomicUsize,
    /// From this request on there is no more money.
    broke_at: AtomicUsize,
    asked: Mutex<BTreeMap<Vec<u8>, u32>>,
    /// Problems by teacher.
    problems: Mutex<BTreeMap<String, BTreeSet<u32>>>,
    /// Scores by problem and text.
    scores: Mutex<BTreeMap<(u32, String), f64>>,
}

impl School {
    fn act(&self, request: &Received, latency: Duration) -> Act {
        let body = request.json();
        let number = self.requests.fetch_add(1, Ordering::SeqCst);
        if number >= self.broke_at.load(Ordering::SeqCst) {
            let error = json!({"error": {"message": "no credit", "type": "insufficient_quota", "code": "insufficient_quota"}});
            return Act::Answer(Reply::json(429, &error));
        }
        let model = body["model"].as_str().unwrap();
        let messages = body["messages"].as_array().unwrap();
        let said = |role: &str| {
            let mut own = messages.iter().rev().filter(|m| m["role"] == role);
            own.next()
                .and_then(|m| m["content"].as_str())
                .unwrap_or_default()
        };
        let problem = number_in(said("user"));
        *self
            .asked
            .lock()
            .unwrap()
            .entry(request.body.clone())
            .or_default() += 1;
        let content = if model == "reward" {
            self.judge(problem, said("assistant"))
        } else {
            let mut problems = self.problems.lock().unwrap();
            problems
                .entry(model.to_owned())
                .or_default()
                .insert(problem);
            teach(model, problem, body["seed"].as_u64().unwrap())
        };
        let message = json!({"role": "assistant", "content": content});
        let choice = json!({"index": 0, "message": message, "finish_reason": "stop"});
        let usage = json!({"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30});
        let reply = Reply::json(
            200,
            &json!({"model": model, "choices": [choice], "usage": usage}),
        );
        Act::Answer(reply.after(latency))
    }

    /// Better words are better answers.
    fn judge(&self, problem: u32, text: &str) -> String {
        let word = WORDS
            .iter()
            .position(|word| text.starts_with(word))
            .unwrap_or(0);
        let correctness = 1.0 + word as f64;
        let key = (problem, text.trim().to_owned());
        self.scores.lock().unwrap().insert(key, correctness);
        format!("helpfulness:1,correctness:{correctness},coherence:1,complexity:1,verbosity:1")
    }

    fn calls(&self) -> u32 {
        self.asked.lock().unwrap().values().sum()
    }

    fn different_calls(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

/// From bad to good.
const WORDS: [&str; 4] = ["so", "then", "here", "best"];

/// `good` is always right, `poor` about every third problem.
fn teach(model: &str, problem: u32, seed: u64) -> String {
    let luck = blake3::hash(&seed.to_le_bytes()).as_bytes()[0] as usize;
    let word = WORDS[luck % WORDS.len()];
    let is_right = model == "good" || problem.is_multiple_of(3);
    let answer = 2 * problem + u32::from(!is_right);
    let verb = if model == "good" { "is it" } else { "makes it" };
    format!("{word} {problem} and {problem} {verb}. the answer is {answer}.")
}

fn number_in(text: &str) -> u32 {
    let digits: String = text
        .chars()
        .skip_while(|c| !c.is_ascii_digit())
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().unwrap()
}

/// A number that teachers know; half of them also take any answer of the student with an `e`.
fn problems(from: u32, count: u32) -> String {
    let line = |n: u32| {
        let gold = match n % 2 {
            0 => format!("{}|.*e.*", 2 * n),
            _ => format!("{}", 2 * n),
        };
        format!("{{\"id\":\"p{n}\",\"question\":\"{n} + {n}?\",\"answer\":\"{gold}\"}}\n")
    };
    (from..from + count).map(line).collect()
}

fn school(spec: &str, latency: Duration) -> (Arc<School>, Rig) {
    let school = Arc::new(School::default());
    school.broke_at.store(usize::MAX, Ordering::SeqCst);
    let acting = school.clone();
    let rig = Rig::scripted(Fleet::new(), move |request| acting.act(request, latency));
    let model = root().join("crates/engine/tests/golden/tiny.gguf");
    rig.write("a.toml", &spec.replace("MODEL", model.to_str().unwrap()));
    rig.write(
        "examples.toml",
        "[[example]]\nquestion = \"1?\"\nrationale = \"a b c\"\nanswer = \".*\"\n",
    );
    rig.write("train.jsonl", &problems(1, PROBLEMS));
    rig.write("evaluate.jsonl", &problems(40, 6));
    (school, rig)
}

fn run(rig: &Rig) -> Done {
    rig.run(&["run", "a.toml"])
}

fn training(rig: &Rig, loop_number: u32) -> Vec<Value> {
    lines(&rig.path(&format!("runs/taught/training/{loop_number}.jsonl")))
}

/// Rows of a training set by their author.
fn authors(rows: &[Value]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for row in rows {
        *counts
            .entry(row["model"].as_str().unwrap().to_owned())
            .or_insert(0) += 1;
    }
    counts
}

fn problem_of(row: &Value) -> u32 {
    number_in(row["prompt"].as_str().unwrap())
}

/// Everything that must not depend on interruptions.
fn results(rig: &Rig) -> Vec<(String, Vec<u8>)> {
    let files = ["1", "2"].into_iter().flat_map(|name| {
        [
            format!("training/{name}.jsonl"),
            format!("adapters/{name}/adapter.gguf"),
        ]
    });
    files
        .map(|file| {
            let path = rig.path("runs/taught").join(&file);
            let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{file}: {e}"));
            (file, bytes)
        })
        .collect()
}

fn same_results(one: &Rig, other: &Rig) {
    for ((file, a), (_, b)) in results(one).iter().zip(&results(other)) {
        assert!(a == b, "{file} differs");
    }
}

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
        // Those under way at that moment and no more: eight problems, three answers to each.
        assert!((1..=24).contains(&refused), "{refused} calls without money");
    }
    school.broke_at.store(usize::MAX, Ordering::SeqCst);
    run(&rig).text(0);
    same_results(&rig, &undisturbed);
    assert_eq!(school.calls(), calm.calls(), "nothing is paid twice");
}
