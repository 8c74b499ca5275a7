//! Bodies and streams in the shapes of the providers' references, for the tests of the adapters.
#![allow(dead_code, reason = "each test file uses a part")]

use autodidact_core::{Message, ModelSpec, Prompt, ProviderKind};
use autodidact_providers::{
    Adapter, Call, Capabilities, ChatRequest, Framing, Parsed, ProviderError,
};

/// Every provider that is asked over the network.
pub(crate) const REMOTE: [ProviderKind; 12] = [
    ProviderKind::Openai,
    ProviderKind::Anthropic,
    ProviderKind::Gemini,
    ProviderKind::Mistral,
    ProviderKind::Nvidia,
    ProviderKind::Ollama,
    ProviderKind::Together,
    ProviderKind::Openrouter,
    ProviderKind::Vllm,
    ProviderKind::LlamaServer,
    ProviderKind::Sglang,
    ProviderKind::OpenaiCompatible,
];

/// A model, what it can do, and a request for it.
pub(crate) struct Case {
    pub(crate) spec: ModelSpec,
    pub(crate) capabilities: Capabilities,
    pub(crate) request: ChatRequest,
}

impl Case {
    pub(crate) fn new(provider: ProviderKind, model: &str) -> Self {
        Self::of(ModelSpec::new("m", provider, model))
    }

    pub(crate) fn of(spec: ModelSpec) -> Self {
        let prompt = Prompt::Chat(vec![Message::user("What is 6 * 7?")]);
        Self {
            capabilities: Capabilities::of(&spec),
            request: ChatRequest::new(prompt, 7, 256),
            spec,
        }
    }

    pub(crate) fn call(&self) -> Call<'_> {
        Call {
            spec: &self.spec,
            capabilities: &self.capabilities,
            request: &self.request,
        }
    }

    pub(crate) fn adapter(&self) -> Adapter {
        Adapter::of(&self.spec).unwrap()
    }

    pub(crate) fn body(&self) -> serde_json::Value {
        let wire = self.adapter().request(&self.call(), false).unwrap();
        serde_json::from_slice(&wire.body).unwrap()
    }

    pub(crate) fn parse(&self, body: &str) -> Result<Parsed, ProviderError> {
        self.adapter().parse(&self.call(), body.as_bytes())
    }

    /// Decodes what arrived of a stream. A piece without its end is not an event.
    pub(crate) fn stream(&self, arrived: &[u8]) -> Result<Parsed, ProviderError> {
        let mut decoder = self.adapter().decoder(&self.call());
        for (name, data) in events(self.adapter().framing(), arrived) {
            if decoder.is_done() {
                break;
            }
            decoder.event(&name, &data)?;
        }
        decoder.finish()
    }
}

/// The complete events of a stream, as simple as can be; the transport's own splitter has its own
/// tests.
fn events(framing: Framing, arrived: &[u8]) -> Vec<(String, String)> {
    let mark: &[u8] = match framing {
        Framing::Sse => b"\n\n",
        Framing::JsonLines => b"\n",
    };
    let mut events = Vec::new();
    let mut rest = arrived;
    while let Some(end) = rest.windows(mark.len()).position(|window| window == mark) {
        let block = String::from_utf8_lossy(&rest[..end]).into_owned();
        rest = &rest[end + mark.len()..];
        if framing == Framing::JsonLines {
            events.push((String::new(), block));
            continue;
        }
        let field = |name: &str| -> Vec<String> {
            let lines = block.lines().filter_map(|line| line.strip_prefix(name));
            lines.map(|value| value.trim_start().to_owned()).collect()
        };
        let data = field("data:");
        if !data.is_empty() {
            events.push((field("event:").join(""), data.join("\n")));
        }
    }
    events
}

/// A whole body of a good answer for each wire format.
pub(crate) fn whole_bodies() -> Vec<(ProviderKind, &'static str)> {
    vec![
        (ProviderKind::Openai, OPENAI),
        (ProviderKind::Vllm, VLLM),
        (ProviderKind::Mistral, MISTRAL),
        (ProviderKind::Together, TOGETHER),
        (ProviderKind::Anthropic, ANTHROPIC),
        (ProviderKind::Gemini, GEMINI),
        (ProviderKind::Ollama, OLLAMA),
    ]
}

