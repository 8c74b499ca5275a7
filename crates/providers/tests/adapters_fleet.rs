//! The adapters against a fleet of mock providers that refuse what the real ones refuse.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

use autodidact_core::{Message, ModelSpec, OneOrMany, Prompt, ProviderKind, Usd};
use autodidact_providers::{
    ApiKey, Budget, ChatModel, ChatRequest, ErrorClass, Finish, PriceTable, RemoteModel,
};
use autodidact_testkit::{Act, Fleet, Received, Reply, Server};

const KEY: &str = "sk-fleet-0123456789";

/// A model of each provider, and what stands after the server's address in its base URL.
const MODELS: [(ProviderKind, &str, &str); 11] = [
    (ProviderKind::Openai, "gpt-4o-mini", "/v1"),
    (ProviderKind::Openai, "o3-mini", "/v1"),
    (ProviderKind::Anthropic, "claude-sonnet-4-5", ""),
    (ProviderKind::Anthropic, "claude-opus-4-6", ""),
    (ProviderKind::Gemini, "gemini-2.5-flash", ""),
    (ProviderKind::Mistral, "mistral-small-2506", "/v1"),
    (ProviderKind::Ollama, "qwen3:0.6b", ""),
    (ProviderKind::Vllm, "Qwen/Qwen2.5-7B-Instruct", "/v1"),
    (
        ProviderKind::Together,
        "Qwen/Qwen2.5-7B-Instruct-Turbo",
        "/v1",
    ),
    (ProviderKind::LlamaServer, "local-gguf", "/v1"),
    (ProviderKind::OpenaiCompatible, "anything", "/v1"),
];

async fn fleet() -> Server {
    let fleet = Fleet::new().with_keys([KEY]);
    Server::start(move |request: &Received| fleet.act(request))
        .await
        .unwrap()
}

fn model(
    server: &Server,
    (provider, name, path): (ProviderKind, &str, &str),
    stream: bool,
) -> RemoteModel {
    let mut spec = ModelSpec::new("m", provider, name);
    spec.base_url = OneOrMany::One(format!("{}{path}", server.url()));
    spec.stream = stream;
    spec.limits.attempts = 1;
    RemoteModel::new(spec, Some(ApiKey::new(KEY)), &PriceTable::builtin()).unwrap()
}

fn question(provider: ProviderKind, n: usize) -> ChatRequest {
    let system = Message {
        role: "system".into(),
        content: "Reason step by step.".into(),
    };
    let prompt = Prompt::Chat(vec![system, Message::user("What is 17 * 23?")]);
    let mut request = ChatRequest::new(prompt, 1, 512);
    request.seeds = (1..=n as u64).collect();
    request.stop = vec!["\nQ:".into(), "\n\n\n".into()];
    // The fleet does not speak Together's own form of them; `reply_shapes` does.
    request.logprobs = provider != ProviderKind::Together;
    request.top_p = 0.95;
    request
}

fn unlimited() -> Budget {
    Budget::new(None, Usd::ZERO)
}

#[tokio::test]
async fn every_provider_answers_whole_and_in_pieces() {
    let server = fleet().await;
    let mut asked = 0;
    for entry in MODELS {
        for stream in [false, true] {
            let model = model(&server, entry, stream);
            let budget = unlimited();
            let request = question(entry.0, 1);
            let answered = model.ask(&request, &budget).await;
            let answered = answered.unwrap_or_else(|error| {
                unreachable!("{} {} stream {stream}: {error}", entry.0, entry.1)
            });
            asked += 1;
            let reply = &answered.replies[0];
            assert!(reply.finish.is_answer(), "{}: {reply:?}", entry.0);
            assert!(
                reply.text.contains("The answer is"),
                "{}: {reply:?}",
                entry.0
            );
            let counts = answered
                .usage
                .is_some_and(|usage| usage.input > 0 && usage.output > 0);
            // An unknown server is not asked to count in a stream, which it might refuse; Together
            // counts unasked, which its stand-in does not know.
            let unasked = [ProviderKind::OpenaiCompatible, ProviderKind::Together];
            let asked_to = !stream || !unasked.contains(&entry.0);
            assert!(counts || !asked_to, "{} {}", entry.0, entry.1);
            let given = model.capabilities().logprobs && request.logprobs;
            assert_eq!(
                reply.logprob.is_some(),
                given,
                "{} {} {stream}",
                entry.0,
                entry.1
            );
            let most = model.most(&request);
            assert_eq!(answered.cost.is_some(), most.is_some());
            assert!(answered.cost <= most, "{}: more than was reserved", entry.0);
            assert_eq!(Some(budget.committed()), answered.cost.or(Some(Usd::ZERO)));
        }
    }
    println!("provider and way: {asked}, answered: {asked}");
}

#[tokio::test]
async fn several_answers_come_from_one_request_where_n_is_known() {
    let server = fleet().await;
    for entry in MODELS {
        for stream in [false, true] {
            let model = model(&server, entry, stream);
            let wanted = model.capabilities().n.min(4);
            let request = question(entry.0, wanted as usize);
            let before = server.count();
            let answered = model.ask(&request, &unlimited()).await.unwrap();
            assert_eq!(answered.replies.len(), wanted as usize, "{}", entry.0);
            assert_eq!(server.count() - before, 1);
        }
    }
}

