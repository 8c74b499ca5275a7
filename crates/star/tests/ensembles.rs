//! What a judge says wrongly never reaches the journal as a score, whatever shape it comes in.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failed test panics, and the figure is shown"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use autodidact_core::{
    JudgeKind, JudgeSpec, Mode, OneOrMany, ProblemId, ProviderKind, SamplerId, VerifyKind,
};
use autodidact_judges::Judge;
use autodidact_providers::PriceTable;
use autodidact_star::{JudgedFile, ScoredAnswers, judge_file};
use autodidact_store::{RunStore, Scored};
use autodidact_testkit::{Act, Received, Reply, Server};
use serde_json::{Value, json};

const ANSWERS: usize = 40;

/// Values as they stand in a reply: as JSON where the reply is JSON, as text where it is text.
const BAD: [&str; 12] = [
    "NaN",
    "-NaN",
    "Infinity",
    "-Infinity",
    "inf",
    "1e999",
    "1e7",
    "null",
    "\"\"",
    "\"0.75\"",
    "true",
    "[]",
];

/// A reply of the hosted reward models, with `$` in the place of one score.
const HOSTED: &str = r#"{"choices":[{"message":{"content":""},"logprobs":{"content":[{"token":"helpfulness","logprob":3},{"token":"correctness","logprob":$},{"token":"coherence","logprob":3},{"token":"complexity","logprob":1},{"token":"verbosity","logprob":1}]}}]}"#;
/// The same of the containers.
const CONTAINER: &str = r#"{"choices":[{"message":{"content":"helpfulness:3,correctness:$,coherence:3,complexity:1,verbosity:1"}}]}"#;
/// One reward.
const REWARD: &str = r#"{"choices":[{"message":{"content":"reward:$"}}]}"#;
/// A classifier with one class.
const CLASSIFY: &str = r#"{"data":[{"index":0,"probs":[$],"num_classes":1}]}"#;

/// The number of the answer in a request, to reply to each with another value.
fn number(request: &Received) -> usize {
    let text = String::from_utf8_lossy(&request.body).into_owned();
    let (_, after) = text.rsplit_once("answer number ").unwrap();
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

/// Every third value is good.
fn value(number: usize) -> String {
    match number % 3 {
        0 => format!("{}", 1.0 + number as f64 / 50.0),
        _ => BAD[number / 3 % BAD.len()].to_owned(),
    }
}

fn judge(server: &Server, kind: JudgeKind) -> Arc<dyn Judge> {
    let mut spec = JudgeSpec::new("judge", ProviderKind::Vllm, "reward");
    spec.kind = Some(kind);
    spec.base_url = OneOrMany::One(format!("{}/v1", server.url()));
    spec.limits.attempts = 1;
    autodidact_judges::open(&spec, None, &PriceTable::builtin(), None).unwrap()
}

fn answers(path: &Path) -> ScoredAnswers {
    let line = |i: usize| {
        let row = json!({"question": format!("question {i}"), "completion": format!("answer number {i}."), "gold": "1"});
        format!("{row}\n")
    };
    std::fs::write(path, (0..ANSWERS).map(line).collect::<String>()).unwrap();
    ScoredAnswers {
        path: path.to_owned(),
        question: None,
        text: None,
        gold: None,
        verify: VerifyKind::Number,
        checker: autodidact_star::Checker::reading(),
    }
}

/// What the journal holds, and what came of the file.
async fn judged(template: &'static str, kind: JudgeKind) -> (Vec<Scored>, JudgedFile, Vec<Value>) {
    let server = Server::start(move |request| {
        // In the middle of a text a bare quote would end it.
        let value = match template {
            CONTAINER | REWARD => value(number(request)).replace('"', "\\\""),
            _ => value(number(request)),
        };
        let body = template.replace('$', &value);
        Act::Answer(Reply::new(200, "application/json", body))
    })
    .await
    .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let answers = answers(&directory.path().join("answers.jsonl"));
    let out = directory.path().join("scored.jsonl");
    let run = directory.path().join("run");
    let store = Arc::new(RunStore::create(&run, "").await.unwrap());
    let (on_line, stop) = (|_| {}, AtomicBool::new(false));
    let judges = vec![judge(&server, kind)];
    let summary = judge_file(&answers, &out, judges, &store, None, &on_line, &stop)
        .await
        .unwrap();
    let sampler = SamplerId("file".into());
    let samples = store.samples(0, &sampler, Mode::Rationale).await.unwrap();
    let ids: Vec<&ProblemId> = samples.iter().map(|s| &s.key.problem).collect();
    let scores = store
        .scores(0, &sampler, Mode::Rationale, &ids)
        .await
        .unwrap();
    let text = std::fs::read_to_string(&out).unwrap();
    let rows = text.lines().map(|line| serde_json::from_str(line).unwrap());
    (scores, summary, rows.collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_score_never_reaches_the_journal() {
    let (mut tried, mut taken) = (0, 0);
    for (template, kind) in [
        (HOSTED, JudgeKind::Nemotron),
        (CONTAINER, JudgeKind::Nemotron),
        (REWARD, JudgeKind::Nemotron),
        (CLASSIFY, JudgeKind::Classify),
    ] {
        let (scores, summary, rows) = judged(template, kind).await;
        assert_eq!(rows.len(), ANSWERS);
        let good = (0..ANSWERS).filter(|i| i % 3 == 0).count();
        let finite = |scored: &&Scored| {
            let given = scored.scores.as_ref();
            given.is_ok_and(|s| {
                s.overall().is_finite() && s.attributes().values().all(|v| v.is_finite())
            })
        };
        let ok = scores.iter().filter(|scored| scored.scores.is_ok());
        assert_eq!(ok.clone().count(), ok.filter(finite).count());
        let counts: BTreeMap<_, _> = summary.judges.into_iter().collect();
        assert_eq!(counts["judge"].scored as usize, good, "{template}");
        tried += ANSWERS - good;
        for (i, row) in rows.iter().enumerate() {
            let has_score = row["overall"].is_number();
            assert_eq!(has_score, i % 3 == 0, "{} of {template}: {row}", value(i));
            taken += usize::from(has_score && i % 3 != 0);
            let reason = &row["opinions"]["judge"]["unscored"];
            assert_eq!(reason.is_string(), !has_score, "{row}");
        }
    }
    println!("bad numbers in the journal: {taken} of {tried}");
    assert_eq!(taken, 0);
}
