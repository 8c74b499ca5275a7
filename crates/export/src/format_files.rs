//! The files that tell a program how to read an export.

use serde_json::{Value, json};

use crate::{Format, Kind};

/// Files beside the data, by name.
pub(crate) fn format_files(
    kind: Kind,
    format: Format,
    run: &str,
) -> Result<Vec<(&'static str, String)>, serde_json::Error> {
    Ok(match format {
        Format::LlamaFactory => {
            let name = format!("{run}-{}", kind.as_str());
            let info = json!({ name: dataset_info(kind) });
            let text = serde_json::to_string_pretty(&info)? + "\n";
            vec![("dataset_info.json", text)]
        }
        Format::Axolotl => vec![("axolotl.yaml", axolotl(kind).to_owned())],
        _ => Vec::new(),
    })
}

/// An entry of LLaMA-Factory's registry.
fn dataset_info(kind: Kind) -> Value {
    let openai_tags = json!({
        "role_tag": "role",
        "content_tag": "content",
        "user_tag": "user",
        "assistant_tag": "assistant",
    });
    match kind {
        Kind::Preference => json!({
            "file_name": "train.jsonl",
            "formatting": "sharegpt",
            "ranking": true,
            "columns": {
                "messages": "conversations",
                "chosen": "chosen",
                "rejected": "rejected",
            },
        }),
        Kind::Kto => json!({
            "file_name": "train.jsonl",
            "formatting": "sharegpt",
            "columns": { "messages": "messages", "kto_tag": "label" },
            "tags": openai_tags,
        }),
        Kind::Sft | Kind::Verifier | Kind::Dataset => json!({
            "file_name": "train.jsonl",
            "formatting": "sharegpt",
            "columns": { "messages": "messages" },
            "tags": openai_tags,
        }),
    }
}

/// The part of Axolotl's configuration that reads the data.
fn axolotl(kind: Kind) -> &'static str {
    match kind {
        Kind::Sft | Kind::Dataset => {
            "datasets:\n  - path: train.jsonl\n    ds_type: json\n    type: chat_template\n    field_messages: messages\n    roles_to_train: [assistant]\n"
        }
        Kind::Preference => {
            "rl: dpo\ndatasets:\n  - path: train.jsonl\n    ds_type: json\n    split: train\n    type: chat_template.default\n    field_messages: messages\n    field_chosen: chosen\n    field_rejected: rejected\n"
        }
        Kind::Kto => {
            "rl: kto\ndatasets:\n  - path: train.jsonl\n    ds_type: json\n    split: train\n    type:\n      field_prompt: prompt\n      field_completion: completion\n      field_label: label\n      prompt_format: \"{prompt}\"\n      completion_format: \"{completion}\"\n"
        }
        Kind::Verifier => {
            "process_reward_model: true\ndatasets:\n  - path: train.jsonl\n    ds_type: json\n    split: train\n    type: stepwise_supervised\n    step_separator: \"\\n\"\n"
        }
    }
}
