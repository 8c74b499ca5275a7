//! Chat templates of the families, as their makers publish them (tool calls left out): rendered as
//! transformers renders them. The expected texts were made with jinja2 by
//! `scripts/golden_chat_templates.py`.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

mod common;

use autodidact_core::Message;
use autodidact_engine::{ChatTemplate, Model};
use common::directory::Directory;
use common::golden;
use serde_json::{Value, json};

fn rendered(source: &str, messages: &[Message], open: bool) -> Result<String, String> {
    let mut directory = Directory::tiny();
    directory.settings["chat_template"] = source.into();
    let path = tempfile::tempdir().unwrap();
    directory.write(path.path());
    let model = Model::open(path.path()).unwrap();
    let chat: &ChatTemplate = model.chat_template().unwrap();
    chat.render(messages, open).map_err(|e| e.to_string())
}

fn messages(list: &Value) -> Vec<Message> {
    let list = list.as_array().unwrap().iter();
    list.map(|m| Message {
        role: m["role"].as_str().unwrap().into(),
        content: m["content"].as_str().unwrap().into(),
    })
    .collect()
}

#[test]
fn templates_render_as_in_transformers() {
    let text = std::fs::read_to_string(golden("chat_templates.json")).unwrap();
    let golden: Value = serde_json::from_str(&text).unwrap();
    let mut checked = 0;
    for (family, cases) in golden["families"].as_object().unwrap() {
        for case in cases["cases"].as_array().unwrap() {
            let open = case["open"].as_bool().unwrap();
            let source = cases["template"].as_str().unwrap();
            let ours = rendered(source, &messages(&case["messages"]), open);
            if let Some(text) = case["text"].as_str() {
                assert_eq!(ours.unwrap(), text, "{family}");
            } else {
                let error = ours.unwrap_err();
                assert!(error.contains(case["error"].as_str().unwrap()), "{error}");
            }
            checked += 1;
        }
    }
    assert!(checked >= 15, "{checked}");
}

#[test]
fn json_and_dates_are_those_of_python() {
    let source = "{{ messages | tojson }}|{{ messages[0] | tojson(indent=2) }}|{{ strftime_now('%d %b %Y, %A %B') }}";
    let text = rendered(source, &[Message::user("é <b>")], false).unwrap();
    let object = json!({"content": "é <b>", "role": "user"});
    let pretty = serde_json::to_string_pretty(&object).unwrap();
    assert_eq!(
        text,
        format!(r#"[{{"content": "é <b>", "role": "user"}}]|{pretty}|26 Jul 2024, Friday July"#)
    );
}
