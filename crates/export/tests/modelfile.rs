//! Chat templates of the families as Go templates.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

use std::path::Path;

use autodidact_engine::{ChatTemplate, Model};
use autodidact_export::{ModelfileTemplate, template_of};
use serde_json::Value;

fn golden(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../engine/tests/golden")
        .join(name)
}

fn translated(source: &str) -> ModelfileTemplate {
    let model = Model::open(&golden("tiny.gguf")).unwrap();
    let template = ChatTemplate::of(source, model.tokenizer()).unwrap();
    template_of(
        &template,
        model.tokenizer().begin_of_text().unwrap_or_default(),
    )
}

const CHATML: &str = "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

#[test]
fn chatml_becomes_a_go_template() {
    let ModelfileTemplate::Go(go) = translated(CHATML) else {
        unreachable!("it is made of turns");
    };
    insta::assert_snapshot!(go, @r#"
    {{ range $i, $_ := .Messages }}{{ $last := eq (len (slice $.Messages $i)) 1 }}{{ if eq .Role "system" }}<|im_start|>system
    {{ .Content }}<|im_end|>
    {{ end }}{{ if eq .Role "user" }}<|im_start|>user
    {{ .Content }}<|im_end|>
    {{ end }}{{ if eq .Role "assistant" }}<|im_start|>assistant
    {{ .Content }}{{ if not $last }}<|im_end|>
    {{ end }}{{ end }}{{ if and (ne .Role "assistant") $last }}<|im_start|>assistant
    {{ end }}{{ end }}
    "#);
}

#[test]
fn a_default_system_message_stands_only_where_there_is_none() {
    let source = format!(
        "{{% if messages[0]['role'] != 'system' %}}<|im_start|>system\nBe good<|im_end|>\n{{% endif %}}{CHATML}"
    );
    let ModelfileTemplate::Go(go) = translated(&source) else {
        unreachable!("it is made of turns");
    };
    assert!(
        go.starts_with("{{ if not .System }}<|im_start|>system\nBe good<|im_end|>\n{{ end }}"),
        "{go}"
    );
}

/// What is not made of turns, or could be read as Go, is left to Ollama.
#[test]
fn what_cannot_be_said_is_not_said() {
    let counting = "{{ messages | length }}{% for m in messages %}{{ m.role + ':' + m.content + ';' }}{% endfor %}";
    let braces = format!("{{{{ '{{{{ .Go }}}}' }}}}{CHATML}");
    for source in [counting, &braces, "{{ messages[0].content }}"] {
        assert_eq!(
            translated(source),
            ModelfileTemplate::Unrepresentable,
            "{source}"
        );
    }
}

/// The published templates: either the Go template writes the same, which was checked while it was
/// made, or there is none.
#[test]
fn published_templates_are_translated_or_refused() {
    let text = std::fs::read_to_string(golden("chat_templates.json")).unwrap();
    let golden: Value = serde_json::from_str(&text).unwrap();
    let families = golden["families"].as_object().unwrap();
    let translated: Vec<(&str, bool)> = families
        .iter()
        .map(|(family, cases)| {
            let source = cases["template"].as_str().unwrap();
            let is_go = matches!(translated(source), ModelfileTemplate::Go(_));
            (family.as_str(), is_go)
        })
        .collect();
    insta::assert_debug_snapshot!(translated);
}
