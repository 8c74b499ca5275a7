//! Judges over real sockets, against servers that speak the interfaces of the real ones.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failed test panics, and the figure is shown"
)]

use std::sync::Arc;

use autodidact_core::{JudgeKind, JudgeSpec, OneOrMany, Price, ProviderKind, Scores, Usd};
use autodidact_judges::{Calibration, Case, Judge, Unscored, open};
use autodidact_providers::{ApiKey, Budget, ChatModel, ErrorClass, PriceTable, RemoteModel};
use autodidact_testkit::{Fleet, Server};

/// Every interface, with a model name that makes the fleet speak it.
const JUDGES: [(ProviderKind, JudgeKind, &str); 12] = [
    (
        ProviderKind::Nvidia,
        JudgeKind::Nemotron,
        "nvidia/nemotron-4-340b-reward",
    ),
    (
        ProviderKind::Nvidia,
        JudgeKind::Nemotron,
        "nvidia/nim-340b-reward",
    ),
    (
        ProviderKind::Nvidia,
        JudgeKind::Nemotron,
        "nvidia/llama-3.1-nemotron-70b-reward",
    ),
    (ProviderKind::Vllm, JudgeKind::Classify, "skywork-reward-v2"),
    (ProviderKind::Vllm, JudgeKind::Pooling, "skywork-reward-v2"),
    (ProviderKind::Vllm, JudgeKind::Process, "qwen2.5-math-prm"),
    (
        ProviderKind::Sglang,
        JudgeKind::Classify,
        "skywork-reward-v2",
    ),
    (
        ProviderKind::Tei,
        JudgeKind::Predict,
        "reward-model-deberta",
    ),
    (ProviderKind::Tei, JudgeKind::Rerank, "reranker"),
    (ProviderKind::LlamaServer, JudgeKind::Rerank, "reranker"),
    (ProviderKind::Vllm, JudgeKind::Rubric, "judge-of-one"),
    (ProviderKind::Vllm, JudgeKind::Pairwise, "judge-of-two"),
];

fn spec(provider: ProviderKind, kind: JudgeKind, model: &str, url: &str) -> JudgeSpec {
    let name = format!("{provider} {kind:?} {model}");
    let mut spec = JudgeSpec::new(&name, provider, model);
    spec.kind = Some(kind);
    spec.base_url = OneOrMany::One(format!("{url}/v1"));
    spec.limits.attempts = 1;
    spec
}

fn opened(spec: &JudgeSpec) -> Arc<dyn Judge> {
    let prices = PriceTable::builtin();
    let key = || Some(ApiKey::new("nvapi-test"));
    let is_chat = matches!(spec.kind(), JudgeKind::Rubric | JudgeKind::Pairwise);
    let chat = is_chat.then(|| -> Arc<dyn ChatModel> {
        Arc::new(RemoteModel::new(spec.as_model(), key(), &prices).unwrap())
    });
    open(spec, key(), &prices, chat).unwrap()
}

fn nemotron(url: &str) -> JudgeSpec {
    let (provider, kind, model) = JUDGES[0];
    spec(provider, kind, model, url)
}

fn purse() -> Budget {
    Budget::new(None, Usd::ZERO)
}

async fn fleet() -> Server {
    let fleet = Fleet::new();
    Server::start(move |request| fleet.act(request))
        .await
        .unwrap()
}

/// A sum with a right and two wrong answers.
fn sum(a: u32, b: u32) -> (Case, [bool; 3]) {
    let answer = |c: u32| format!("We add {a} and {b}.\n\nThe answer is {c}.");
    let answers = [a + b + 1, a + b, a + b + 10].map(answer);
    let question = format!("What is {a} + {b}?");
    (Case::new(question, answers.to_vec()), [false, true, false])
}

#[tokio::test]
async fn every_interface_prefers_the_right_answer() {
    let server = fleet().await;
    let mut calibration = Calibration::default();
    for (provider, kind, model) in JUDGES {
        let judge = opened(&spec(provider, kind, model, &server.url()));
        for a in 11..21 {
            let (case, right) = sum(a, 30);
            let opinions = judge.judge(&case, &purse()).await.unwrap();
            assert_eq!(opinions.len(), 3);
            for (opinion, right) in opinions.iter().zip(right) {
                let scores = opinion.scores.as_ref().unwrap();
                calibration.add(judge.name(), &case.question, scores, right);
            }
        }
    }
    let report = calibration.report();
    assert_eq!(report.len(), JUDGES.len());
    for judge in report {
        let within = judge.within_questions.unwrap();
        println!(
            "{}: {:.3} of {} pairs",
            judge.judge, within.area, within.pairs
        );
        assert_eq!(within.pairs, 20);
        assert!(within.area > 0.95, "{}: {}", judge.judge, within.area);
    }
}

