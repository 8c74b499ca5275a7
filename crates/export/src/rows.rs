//! Records in the formats of other programs.

use autodidact_core::Prompt;
use serde_json::{Value, json};

use crate::parquet_file::{Column, ColumnKind};
use crate::records::{Asked, Record, Said};
use crate::steps::Step;
use crate::{Format, Kind};

/// What a generative verifier (Zhang et al. 2024) is asked behind a question and a solution.
const IS_IT_RIGHT: &str =
    "Is the final answer of the proposed solution right? Reply with Yes or No.";

/// A record as a row.
pub(crate) fn row(format: Format, record: Record) -> Value {
    match record {
        Record::Everything(row) => row,
        Record::Example { asked, said } => example(format, &asked, &said),
        Record::Pair {
            asked,
            chosen,
            rejected,
        } => pair(format, &asked, &chosen, &rejected),
        Record::Labelled { asked, said, good } => labelled(format, &asked, &said, good),
        Record::Graded {
            asked,
            said,
            steps,
            right,
        } => graded(format, &asked, &said, &steps, right),
    }
}

fn user(content: &str) -> Value {
    json!({ "role": "user", "content": content })
}

fn assistant(content: &str) -> Value {
    json!({ "role": "assistant", "content": content })
}

fn human(value: &str) -> Value {
    json!({ "from": "human", "value": value })
}

fn gpt(value: &str) -> Value {
    json!({ "from": "gpt", "value": value })
}

/// The prompt as TRL knows it: a text, or a list of messages.
fn prompt(asked: &Asked) -> Value {
    match &asked.trained {
        Prompt::Text(text) => json!(text),
        Prompt::Chat(messages) => json!(messages),
    }
}

/// A completion in the form of its prompt.
fn completion(asked: &Asked, said: &Said) -> Value {
    match &asked.trained {
        Prompt::Text(_) => json!(said.trained),
        Prompt::Chat(_) => json!([assistant(&said.turn)]),
    }
}

fn example(format: Format, asked: &Asked, said: &Said) -> Value {
    match format {
        Format::Trl | Format::Parquet | Format::Jsonl => {
            let prompt = prompt(asked);
            json!({ "prompt": prompt, "completion": completion(asked, said) })
        }
        Format::Together => match &asked.trained {
            Prompt::Text(text) => json!({ "prompt": text, "completion": said.trained }),
            Prompt::Chat(_) => json!({ "messages": [user(&asked.turn), assistant(&said.turn)] }),
        },
        Format::Axolotl | Format::LlamaFactory | Format::Mlx | Format::Openai => {
            json!({ "messages": [user(&asked.turn), assistant(&said.turn)] })
        }
        Format::Sharegpt => json!({ "conversations": [human(&asked.turn), gpt(&said.turn)] }),
        Format::Alpaca => {
            json!({ "instruction": asked.turn, "input": "", "output": said.turn })
        }
    }
}

fn pair(format: Format, asked: &Asked, chosen: &Said, rejected: &Said) -> Value {
    match format {
        Format::Trl | Format::Parquet | Format::Jsonl | Format::Mlx => {
            let prompt = prompt(asked);
            let (chosen, rejected) = (completion(asked, chosen), completion(asked, rejected));
            json!({ "prompt": prompt, "chosen": chosen, "rejected": rejected })
        }
        Format::Axolotl => json!({
            "messages": [user(&asked.turn)],
            "chosen": assistant(&chosen.turn),
            "rejected": assistant(&rejected.turn),
        }),
        Format::LlamaFactory | Format::Sharegpt => json!({
            "conversations": [human(&asked.turn)],
            "chosen": gpt(&chosen.turn),
            "rejected": gpt(&rejected.turn),
        }),
        Format::Openai | Format::Together => json!({
            "input": { "messages": [user(&asked.turn)] },
            "preferred_output": [assistant(&chosen.turn)],
            "non_preferred_output": [assistant(&rejected.turn)],
        }),
        Format::Alpaca => json!({
            "instruction": asked.turn,
            "input": "",
            "chosen": chosen.turn,
            "rejected": rejected.turn,
        }),
    }
}

