//! Every shape in which judges give their scores, as the bodies that are received.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

use autodidact_core::{Attribute, JudgeSpec, ProviderKind, Reduction, Scores};
use autodidact_judges::{Case, Form, Unscored};
use serde_json::{Value, json};

fn spec() -> JudgeSpec {
    JudgeSpec::new("judge", ProviderKind::Nvidia, "nvidia/reward")
}

fn read(form: Form, answers: &[&str], body: &Value) -> Vec<Result<Scores, Unscored>> {
    form.parse(&spec(), answers, body.to_string().as_bytes())
}

fn one(form: Form, body: &Value) -> Scores {
    let mut scores = read(form, &["an answer"], body);
    assert_eq!(scores.len(), 1);
    scores.remove(0).unwrap()
}

fn overall(form: Form, answers: &[&str], body: &Value) -> Vec<f64> {
    let scores = read(form, answers, body);
    scores.into_iter().map(|s| s.unwrap().overall()).collect()
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9
}

/// With the published weights 0.3, 0.74, 0.46, 0.47, -0.33.
fn assert_is_the_five(scores: &Scores) {
    assert_eq!(scores.attribute(Attribute::Helpfulness), Some(1.25));
    assert_eq!(scores.attribute(Attribute::Correctness), Some(0.43));
    assert_eq!(scores.attribute(Attribute::Coherence), Some(3.16));
    assert_eq!(scores.attribute(Attribute::Complexity), Some(-0.14));
    assert_eq!(scores.attribute(Attribute::Verbosity), Some(0.5));
    let by_hand = 0.375 + 0.3182 + 1.4536 - 0.0658 - 0.165;
    assert!(close(scores.overall(), by_hand), "{}", scores.overall());
}

#[test]
fn nvidia_hosted_gives_scores_where_log_probabilities_stand() {
    let body = json!({
        "id": "x", "object": "chat.completion", "model": "nvidia/nemotron-4-340b-reward",
        "choices": [{"index": 0, "finish_reason": "length",
            "message": {"role": "assistant", "content": ""},
            "logprobs": {"content": [
                {"token": "helpfulness", "logprob": 1.25, "bytes": null, "top_logprobs": []},
                {"token": "correctness", "logprob": 0.43, "top_logprobs": []},
                {"token": "coherence", "logprob": 3.16, "top_logprobs": []},
                {"token": "complexity", "logprob": -0.14, "top_logprobs": []},
                {"token": "verbosity", "logprob": 0.5, "top_logprobs": []}]}}],
        "usage": {"prompt_tokens": 20, "completion_tokens": 1, "total_tokens": 21}});
    assert_is_the_five(&one(Form::Nemotron, &body));
}

#[test]
fn nim_containers_write_the_scores_as_text() {
    let text = "helpfulness:1.25,correctness:0.43,coherence:3.16,complexity:-0.14,verbosity:0.5";
    let spaced = text.replace(':', " : ").replace(',', ",\n ");
    let nine = format!("quality:4,toxicity:0,humor:0,creativity:1,{text}");
    for text in [text, &spaced, &nine] {
        for content in [json!(text), json!([{"type": "text", "text": text}])] {
            let message = json!({"role": "assistant", "content": content});
            for message in [message.clone(), json!([message])] {
                let body = json!({"choices": [
                    {"index": 0, "message": message, "logprobs": null, "finish_reason": "stop"}]});
                assert_is_the_five(&one(Form::Nemotron, &body));
            }
        }
    }
}

#[test]
fn a_single_reward_is_an_overall_score_only() {
    for text in ["reward:-5.53", "reward: -5.53\n", "-5.53", "Reward:-5.53"] {
        let body = json!({"choices": [{"message": {"role": "assistant", "content": text}}]});
        let scores = one(Form::Nemotron, &body);
        assert!(close(scores.overall(), -5.53), "{text}");
        assert!(scores.attributes().is_empty());
    }
}

#[test]
fn vllm_classify_and_pooling() {
    let classify = json!({"id": "classify-1", "object": "list", "created": 1, "model": "m",
        "data": [{"index": 0, "label": "LABEL_0", "probs": [-3.75], "num_classes": 1}],
        "usage": {"prompt_tokens": 7, "total_tokens": 7}});
    assert!(close(one(Form::Classify, &classify).overall(), -3.75));
    let activated = json!({"data": [{"index": 0, "probs": [0.25, 0.75], "num_classes": 2}]});
    assert!(close(one(Form::Classify, &activated).overall(), 0.75));
    let pooling = json!({"id": "pool-1", "object": "list", "model": "m",
        "data": [{"index": 0, "object": "pooling", "data": [12.5]}],
        "usage": {"prompt_tokens": 7}});
    assert!(close(one(Form::Pooling, &pooling).overall(), 12.5));
}