#[tokio::test]
async fn an_answer_is_continued_where_that_is_known() {
    let server = fleet().await;
    for entry in MODELS {
        let model = model(&server, entry, false);
        let mut request = question(entry.0, 1);
        request.prefill = Some("Let me think.".into());
        let result = model.ask(&request, &unlimited()).await;
        if model.capabilities().prefill {
            let answered = result.unwrap();
            let text = &answered.replies[0].text;
            assert!(text.starts_with("Let me think."), "{}: {text}", entry.0);
            assert_eq!(
                text.matches("Let me think.").count(),
                1,
                "{}: {text}",
                entry.0
            );
        } else {
            assert_eq!(
                result.unwrap_err().class,
                ErrorClass::BadRequest,
                "{}",
                entry.0
            );
        }
    }
}

#[tokio::test]
async fn a_missing_key_is_named_before_anything_is_sent_and_a_wrong_one_is_found() {
    let spec = ModelSpec::new("m", ProviderKind::Openai, "gpt-4o-mini");
    let error = RemoteModel::new(spec, None, &PriceTable::builtin()).unwrap_err();
    assert_eq!(error.class, ErrorClass::Key);
    assert!(error.to_string().contains("OPENAI_API_KEY"), "{error}");

    let server = fleet().await;
    for entry in MODELS
        .iter()
        .filter(|entry| autodidact_providers::key_required(entry.0))
    {
        let mut spec = ModelSpec::new("m", entry.0, entry.1);
        spec.base_url = OneOrMany::One(format!("{}{}", server.url(), entry.2));
        let wrong = Some(ApiKey::new("sk-wrong"));
        let model = RemoteModel::new(spec, wrong, &PriceTable::builtin()).unwrap();
        let budget = unlimited();
        let error = model.ask(&question(entry.0, 1), &budget).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Key, "{}: {error}", entry.0);
        assert_eq!(budget.committed(), Usd::ZERO);
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_asked_for_once_more_and_stays_paid() {
    let lies = Server::start(|request: &Received| {
        if request.number == 0 {
            return Act::Answer(Reply::json(200, &serde_json::json!({"choices": []})));
        }
        Act::Answer(Reply::json(200, &serde_json::json!({"model": "other", "choices":
            [{"message": {"content": "42"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": -1}})))
    })
    .await
    .unwrap();
    let model = model(&lies, (ProviderKind::Openai, "gpt-4o-mini", "/v1"), false);
    let budget = unlimited();
    let request = question(ProviderKind::Openai, 1);
    let answered = model.ask(&request, &budget).await.unwrap();
    assert_eq!(lies.count(), 2);
    assert_eq!((answered.model.as_str(), answered.usage), ("other", None));
    assert_eq!(answered.replies[0].finish, Finish::EndOfText);
    let most = model.most(&request).unwrap();
    assert_eq!(
        answered.cost,
        Some(most),
        "without usage the whole reservation"
    );
    assert_eq!(
        budget.committed(),
        most + most,
        "the unreadable one may be charged"
    );
}

#[tokio::test]
async fn a_model_that_is_always_unreadable_is_malformed_after_two_readings() {
    let lies = Server::start(|_: &Received| Act::Answer(Reply::json(200, &serde_json::json!({}))))
        .await
        .unwrap();
    for entry in MODELS {
        let model = model(&lies, entry, false);
        lies.forget();
        let error = model
            .ask(&question(entry.0, 1), &unlimited())
            .await
            .unwrap_err();
        assert_eq!(error.class, ErrorClass::Malformed, "{}", entry.0);
        assert_eq!(lies.count(), 2, "{}", entry.0);
    }
}

#[tokio::test]
async fn an_error_of_the_provider_behind_a_gateway_is_asked_for_once_more() {
    let gateway = Server::start(|request: &Received| {
        let body = match request.number {
            0 => serde_json::json!({"error": {"code": 502, "message": "upstream is away"}}),
            _ => serde_json::json!({"choices": [{"message": {"content": "42"}, "finish_reason": "stop"}]}),
        };
        Act::Answer(Reply::json(200, &body))
    })
    .await
    .unwrap();
    let entry = (ProviderKind::Openrouter, "x/y", "/api/v1");
    let model = model(&gateway, entry, false);
    let request = question(entry.0, 1);
    let answered = model.ask(&request, &unlimited()).await.unwrap();
    assert_eq!(
        (answered.replies[0].text.as_str(), gateway.count()),
        ("42", 2)
    );

    let money = Server::start(|_: &Received| {
        let error = serde_json::json!({"error": {"code": 402, "message": "no credit"}});
        Act::Answer(Reply::json(200, &error))
    })
    .await
    .unwrap();
    let model = self::model(&money, entry, false);
    let error = model.ask(&request, &unlimited()).await.unwrap_err();
    assert_eq!((error.class, money.count()), (ErrorClass::Money, 1));
}
