//! A stream gives the whole answer or an answer that is marked as a part, wherever it is cut.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

mod recorded;

use autodidact_core::ProviderKind;
use autodidact_providers::{ErrorClass, Finish};
use recorded::{Case, streams};

const ANSWER: &str = "is 42.";

fn case(provider: ProviderKind) -> Case {
    let mut case = Case::new(provider, "x");
    if provider == ProviderKind::Openai {
        case.request.seeds = vec![1, 2];
    }
    case
}

#[test]
fn whole_streams_give_whole_answers() {
    for (provider, stream) in streams() {
        let parsed = case(provider).stream(stream.as_bytes()).unwrap();
        let first = &parsed.replies[0];
        assert!(
            first.text.starts_with("The answer"),
            "{provider}: {first:?}"
        );
        assert!(first.text.ends_with(ANSWER), "{provider}: {first:?}");
        assert_eq!(first.finish, Finish::EndOfText, "{provider}");
        assert!(!parsed.model.is_empty(), "{provider}");
        let usage = parsed.usage.unwrap();
        assert!(usage.input > 0 && usage.output > 0, "{provider}");
        if provider == ProviderKind::Openai {
            let second = &parsed.replies[1];
            assert_eq!(
                (second.text.as_str(), &second.finish),
                ("It is 42.", &Finish::Length)
            );
        } else {
            assert!(first.reasoning.is_some(), "{provider}");
        }
    }
}

#[test]
fn anthropics_usage_is_put_together_from_its_first_and_last_event() {
    let parsed = case(ProviderKind::Anthropic)
        .stream(recorded::ANTHROPIC_STREAM.as_bytes())
        .unwrap();
    let usage = parsed.usage.unwrap();
    assert_eq!((usage.input, usage.cached_input, usage.output), (17, 5, 15));
}

#[test]
fn a_stream_cut_at_any_byte_is_no_answer_before_its_end_mark() {
    let (mut cuts, mut accepts, mut errors) = (0, 0, 0);
    for (provider, stream) in streams() {
        let case = case(provider);
        let bytes = stream.as_bytes();
        let whole = case.stream(bytes).unwrap();
        for cut in 0..bytes.len() {
            cuts += 1;
            let Ok(parsed) = case.stream(&bytes[..cut]) else {
                errors += 1;
                continue;
            };
            for (at, reply) in parsed.replies.iter().enumerate() {
                let complete = reply.text == whole.replies[at].text;
                if reply.finish.is_answer() && !complete {
                    accepts += 1;
                }
                let ended = reply.finish == whole.replies[at].finish;
                assert!(
                    ended || matches!(reply.finish, Finish::Incomplete(_)),
                    "{provider} at {cut}: {reply:?}"
                );
            }
        }
    }
    println!("cuts: {cuts}, errors: {errors}, parts taken for answers: {accepts}, panics: 0");
    assert_eq!(accepts, 0);
}

#[test]
fn the_end_mark_decides_not_the_end_of_the_stream() {
    for (provider, stream) in streams() {
        let marks = [
            "finish_reason\":\"",
            "stop_reason\":\"",
            "finishReason\":\"",
            "done_reason\":\"",
        ];
        let end = marks
            .iter()
            .filter_map(|mark| stream.find(mark))
            .min()
            .unwrap();
        let bytes = stream.as_bytes();
        for cut in 0..end {
            if let Ok(parsed) = case(provider).stream(&bytes[..cut]) {
                let answers = parsed
                    .replies
                    .iter()
                    .filter(|reply| reply.finish.is_answer());
                assert_eq!(answers.count(), 0, "{provider} at {cut}");
            }
        }
    }
}

#[test]
fn an_error_inside_a_stream_is_an_error() {
    let texts = [
        (
            ProviderKind::Openai,
            "data: {\"error\":{\"message\":\"m\",\"type\":\"server_error\",\"code\":null}}\n\n",
            ErrorClass::Server,
        ),
        (
            ProviderKind::Anthropic,
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n",
            ErrorClass::Overloaded,
        ),
        (
            ProviderKind::Gemini,
            "data: {\"error\":{\"code\":503,\"message\":\"m\",\"status\":\"UNAVAILABLE\"}}\n\n",
            ErrorClass::Overloaded,
        ),
        (
            ProviderKind::Ollama,
            "{\"error\":\"model runner stopped\"}\n",
            ErrorClass::Server,
        ),
        (
            ProviderKind::Vllm,
            "data: {\"object\":\"error\",\"message\":\"m\",\"type\":\"BadRequestError\",\"code\":400}\n\n",
            ErrorClass::BadRequest,
        ),
    ];
    for (provider, error, class) in texts {
        let stream = streams()
            .into_iter()
            .find(|(of, _)| *of == provider || provider == ProviderKind::Vllm)
            .unwrap()
            .1;
        // After the first event, and in place of everything.
        let first = stream.find("\n\n").map_or(0, |end| end + 2);
        let first = if provider == ProviderKind::Ollama {
            0
        } else {
            first
        };
        for before in ["", &stream[..first]] {
            let broken = format!("{before}{error}");
            let found = case(provider).stream(broken.as_bytes()).unwrap_err();
            assert_eq!(found.class, class, "{provider}");
        }
    }
}

#[test]
fn repeated_last_pieces_and_missing_done_marks_change_nothing() {
    for (provider, stream) in streams() {
        let case = case(provider);
        let whole = case.stream(stream.as_bytes()).unwrap();
        let mark = if provider == ProviderKind::Ollama {
            "\n"
        } else {
            "\n\n"
        };
        let trimmed = stream.trim_end_matches("data: [DONE]\n\n");
        let without_done = case.stream(trimmed.as_bytes()).unwrap();
        assert_eq!(without_done, whole, "{provider}");
        let body = trimmed.trim_end();
        let last = body.rfind(mark).map_or(0, |end| end + mark.len());
        let twice = format!("{trimmed}{}{mark}", &body[last..]);
        assert_eq!(case.stream(twice.as_bytes()).unwrap(), whole, "{provider}");
    }
}

#[test]
fn events_that_are_no_json_are_malformed() {
    for (provider, _) in streams() {
        for bad in ["{\"choices\":", "[]", "7", "\"text\"", "<html>"] {
            let event = if provider == ProviderKind::Ollama {
                format!("{bad}\n")
            } else {
                format!("data: {bad}\n\n")
            };
            let error = case(provider).stream(event.as_bytes()).unwrap_err();
            assert_eq!(error.class, ErrorClass::Malformed, "{provider}: {bad}");
        }
    }
}
