//! How a task writes its questions down. Rendering itself lives in `star/prompt.rs`.

use serde::{Deserialize, Serialize};

/// Where the hint of a rationalization goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HintPlace {
    /// Directly after the question text (GSM8K in the STaR code).
    AfterQuestion,
    /// After `before_answer`, where the rationale would begin (addition in the STaR code).
    AfterAnswerMark,
    /// As a ` (CORRECT)` suffix on the right choice's line (CommonsenseQA in the STaR code).
    OnChoice,
}

/// The literal text around questions and answers of a task's few-shot prompt.
///
/// A problem renders as `before_question + question + choices + before_answer`, the model then
/// writes `completion_lead + rationale`, and examples are joined by `separator`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptFormat {
    /// Text before the question, for instance `Q: `.
    pub before_question: String,
    /// Text between the question and the answer, for instance `\nA:`.
    pub before_answer: String,
    /// What separates the answer mark from the rationale: a space, so that the tokenizer sees a
    /// word with its leading space, or nothing.
    pub completion_lead: String,
    /// Text between two examples.
    pub separator: String,
    /// The hint, with `{hint}` where the answer goes.
    pub hint: String,
    /// Where the hint is placed.
    pub hint_place: HintPlace,
    /// Texts at which sampling from the few-shot prompt stops (they are not part of the sample).
    pub stop: Vec<String>,
}

impl Default for PromptFormat {
    /// The `Q:`/`A:` format of the STaR paper's appendices.
    fn default() -> Self {
        Self {
            before_question: "Q: ".into(),
            before_answer: "\nA:".into(),
            completion_lead: " ".into(),
            separator: "\n\n".into(),
            hint: " (the answer is {hint})".into(),
            hint_place: HintPlace::AfterQuestion,
            stop: vec!["\nQ:".into(), "\n\n".into()],
        }
    }
}

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// The text.
    pub content: String,
}

impl Message {
    /// A user's turn.
    pub fn user(content: impl Into<String>) -> Self {
        Self {
            role: "user".into(),
            content: content.into(),
        }
    }

    /// The assistant's turn.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self {
            role: "assistant".into(),
            content: content.into(),
        }
    }
}

/// What a model is asked: text to continue, or a conversation to answer. In JSON a string or an
/// array of messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Prompt {
    /// Text that the model continues.
    Text(String),
    /// A conversation that the model's chat template writes down.
    Chat(Vec<Message>),
}
