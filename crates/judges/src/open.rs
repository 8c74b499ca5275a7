//! From a judge's declaration to a judge.

use std::sync::Arc;

use autodidact_core::{JudgeKind, JudgeSpec, ProviderKind};
use autodidact_providers::{
    ApiKey, Auth, ChatModel, Endpoint, ErrorClass, PriceTable, ProviderError, default_base_url,
    key_needed, key_variable,
};

use crate::judge::Judge;
use crate::pairwise::PairwiseJudge;
use crate::remote::{Form, RemoteJudge};
use crate::rubric::RubricJudge;

/// Opens a judge by its kind. Rubric and pairwise ask `chat`, which is [`JudgeSpec::as_model`]; the
/// others get an endpoint of their own with `key`.
pub fn open(
    spec: &JudgeSpec,
    key: Option<ApiKey>,
    prices: &PriceTable,
    chat: Option<Arc<dyn ChatModel>>,
) -> Result<Arc<dyn Judge>, ProviderError> {
    let Some(form) = form(spec) else {
        let chat =
            chat.ok_or_else(|| declaration(spec, "a judge of this kind needs a chat model"))?;
        return Ok(match spec.kind() {
            JudgeKind::Pairwise => Arc::new(PairwiseJudge::new(spec.clone(), chat)),
            _ => Arc::new(RubricJudge::new(spec.clone(), chat)),
        });
    };
    let model = spec.as_model();
    if key.is_none() && key_needed(&model) {
        return Err(missing_key(spec, key_variable(&model)));
    }
    let urls: Vec<String> = base_urls(spec)?
        .iter()
        .map(|url| form.base_url(url))
        .collect();
    let endpoint = Endpoint::new(&spec.name, &urls, Auth::Bearer, key, &spec.limits)?;
    let price = prices.price(&model);
    let judge = RemoteJudge::new(spec.clone(), form, endpoint, price);
    Ok(Arc::new(judge))
}

/// `None` for judges that are chat models.
fn form(spec: &JudgeSpec) -> Option<Form> {
    Some(match (spec.kind(), spec.provider) {
        (JudgeKind::Rubric | JudgeKind::Pairwise, _) => return None,
        (JudgeKind::Nemotron, _) => Form::Nemotron,
        (JudgeKind::Classify, ProviderKind::Sglang) => Form::SglangClassify,
        (JudgeKind::Classify, _) => Form::Classify,
        (JudgeKind::Pooling, _) => Form::Pooling,
        (JudgeKind::Process, _) => Form::Process,
        (JudgeKind::Predict, _) => Form::Predict,
        (JudgeKind::Rerank, ProviderKind::Tei) => Form::TeiRerank,
        (JudgeKind::Rerank, _) => Form::Rerank,
    })
}

/// As declared, or where the provider usually is, if it serves reward models at all.
fn base_urls(spec: &JudgeSpec) -> Result<Vec<String>, ProviderError> {
    let declared = spec.base_url.as_slice();
    if !declared.is_empty() {
        return Ok(declared.to_vec());
    }
    let serves_rewards = matches!(
        spec.provider,
        ProviderKind::Nvidia
            | ProviderKind::Vllm
            | ProviderKind::LlamaServer
            | ProviderKind::Sglang
            | ProviderKind::Tei
    );
    let usual = default_base_url(spec.provider).filter(|_| serves_rewards);
    match usual {
        Some(url) => Ok(vec![url.to_owned()]),
        None => Err(declaration(
            spec,
            "nobody knows where this reward model is served; give `base_url`",
        )),
    }
}

fn missing_key(spec: &JudgeSpec, variable: Option<&str>) -> ProviderError {
    let message = match variable {
        Some(variable) => format!("there is no key: {variable} is not set"),
        None => "there is no key".to_owned(),
    };
    ProviderError::new(&spec.name, ErrorClass::Key, message)
}

fn declaration(spec: &JudgeSpec, message: &str) -> ProviderError {
    ProviderError::new(&spec.name, ErrorClass::Declaration, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class_of(spec: &JudgeSpec, key: Option<ApiKey>) -> Option<ErrorClass> {
        let opened = open(spec, key, &PriceTable::builtin(), None);
        opened.err().map(|error| error.class)
    }

    #[test]
    fn a_judge_without_what_it_needs_is_refused() {
        let mut spec = JudgeSpec::new("j", ProviderKind::OpenaiCompatible, "m");
        let no_chat_model = class_of(&spec, None);
        assert_eq!(no_chat_model, Some(ErrorClass::Declaration));
        spec.kind = Some(JudgeKind::Classify);
        let no_address = class_of(&spec, None);
        assert_eq!(no_address, Some(ErrorClass::Declaration));
        let nvidia = JudgeSpec::new("j", ProviderKind::Nvidia, "m");
        assert_eq!(class_of(&nvidia, None), Some(ErrorClass::Key));
    }

    #[test]
    fn every_kind_of_reward_model_opens_at_its_usual_address() {
        for (provider, kind) in [
            (ProviderKind::Nvidia, JudgeKind::Nemotron),
            (ProviderKind::Vllm, JudgeKind::Classify),
            (ProviderKind::Vllm, JudgeKind::Pooling),
            (ProviderKind::Vllm, JudgeKind::Process),
            (ProviderKind::Sglang, JudgeKind::Classify),
            (ProviderKind::Tei, JudgeKind::Predict),
            (ProviderKind::Tei, JudgeKind::Rerank),
            (ProviderKind::LlamaServer, JudgeKind::Rerank),
        ] {
            let mut spec = JudgeSpec::new("j", provider, "m");
            spec.kind = Some(kind);
            let class = class_of(&spec, Some(ApiKey::new("k")));
            assert_eq!(class, None, "{provider} {kind:?}");
        }
    }
}