/// A stream of a good answer for each wire format.
pub(crate) fn streams() -> Vec<(ProviderKind, &'static str)> {
    vec![
        (ProviderKind::Openai, OPENAI_STREAM),
        (ProviderKind::Mistral, MISTRAL_STREAM),
        (ProviderKind::Anthropic, ANTHROPIC_STREAM),
        (ProviderKind::Gemini, GEMINI_STREAM),
        (ProviderKind::Ollama, OLLAMA_STREAM),
    ]
}

pub(crate) const OPENAI: &str = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"gpt-4o-mini-2024-07-18","choices":[{"index":0,"message":{"role":"assistant","content":"6 * 7 = 42. The answer is 42.","refusal":null,"annotations":[]},"logprobs":{"content":[{"token":"6","logprob":-0.5,"bytes":[54],"top_logprobs":[]},{"token":" * 7","logprob":-0.25,"bytes":null,"top_logprobs":[]}],"refusal":null},"finish_reason":"stop"}],"usage":{"prompt_tokens":14,"completion_tokens":13,"total_tokens":27,"prompt_tokens_details":{"cached_tokens":8,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":4}},"service_tier":"default"}"#;

pub(crate) const VLLM: &str = r#"{"id":"chatcmpl-2","object":"chat.completion","model":"qwen","choices":[{"index":0,"message":{"role":"assistant","content":"42 ü","reasoning":"six times seven","tool_calls":[]},"logprobs":null,"finish_reason":"stop","stop_reason":"\nQ:"},{"index":1,"message":{"role":"assistant","content":"It is 42","reasoning_content":null},"finish_reason":"length","stop_reason":null}],"usage":{"prompt_tokens":14,"completion_tokens":20,"total_tokens":34,"prompt_tokens_details":null},"prompt_logprobs":null}"#;

pub(crate) const MISTRAL: &str = r#"{"id":"m-1","object":"chat.completion","model":"magistral-medium","choices":[{"index":0,"message":{"role":"assistant","tool_calls":null,"content":[{"type":"thinking","thinking":[{"type":"text","text":"six sevens"}],"closed":true},{"type":"text","text":"The answer is 42."}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":9,"total_tokens":19}}"#;

pub(crate) const TOGETHER: &str = r#"{"id":"t-1","object":"chat.completion","model":"meta-llama/x","prompt":[],"choices":[{"index":0,"seed":7,"finish_reason":"eos","message":{"role":"assistant","content":"42"},"logprobs":{"tokens":["4","2"],"token_logprobs":[-0.1,-0.2],"token_ids":[1,2]}}],"usage":{"prompt_tokens":10,"completion_tokens":2,"total_tokens":12}}"#;

pub(crate) const ANTHROPIC: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5-20250929","content":[{"type":"thinking","thinking":"six times seven","signature":"c2ln"},{"type":"text","text":"The answer is 42."}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":12,"cache_creation_input_tokens":3,"cache_read_input_tokens":5,"output_tokens":19,"service_tier":"standard"}}"#;

pub(crate) const GEMINI: &str = r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"six times seven","thought":true},{"text":"The answer "},{"text":"is 42."}]},"finishReason":"STOP","index":0,"avgLogprobs":-0.1,"logprobsResult":{"chosenCandidates":[{"token":"The","tokenId":1,"logProbability":-0.3},{"token":" answer","tokenId":2,"logProbability":-0.1}]}}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":7,"thoughtsTokenCount":11,"totalTokenCount":27},"modelVersion":"gemini-2.5-flash","responseId":"r-1"}"#;

