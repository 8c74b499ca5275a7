//! `/v1/rerank` of llama-server and vLLM, `/rerank` of Text Embeddings Inference: the question is
//! the query, the answers are the documents.
//!
//! Results come sorted by score; only `index` tells which answer is meant.

use autodidact_core::Scores;
use serde_json::{Value, json};

use crate::judge::{Case, Unscored, excerpt};

pub(crate) const PATH: &str = "/v1/rerank";
pub(crate) const TEI_PATH: &str = "/rerank";

pub(crate) fn body(model: &str, case: &Case, answers: &[&str]) -> Value {
    json!({
        "model": model,
        "query": case.question_text(),
        "documents": answers,
        "top_n": answers.len(),
    })
}

pub(crate) fn tei_body(case: &Case, answers: &[&str]) -> Value {
    json!({
        "query": case.question_text(),
        "texts": answers,
        "raw_scores": true,
        "truncate": true,
    })
}

/// `{"results":[{"index","relevance_score"},…]}`.
pub(crate) fn parse(reply: &Value, asked: usize) -> Vec<Result<Scores, Unscored>> {
    by_index(&reply["results"], "relevance_score", asked)
}

/// `[{"index","score"},…]`.
pub(crate) fn parse_tei(reply: &Value, asked: usize) -> Vec<Result<Scores, Unscored>> {
    by_index(reply, "score", asked)
}

fn by_index(results: &Value, field: &str, asked: usize) -> Vec<Result<Scores, Unscored>> {
    let malformed = |text: String| vec![Err(Unscored::Malformed(text)); asked];
    let Some(results) = results.as_array() else {
        return malformed(format!("no results in {}", excerpt(&results.to_string())));
    };
    let absent = Unscored::Malformed("no result has this answer's index".into());
    let mut scores = vec![Err(absent); asked];
    let mut seen = vec![false; asked];
    for result in results {
        let index = result["index"]
            .as_u64()
            .and_then(|i| usize::try_from(i).ok());
        let Some(index) = index.filter(|i| *i < asked && !seen[*i]) else {
            // An index that is wrong once may be wrong everywhere.
            return malformed(format!(
                "index {} is no answer's or comes twice",
                excerpt(&result["index"].to_string())
            ));
        };
        seen[index] = true;
        scores[index] = match result[field].as_f64() {
            Some(score) => Scores::only_overall(score).map_err(Unscored::from),
            None => Err(Unscored::Malformed(format!(
                "{} where a number should be",
                excerpt(&result[field].to_string())
            ))),
        };
    }
    scores
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_that_make_no_sense_spoil_the_whole_reply() {
        for index in [json!(1), json!(-1), json!(0.5), json!("0"), json!(null)] {
            let reply = json!({"results": [
                {"index": 1, "relevance_score": 1.0},
                {"index": index, "relevance_score": 2.0}]});
            let scores = parse(&reply, 2);
            assert!(scores.iter().all(Result::is_err), "{index}");
        }
        let missing = json!({"results": [{"index": 1, "relevance_score": 1.0}]});
        let scores = parse(&missing, 2);
        assert!(scores[0].is_err() && scores[1].is_ok());
    }
}
