//! A school for a student so small that it learns in a blink: two teachers and a judge.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use autodidact_testkit::{Act, Fleet, Received, Reply};
use serde_json::{Value, json};

use super::fleet::{Done, Rig, lines};
use super::root;

pub(crate) const PROBLEMS: u32 = 12;

pub(crate) const SPEC: &str = r#"
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
pub(crate) struct School {
    pub(crate) requests: AtomicUsize,
    /// From this request on there is no more money.
    pub(crate) broke_at: AtomicUsize,
    pub(crate) asked: Mutex<BTreeMap<Vec<u8>, u32>>,
    /// Problems by teacher.
    pub(crate) problems: Mutex<BTreeMap<String, BTreeSet<u32>>>,
    /// Scores by problem and text.
    pub(crate) scores: Mutex<BTreeMap<(u32, String), f64>>,
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

    pub(crate) fn calls(&self) -> u32 {
        self.asked.lock().unwrap().values().sum()
    }

    pub(crate) fn different_calls(&self) -> usize {
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

pub(crate) fn school(spec: &str, latency: Duration) -> (Arc<School>, Rig) {
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

pub(crate) fn run(rig: &Rig) -> Done {
    rig.run(&["run", "a.toml"])
}

pub(crate) fn training(rig: &Rig, loop_number: u32) -> Vec<Value> {
    lines(&rig.path(&format!("runs/taught/training/{loop_number}.jsonl")))
}

/// Rows of a training set by their author.
pub(crate) fn authors(rows: &[Value]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for row in rows {
        *counts
            .entry(row["model"].as_str().unwrap().to_owned())
            .or_insert(0) += 1;
    }
    counts
}

pub(crate) fn problem_of(row: &Value) -> u32 {
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

pub(crate) fn same_results(one: &Rig, other: &Rig) {
    for ((file, a), (_, b)) in results(one).iter().zip(&results(other)) {
        assert!(a == b, "{file} differs");
    }
}