pub(crate) const OLLAMA: &str = r#"{"model":"qwen3:0.6b","created_at":"2026-11-23T08:00:00Z","message":{"role":"assistant","content":"The answer is 42.","thinking":"six times seven"},"done":true,"done_reason":"stop","total_duration":5,"load_duration":1,"prompt_eval_count":14,"prompt_eval_duration":2,"eval_count":11,"eval_duration":3,"logprobs":[{"token":"The","logprob":-0.2,"bytes":[84],"top_logprobs":[]}]}"#;

pub(crate) const OPENAI_STREAM: &str = concat!(
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"model\":\"gpt-4o-mini\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}],\"usage\":null,\"obfuscation\":\"x9\"}\n\n",
    ": a comment\n\n",
    "data: {\"id\":\"c1\",\"choices\":[{\"index\":1,\"delta\":{\"role\":\"assistant\",\"content\":\"It \"},\"finish_reason\":null}],\"usage\":null}\n\n",
    "data: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"The answer é \"},\"finish_reason\":null}],\"usage\":null}\n\n",
    "data: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"is 42.\"},\"finish_reason\":null}],\"usage\":null}\n\n",
    "data: {\"id\":\"c1\",\"choices\":[{\"index\":1,\"delta\":{\"content\":\"is 42.\"},\"finish_reason\":null}],\"usage\":null}\n\n",
    "data: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}\n\n",
    "data: {\"id\":\"c1\",\"choices\":[{\"index\":1,\"delta\":{},\"finish_reason\":\"length\"}],\"usage\":null}\n\n",
    "data: {\"id\":\"c1\",\"choices\":[],\"usage\":{\"prompt_tokens\":14,\"completion_tokens\":12,\"total_tokens\":26}}\n\n",
    "data: [DONE]\n\n",
);

pub(crate) const MISTRAL_STREAM: &str = concat!(
    "data: {\"id\":\"m\",\"object\":\"chat.completion.chunk\",\"model\":\"mistral-small\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"m\",\"model\":\"mistral-small\",\"choices\":[{\"index\":0,\"delta\":{\"content\":[{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\",\"text\":\"hm\"}]}]},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"m\",\"model\":\"mistral-small\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"The answer is \"},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"m\",\"model\":\"mistral-small\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"42.\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":14,\"completion_tokens\":12,\"total_tokens\":26}}\n\n",
    "data: [DONE]\n\n",
);

pub(crate) const ANTHROPIC_STREAM: &str = concat!(
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-sonnet-4-5\",\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":12,\"cache_read_input_tokens\":5,\"output_tokens\":1}}}\n\n",
    "event: ping\ndata: {\"type\":\"ping\"}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"six sevens\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"signature_delta\",\"signature\":\"c2ln\"}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"text_delta\",\"text\":\"The answer \"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"text_delta\",\"text\":\"is 42.\"}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":1}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":15}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);

pub(crate) const GEMINI_STREAM: &str = concat!(
    "data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"six sevens\",\"thought\":true}]},\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":9},\"modelVersion\":\"gemini-2.5-flash\"}\n\n",
    "data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"The answer \"}]},\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":9,\"candidatesTokenCount\":3}}\n\n",
    "data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"is 42.\"}]},\"finishReason\":\"STOP\",\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":9,\"candidatesTokenCount\":7,\"thoughtsTokenCount\":4,\"totalTokenCount\":20}}\n\n",
);

pub(crate) const OLLAMA_STREAM: &str = concat!(
    "{\"model\":\"qwen3:0.6b\",\"created_at\":\"2026\",\"message\":{\"role\":\"assistant\",\"content\":\"\",\"thinking\":\"six sevens\"},\"done\":false}\n",
    "{\"model\":\"qwen3:0.6b\",\"created_at\":\"2026\",\"message\":{\"role\":\"assistant\",\"content\":\"The answer \"},\"done\":false}\n",
    "{\"model\":\"qwen3:0.6b\",\"created_at\":\"2026\",\"message\":{\"role\":\"assistant\",\"content\":\"is 42.\"},\"done\":false}\n",
    "{\"model\":\"qwen3:0.6b\",\"created_at\":\"2026\",\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_count\":14,\"eval_count\":9}\n",
);