#[test]
fn sglang_classify_gives_an_embedding_of_one() {
    let body = json!([{"embedding": [2.5]}, {"embedding": [-1.0], "meta_info": {}}]);
    assert_eq!(
        overall(Form::SglangClassify, &["a", "b"], &body),
        [2.5, -1.0]
    );
    let single = json!({"embedding": [2.5]});
    assert_eq!(overall(Form::SglangClassify, &["a"], &single), [2.5]);
}

#[test]
fn tei_predict_keeps_the_order_of_its_inputs() {
    let body = json!([
        [{"label": "LABEL_0", "score": 2.5}],
        [{"label": "LABEL_1", "score": 3.0}, {"label": "LABEL_0", "score": -1.0}],
        [{"label": "LABEL_0", "score": 3.0}, {"label": "LABEL_1", "score": -1.0}]]);
    let scores = overall(Form::Predict, &["a", "b", "c"], &body);
    assert_eq!(scores, [2.5, 4.0, -4.0]);
    let five = json!([[
        {"label": "helpfulness", "score": 1.25}, {"label": "correctness", "score": 0.43},
        {"label": "coherence", "score": 3.16}, {"label": "complexity", "score": -0.14},
        {"label": "verbosity", "score": 0.5}]]);
    assert_is_the_five(&one(Form::Predict, &five));
}

#[test]
fn rerank_results_come_sorted_and_go_back_to_their_answers() {
    let body = json!({"model": "m", "object": "list", "usage": {"prompt_tokens": 9},
        "results": [{"index": 2, "relevance_score": 5.0}, {"index": 0, "relevance_score": 1.0},
            {"index": 1, "relevance_score": -2.0, "document": {"text": "b"}}]});
    assert_eq!(
        overall(Form::Rerank, &["a", "b", "c"], &body),
        [1.0, -2.0, 5.0]
    );
    let tei = json!([{"index": 1, "score": 0.5}, {"index": 0, "score": 0.25}]);
    assert_eq!(overall(Form::TeiRerank, &["a", "b"], &tei), [0.25, 0.5]);
}

#[test]
fn steps_are_reduced_as_the_judge_is_declared() {
    let answer = "First this.\n\nThen that.\n\nThe answer is 4.";
    let probabilities = json!([[0.1, 0.9], [0.5, 0.5], [0.2, 0.8]]);
    let logits = json!([
        [-1.0, 1.197_224_577_336_219_4],
        [0.0, 0.0],
        [0.0, 1.386_294_361_119_890_6]
    ]);
    for data in [probabilities, logits] {
        let body = json!({"data": [{"index": 0, "object": "pooling", "data": data}]}).to_string();
        for (reduction, expected) in [
            (Reduction::Min, 0.5),
            (Reduction::Product, 0.36),
            (Reduction::Last, 0.8),
        ] {
            let spec = JudgeSpec {
                reduction,
                ..spec()
            };
            let scores = Form::Process.parse(&spec, &[answer], body.as_bytes());
            let found = scores[0].as_ref().unwrap().overall();
            assert!(close(found, expected), "{reduction:?}: {found}");
        }
    }
}

#[test]
fn a_process_judge_is_sent_a_mark_after_each_step() {
    let case = Case::new(
        "2+2?",
        vec!["Two and two.\n\nThe answer is<extra_0> 4.".into()],
    );
    let answers: Vec<&str> = case.answers.iter().map(String::as_str).collect();
    let body = Form::Process.body(&spec(), &case, &answers);
    assert_eq!(
        body["messages"][1]["content"],
        json!("Two and two.<extra_0>The answer is 4.<extra_0>")
    );
    let own = JudgeSpec {
        step_mark: Some(" ки\n".into()),
        ..spec()
    };
    let body = Form::Process.body(&own, &case, &answers);
    let text = body["messages"][1]["content"].as_str().unwrap();
    assert_eq!(text.matches(" ки\n").count(), 2);
}