#[tokio::test]
async fn rewards_arrive_raw() {
    let server = fleet().await;
    let (case, _) = sum(12, 30);
    for (provider, kind, model) in JUDGES.into_iter().filter(|(_, kind, _)| {
        matches!(
            kind,
            JudgeKind::Classify | JudgeKind::Pooling | JudgeKind::Predict
        )
    }) {
        let judge = opened(&spec(provider, kind, model, &server.url()));
        let opinions = judge.judge(&case, &purse()).await.unwrap();
        let overall = opinions
            .iter()
            .map(|o| o.scores.as_ref().map(Scores::overall).unwrap());
        let outside = overall.filter(|score| !(0.0..=1.0).contains(score)).count();
        assert!(outside > 0, "{}: an activation was left on", judge.name());
    }
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_not_sent() {
    let server = fleet().await;
    let judge = opened(&nemotron(&server.url()));
    let long = "word ".repeat(5000);
    let case = Case::new(
        "What is 2 + 2?",
        vec![long, "The answer is 4.".into(), " ".into()],
    );
    let opinions = judge.judge(&case, &purse()).await.unwrap();
    assert!(matches!(
        opinions[0].scores,
        Err(Unscored::TooLong { context: 4096, tokens }) if tokens > 4096
    ));
    assert!(opinions[1].scores.is_ok());
    assert_eq!(opinions[2].scores, Err(Unscored::Empty));
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn large_groups_are_split_and_come_back_in_order() {
    let server = fleet().await;
    let answers: Vec<String> = (0..70).map(|i| format!("The answer is {i}.")).collect();
    let case = Case::new("What is 20 + 22?", answers);
    for (provider, kind) in [
        (ProviderKind::Tei, JudgeKind::Predict),
        (ProviderKind::LlamaServer, JudgeKind::Rerank),
    ] {
        server.forget();
        let judge = opened(&spec(provider, kind, "m", &server.url()));
        let opinions = judge.judge(&case, &purse()).await.unwrap();
        let score = |i: usize| opinions[i].scores.as_ref().unwrap().overall();
        let best = (0..70)
            .max_by(|a, b| score(*a).total_cmp(&score(*b)))
            .unwrap();
        assert_eq!((opinions.len(), best), (70, 42));
        assert_eq!(server.received().len(), 3);
    }
}

#[tokio::test]
async fn what_a_judge_costs_is_paid_from_the_purse() {
    let server = fleet().await;
    let dollar = Usd::from_dollars(1.0).unwrap();
    let mut spec = nemotron(&server.url());
    spec.price = Some(Price {
        input: dollar,
        output: dollar,
        cached_input: None,
        cache_write: None,
    });
    let judge = opened(&spec);
    let (case, _) = sum(12, 30);
    let most = judge.most(&case).unwrap();
    let purse = Budget::new(Some(most), Usd::ZERO);
    let opinions = judge.judge(&case, &purse).await.unwrap();
    let paid: Usd = opinions.iter().filter_map(|o| o.cost).sum();
    assert!(paid > Usd::ZERO && paid < most, "{paid} of {most}");
    assert_eq!(purse.committed(), paid, "reservations are settled");

    server.forget();
    let empty = Budget::new(Some(Usd::from_nano(1)), Usd::ZERO);
    let error = judge.judge(&case, &empty).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Budget);
    assert!(server.received().is_empty(), "nothing is sent on credit");
}

#[tokio::test]
async fn a_chat_model_asked_by_mistake_gives_no_scores() {
    let server = fleet().await;
    let spec = spec(
        ProviderKind::Nvidia,
        JudgeKind::Nemotron,
        "meta/llama-3.1-8b",
        &server.url(),
    );
    let (case, _) = sum(12, 30);
    let opinions = opened(&spec).judge(&case, &purse()).await.unwrap();
    for opinion in opinions {
        let reason = opinion.scores.unwrap_err();
        assert!(matches!(reason, Unscored::NotAReward(_)), "{reason}");
        assert!(reason.to_string().contains("meta/llama-3.1-8b"));
    }
}

#[tokio::test]
async fn keys_reach_the_server_and_a_wrong_one_is_told() {
    let fleet = Fleet::new().with_keys(["the-right-key"]);
    let server = Server::start(move |request| fleet.act(request))
        .await
        .unwrap();
    let spec = nemotron(&server.url());
    let (case, _) = sum(12, 30);
    let prices = PriceTable::builtin();
    for (key, expected) in [("the-right-key", None), ("another", Some(ErrorClass::Key))] {
        let judge = open(&spec, Some(ApiKey::new(key)), &prices, None).unwrap();
        let error = judge.judge(&case, &purse()).await.err();
        assert_eq!(error.map(|e| e.class), expected);
    }
}
