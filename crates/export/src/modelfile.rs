//! Ollama's Modelfile: how the student is asked, as a Go template.

use autodidact_core::{Message, PromptStyle};
use autodidact_engine::ChatTemplate;

use crate::run_facts::RunFacts;

/// How a Modelfile says what a prompt looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelfileTemplate {
    /// A Go template that writes the same text.
    Go(String),
    /// The template in the model file does something that a Go template made of turns does not;
    /// Ollama's own reading of the model file is left to decide.
    Unrepresentable,
}

/// The texts around each turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Turns {
    /// Stands first where there is no system message.
    default_system: String,
    /// Around a system message; `None` if the template refuses one.
    system: Option<(String, String)>,
    user: (String, String),
    assistant: (String, String),
    /// Opens the answer.
    open: String,
}

const SYSTEM: &str = "SYSTEMTEXT";
const USER: &str = "USERTEXT";
const ASSISTANT: &str = "ASSISTANTTEXT";
const SECOND: &str = "SECONDTEXT";

/// Finds the Go template that writes what a chat template writes, by rendering conversations and
/// looking at what stands around their texts; other conversations then check it.
///
/// `begin` is what the tokenizer itself puts before a text, which Ollama's does too.
pub fn template_of(template: &ChatTemplate, begin: &str) -> ModelfileTemplate {
    match Turns::find(template, begin) {
        Some(turns) if turns.reproduces(template, begin) => turns
            .go()
            .map_or(ModelfileTemplate::Unrepresentable, ModelfileTemplate::Go),
        _ => ModelfileTemplate::Unrepresentable,
    }
}

fn system(content: &str) -> Message {
    Message {
        role: "system".into(),
        content: content.into(),
    }
}

/// A conversation as text, without what the tokenizer puts before it.
fn render(
    template: &ChatTemplate,
    begin: &str,
    messages: &[Message],
    open: bool,
) -> Option<String> {
    let text = template.render(messages, open).ok()?;
    Some(text.strip_prefix(begin).unwrap_or(&text).to_owned())
}

impl Turns {
    fn find(template: &ChatTemplate, begin: &str) -> Option<Self> {
        let user = Message::user(USER);
        let closed = render(template, begin, std::slice::from_ref(&user), false)?;
        let opened = render(template, begin, std::slice::from_ref(&user), true)?;
        let (head, after_user) = closed.split_once(USER)?;
        let open = opened.strip_prefix(closed.as_str())?;
        let three = [
            user.clone(),
            Message::assistant(ASSISTANT),
            Message::user(SECOND),
        ];
        let long = render(template, begin, &three, true)?;
        let (_, rest) = long.split_once(USER)?;
        let (before_assistant, rest) = rest.split_once(ASSISTANT)?;
        let (between, _) = rest.split_once(SECOND)?;
        let before_assistant = before_assistant.strip_prefix(after_user)?;
        let two = [system(SYSTEM), user];
        let with_system = render(template, begin, &two, true);
        let around_system = with_system.as_deref().and_then(|text| {
            let (before, rest) = text.split_once(SYSTEM)?;
            Some((before, rest.split_once(USER)?.0))
        });
        // What opens a user's turn ends everything that may stand before one.
        let mut opens_user = common_end(head, between);
        if let Some((_, after_system)) = around_system {
            opens_user = common_end(opens_user, after_system);
        }
        // What ends a turn belongs to the turn before.
        let opens_user = match opens_user.strip_prefix(after_user) {
            Some(rest) if !after_user.is_empty() && !rest.is_empty() => rest,
            _ => opens_user,
        };
        let without = |text: &str| text.strip_suffix(opens_user).map(str::to_owned);
        Some(Self {
            default_system: without(head)?,
            system: match around_system {
                Some((before, after)) => Some((before.to_owned(), without(after)?)),
                None => None,
            },
            user: (opens_user.to_owned(), after_user.to_owned()),
            assistant: (before_assistant.to_owned(), without(between)?),
            open: open.to_owned(),
        })
    }

    /// What the Go template writes.
    fn write(&self, messages: &[Message]) -> Option<String> {
        let mut text = String::new();
        if !messages.iter().any(|m| m.role == "system") {
            text += &self.default_system;
        }
        for message in messages {
            let (before, after) = match message.role.as_str() {
                "system" => self.system.as_ref()?,
                "user" => &self.user,
                _ => &self.assistant,
            };
            text += before;
            text += &message.content;
            text += after;
        }
        Some(text + &self.open)
    }

    fn reproduces(&self, template: &ChatTemplate, begin: &str) -> bool {
        let (user, assistant) = (Message::user, |text: &str| Message::assistant(text));
        let mut conversations = vec![
            vec![user("What is 2 + 2?")],
            vec![user("a"), assistant("b"), user("c")],
            vec![
                user("a"),
                assistant("b"),
                user("c"),
                assistant("d\n\ne"),
                user("f"),
            ],
        ];
        if self.system.is_some() {
            conversations.push(vec![system("Be brief."), user("a")]);
            conversations.push(vec![system("s"), user("a"), assistant("b"), user("c")]);
        }
        conversations.iter().all(|conversation| {
            let theirs = render(template, begin, conversation, true);
            theirs.is_some() && theirs == self.write(conversation)
        })
    }