fn labelled(format: Format, asked: &Asked, said: &Said, good: bool) -> Value {
    match format {
        // Axolotl's own format for this has no conversations.
        Format::Axolotl => match &asked.trained {
            Prompt::Text(text) => {
                json!({ "prompt": text, "completion": said.trained, "label": good })
            }
            Prompt::Chat(_) => {
                json!({ "prompt": asked.turn, "completion": said.turn, "label": good })
            }
        },
        Format::LlamaFactory | Format::Openai => json!({
            "messages": [user(&asked.turn), assistant(&said.turn)],
            "label": good,
        }),
        Format::Sharegpt => json!({
            "conversations": [human(&asked.turn), gpt(&said.turn)],
            "kto_tag": good,
        }),
        Format::Alpaca => json!({
            "instruction": asked.turn,
            "input": "",
            "output": said.turn,
            "kto_tag": good,
        }),
        Format::Trl | Format::Parquet | Format::Jsonl | Format::Mlx | Format::Together => {
            let prompt = prompt(asked);
            json!({ "prompt": prompt, "completion": completion(asked, said), "label": good })
        }
    }
}

/// Steps where a format has them; a question about the solution and the answer yes or no elsewhere.
fn graded(format: Format, asked: &Asked, said: &Said, steps: &[Step], right: bool) -> Value {
    match format {
        Format::Trl | Format::Axolotl | Format::Parquet | Format::Jsonl => {
            // This type has texts only, also where the student converses.
            let prompt = match &asked.trained {
                Prompt::Text(text) => text,
                Prompt::Chat(_) => &asked.turn,
            };
            let labels: Vec<bool> = steps.iter().map(|step| step.sound).collect();
            let texts = steps.iter().map(|step| &step.text);
            json!({
                "prompt": prompt,
                "completions": texts.collect::<Vec<_>>(),
                "labels": labels,
            })
        }
        _ => {
            let question = format!(
                "{}\n\nProposed solution:\n{}\n\n{IS_IT_RIGHT}",
                asked.turn, said.turn
            );
            let verdict = Said {
                trained: if right { " Yes" } else { " No" }.to_owned(),
                turn: if right { "Yes" } else { "No" }.to_owned(),
            };
            let asked = Asked {
                trained: match &asked.trained {
                    Prompt::Text(_) => Prompt::Text(question.clone()),
                    chat @ Prompt::Chat(_) => chat.clone(),
                },
                turn: question,
            };
            example(format, &asked, &verdict)
        }
    }
}

/// The columns of a Parquet file.
pub(crate) fn columns(kind: Kind, chat: bool) -> Vec<Column> {
    use ColumnKind::{Bool, Bools, Integer, Number, Text, Texts};
    let told = if chat { ColumnKind::MESSAGES } else { Text };
    let columns: &[(&'static str, ColumnKind)] = match kind {
        Kind::Sft => &[("prompt", told), ("completion", told)],
        Kind::Preference => &[("prompt", told), ("chosen", told), ("rejected", told)],
        Kind::Kto => &[("prompt", told), ("completion", told), ("label", Bool)],
        Kind::Verifier => &[("prompt", Text), ("completions", Texts), ("labels", Bools)],
        Kind::Dataset => &[
            ("problem", Text),
            ("iteration", Integer),
            ("sampler", Text),
            ("author", Text),
            ("mode", Text),
            ("index", Integer),
            ("question", Text),
            ("gold", Text),
            ("meta", Text),
            ("completion", Text),
            ("finish", Text),
            ("tokens", Integer),
            ("logprob", Number),
            ("verdict", Text),
            ("reason", Text),
            ("extracted", Text),
            ("false_step", Text),
            ("flags", Texts),
            ("kept", Bool),
            ("refused", Text),
            ("steps", Texts),
            ("step_labels", Bools),
            (
                "scores",
                ColumnKind::Objects {
                    texts: &["judge"],
                    numbers: &[
                        "overall",
                        "helpfulness",
                        "correctness",
                        "coherence",
                        "complexity",
                        "verbosity",
                    ],
                },
            ),
            ("provider", Text),
            ("model", Text),
            ("terms", Text),
            ("reasoning", Text),
            ("cost_usd", Number),
        ],
    };
    let column = |(name, kind): &(&'static str, ColumnKind)| Column { name, kind: *kind };
    columns.iter().map(column).collect()
}
