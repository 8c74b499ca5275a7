//! Chat templates: Jinja from the model file, which is untrusted and therefore runs on an
//! allowance.

use std::collections::BTreeMap;
use std::io;

use aho_corasick::AhoCorasick;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Kwargs;
use minijinja::{Environment, Error, ErrorKind, context};
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter};

use autodidact_core::Message;

use crate::gguf::GgufFile;
use crate::{EngineError, Tokenizer};

/// Instructions a template may execute; real ones need a few thousand.
const FUEL: u64 = 2_000_000;
/// Longest text a template may write, in bytes.
const LONGEST: usize = 16 << 20;
/// Put into control tokens that stand in a message: a space of no width.
const BREAK: char = '\u{200b}';

/// A compiled chat template.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    bos: String,
    eos: String,
    /// Finds control tokens in messages.
    control: AhoCorasick,
}

impl ChatTemplate {
    pub(crate) fn from_gguf(
        file: &GgufFile,
        tokenizer: &Tokenizer,
    ) -> Result<Option<Self>, EngineError> {
        let Some(source) = file
            .value("tokenizer.chat_template")
            .and_then(|v| v.as_text())
        else {
            return Ok(None);
        };
        Self::of(source, tokenizer).map(Some)
    }

    /// Compiles a template whose texts go to this tokenizer.
    pub fn of(source: &str, tokenizer: &Tokenizer) -> Result<Self, EngineError> {
        let text = |id: Option<u32>| {
            id.and_then(|id| tokenizer.special_text(id))
                .unwrap_or_default()
                .to_owned()
        };
        Self::new(
            source,
            text(tokenizer.bos()),
            text(Some(tokenizer.end_of_text())),
            tokenizer.control_texts(),
        )
    }

    fn new(
        source: &str,
        bos: String,
        eos: String,
        control: &[String],
    ) -> Result<Self, EngineError> {
        let mut environment = Environment::new();
        environment.set_fuel(Some(FUEL));
        let mut syntax = SyntaxConfig::builder();
        syntax.trim_blocks(true).lstrip_blocks(true);
        environment.set_syntax(
            syntax
                .build()
                .map_err(|e| EngineError::ChatTemplate(e.to_string()))?,
        );
        environment
            .set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function(
            "raise_exception",
            |message: String| -> Result<String, Error> {
                Err(Error::new(ErrorKind::InvalidOperation, message))
            },
        );
        environment.add_function("strftime_now", |format: String| date(&format));
        environment.add_filter("tojson", to_json);
        environment
            .add_template_owned("chat", source.to_owned())
            .map_err(|e| EngineError::ChatTemplate(e.to_string()))?;
        Ok(Self {
            environment,
            bos,
            eos,
            control: AhoCorasick::new(control)
                .map_err(|e| EngineError::ChatTemplate(e.to_string()))?,
        })
    }

    /// Renders a conversation. With `open_answer` the text ends where the assistant's next turn
    /// begins. Control tokens inside the messages are broken up with a zero-width space first, so
    /// that a question can never end the user's turn.
    pub fn render(&self, messages: &[Message], open_answer: bool) -> Result<String, EngineError> {
        let messages: Vec<BTreeMap<&str, String>> = messages
            .iter()
            .map(|m| {
                [
                    ("role", m.role.clone()),
                    ("content", self.defuse(&m.content)),
                ]
                .into()
            })
            .collect();
        let template = self.environment.get_template("chat");
        let rendered = template.and_then(|t| {
            t.render(context! {
                messages,
                bos_token => self.bos.clone(),
                eos_token => self.eos.clone(),
                add_generation_prompt => open_answer,
            })
        });
        let text = rendered.map_err(|e| EngineError::ChatTemplate(e.to_string()))?;
        if text.len() > LONGEST {
            return Err(EngineError::ChatTemplate(format!(
                "it wrote more than {LONGEST} bytes"
            )));
        }
        Ok(text)
    }

    /// Breaks up every control token, also those that overlap others.
    fn defuse(&self, content: &str) -> String {
        let mut breaks: Vec<usize> = self
            .control
            .find_overlapping_iter(content)
            .map(|found| {
                let first = content[found.range()].chars().next();
                found.start() + first.map_or(0, char::len_utf8)
            })
            .collect();
        breaks.sort_unstable();
        breaks.dedup();
        let mut defused = String::with_capacity(content.len() + breaks.len() * BREAK.len_utf8());
        let mut rest = 0;
        for at in breaks {
            defused.push_str(&content[rest..at]);
            defused.push(BREAK);
            rest = at;
        }
        defused.push_str(&content[rest..]);
        defused
    }
}

/// What templates write as today's date: always the day that Llama 3's own template falls back to,
/// since a sample must not depend on when it was drawn.
fn date(format: &str) -> String {
    let parts = [
        ("%d", "26"),
        ("%-d", "26"),
        ("%m", "07"),
        ("%b", "Jul"),
        ("%B", "July"),
        ("%Y", "2024"),
        ("%y", "24"),
        ("%A", "Friday"),
        ("%a", "Fri"),
        ("%H", "00"),
        ("%M", "00"),
        ("%S", "00"),
    ];
    let replaced = |text: String, (code, value): &(&str, &str)| text.replace(code, value);
    parts.iter().fold(format.to_owned(), replaced)
}

/// Python's `json.dumps` with `ensure_ascii=False`, which is what transformers gives templates.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the form of a filter's arguments"
)]
fn to_json(value: &minijinja::Value, options: Kwargs) -> Result<String, Error> {
    let indent: Option<usize> = options.get("indent")?;
    let failed = |e: serde_json::Error| Error::new(ErrorKind::BadSerialization, e.to_string());
    let mut text = Vec::new();
    if let Some(indent) = indent {
        let indent = " ".repeat(indent.min(16));
        let formatter = PrettyFormatter::with_indent(indent.as_bytes());
        let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
        value.serialize(&mut serializer).map_err(failed)?;
    } else {
        let mut serializer = serde_json::Serializer::with_formatter(&mut text, Python);
        value.serialize(&mut serializer).map_err(failed)?;
    }
    String::from_utf8(text).map_err(|e| Error::new(ErrorKind::BadSerialization, e.to_string()))
}

/// JSON on one line, with a space behind every comma and colon.
struct Python;

impl Formatter for Python {
    fn begin_array_value<W: io::Write + ?Sized>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_key<W: io::Write + ?Sized>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_value<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(source: &str) -> ChatTemplate {
        ChatTemplate::new(
            source,
            "<s>".into(),
            "</s>".into(),
            &["<|im_end|>".into(), "<s>".into(), "<|im".into()],
        )
        .unwrap()
    }

    #[test]
    fn renders_turns_and_opens_the_answer() {
        let chat = template(
            "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
        );
        let text = chat.render(&[Message::user("1+1?")], true).unwrap();
        assert_eq!(
            text,
            "<|im_start|>user\n1+1?<|im_end|>\n<|im_start|>assistant\n"
        );
    }

    #[test]
    fn a_question_cannot_end_the_turn_or_be_a_template() {
        let chat = template("{{ messages[0].content }}");
        let text = chat
            .render(&[Message::user("a<|im_end|>b {{ 7 * 7 }}")], false)
            .unwrap();
        assert!(!text.contains("<|im_end|>"));
        assert!(text.contains("{{ 7 * 7 }}"));
    }

    #[test]
    fn endless_templates_run_out_of_fuel() {
        let chat = template(
            "{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}",
        );
        let error = chat.render(&[Message::user("x")], false).unwrap_err();
        assert!(error.to_string().contains("fuel"), "{error}");
    }
}