    /// The Go template; `None` if a text in it would be read as one.
    fn go(&self) -> Option<String> {
        let mut texts = vec![&self.default_system, &self.open];
        texts.extend(self.system.iter().flat_map(|(a, b)| [a, b]));
        texts.extend([&self.user.0, &self.user.1]);
        texts.extend([&self.assistant.0, &self.assistant.1]);
        let unsafe_text =
            |t: &&String| t.contains("{{") || t.contains("}}") || t.contains("\"\"\"");
        if texts.iter().any(unsafe_text) {
            return None;
        }
        let mut go = String::new();
        if !self.default_system.is_empty() {
            go += &format!(
                "{{{{ if not .System }}}}{}{{{{ end }}}}",
                self.default_system
            );
        }
        go += "{{ range $i, $_ := .Messages }}{{ $last := eq (len (slice $.Messages $i)) 1 }}";
        if let Some((before, after)) = &self.system {
            go += &format!(
                "{{{{ if eq .Role \"system\" }}}}{before}{{{{ .Content }}}}{after}{{{{ end }}}}"
            );
        }
        let (before, after) = &self.user;
        go += &format!(
            "{{{{ if eq .Role \"user\" }}}}{before}{{{{ .Content }}}}{after}{{{{ end }}}}"
        );
        let (before, after) = &self.assistant;
        go += &format!(
            "{{{{ if eq .Role \"assistant\" }}}}{before}{{{{ .Content }}}}{{{{ if not $last }}}}{after}{{{{ end }}}}{{{{ end }}}}"
        );
        go += &format!(
            "{{{{ if and (ne .Role \"assistant\") $last }}}}{}{{{{ end }}}}{{{{ end }}}}",
            self.open
        );
        Some(go)
    }
}

/// True for what a Go template, or a Modelfile, would read as something else.
fn is_unsafe(text: &str) -> bool {
    ["{{", "}}", "\"\"\""]
        .iter()
        .any(|mark| text.contains(mark))
}

/// The longest common end of two texts.
fn common_end<'a>(a: &'a str, b: &str) -> &'a str {
    let pairs = a.char_indices().rev().zip(b.chars().rev());
    let common = pairs.take_while(|((_, x), y)| x == y);
    let start = common.last().map_or(a.len(), |((at, _), _)| at);
    a.get(start..).unwrap_or_default()
}

/// A value of a Modelfile: plain, or between three quotes where it has line breaks or quotes.
fn quoted(text: &str) -> String {
    if text.contains(['\n', '"']) {
        format!("\"\"\"{text}\"\"\"")
    } else {
        format!("\"{text}\"")
    }
}

/// The Modelfile of a model file, or of a base and its adapter.
pub(crate) fn modelfile(
    facts: &RunFacts,
    from: &str,
    adapter: Option<&str>,
    template: &ModelfileTemplate,
) -> String {
    let mut text = format!(
        "# Written by autodidact {} from the run `{}`. Use: ollama create NAME -f Modelfile\n",
        env!("CARGO_PKG_VERSION"),
        facts.name
    );
    text += &format!("FROM ./{from}\n");
    if let Some(adapter) = adapter {
        text += &format!("ADAPTER ./{adapter}\n");
    }
    let spec = &facts.spec;
    match template {
        ModelfileTemplate::Go(go) => text += &format!("TEMPLATE \"\"\"{go}\"\"\"\n"),
        ModelfileTemplate::Unrepresentable => {
            text += "# The model's own chat template cannot be said as a TEMPLATE; Ollama reads it from the file.\n";
        }
    }
    text += &format!("PARAMETER temperature {}\n", spec.evaluate.temperature);
    let longest = spec.evaluate.max_tokens.unwrap_or(spec.sample.max_tokens);
    text += &format!("PARAMETER num_predict {longest}\n");
    if spec.student.prompt == PromptStyle::Text {
        // Three quotes cannot stand in a Modelfile's text, nor one at its end.
        let sayable = |stop: &&String| !stop.contains("\"\"\"") && !stop.ends_with('"');
        for stop in facts.prompt_format.stop.iter().filter(sayable) {
            text += &format!("PARAMETER stop {}\n", quoted(stop));
        }
    }
    text
}

/// The template of a student that is asked in plain text.
pub(crate) fn text_template(facts: &RunFacts) -> ModelfileTemplate {
    let format = &facts.prompt_format;
    let parts = [&format.before_question, &format.before_answer];
    if parts.into_iter().any(|part| is_unsafe(part)) || format.before_answer.ends_with('"') {
        return ModelfileTemplate::Unrepresentable;
    }
    let [before, after] = parts;
    ModelfileTemplate::Go(format!("{before}{{{{ .Prompt }}}}{after}"))
}
