//! Requests that enter and leave a running batch: what they give depends on nobody else.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use autodidact_engine::{
    Model, Request, Sampler, SamplingOptions, Session, SessionEvent, SessionOptions,
    SessionRequest, Ticket,
};
use proptest::prelude::*;

fn tiny() -> Arc<Model> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tiny.gguf");
    Arc::new(Model::open(&path).unwrap())
}

fn session(threads: usize, options: SessionOptions) -> Session {
    let sampler = Sampler::new(tiny(), None, threads).unwrap();
    Session::start(Arc::new(sampler), &options).unwrap()
}

fn request(prompt: Vec<u32>, seeds: Vec<u64>, max_tokens: usize) -> SessionRequest {
    SessionRequest {
        prompt,
        seeds,
        options: SamplingOptions {
            temperature: 1.3,
            max_tokens,
            ..SamplingOptions::default()
        },
        alternatives: 2,
        score_prompt: false,
    }
}

fn submit(session: &Session, request: SessionRequest) -> (Ticket, Receiver<SessionEvent>) {
    let (sender, receiver) = channel();
    let ticket = session
        .submit(request, move |event| drop(sender.send(event)))
        .unwrap();
    (ticket, receiver)
}

/// All events, those of each sample in order, without how much was in the cache.
fn events(session: &Session, request: SessionRequest) -> (usize, Vec<SessionEvent>) {
    let (_ticket, receiver) = submit(session, request);
    sorted(&receiver)
}

fn sorted(receiver: &Receiver<SessionEvent>) -> (usize, Vec<SessionEvent>) {
    let (mut found, mut all) = (0, Vec::new());
    for event in receiver {
        match event {
            SessionEvent::Prompt { cached, scores } => {
                found = cached;
                all.push(SessionEvent::Prompt { cached: 0, scores });
            }
            other => all.push(other),
        }
    }
    all.sort_by_key(|event| match event {
        SessionEvent::Token { index, .. } | SessionEvent::Finished { index, .. } => index + 1,
        _ => 0,
    });
    (found, all)
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_mins(1), "never: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_session_gives_the_bytes_of_the_sampler() {
    let requests: Vec<Request> = (0..9)
        .map(|i| Request {
            prompt: (0..=i * 3).map(|j| 3 + (j * 7 + i % 3) % 80).collect(),
            seeds: (0..=u64::from(i % 3)).collect(),
        })
        .collect();
    let options = SamplingOptions {
        temperature: 1.3,
        max_tokens: 30,
        ..SamplingOptions::default()
    };
    let sampler = Sampler::new(tiny(), None, 2).unwrap();
    let expected = Mutex::new(Vec::new());
    sampler
        .generate(
            &requests,
            &options,
            &|sample| expected.lock().unwrap().push(sample),
            &AtomicBool::new(false),
        )
        .unwrap();
    let session = session(2, SessionOptions::default());
    for sample in expected.into_inner().unwrap() {
        let Request { prompt, seeds } = requests[sample.request].clone();
        let (_, all) = events(&session, request(prompt, seeds, 30));
        let finished = all.iter().find_map(|event| match event {
            SessionEvent::Finished { index, completion } if *index == sample.index => {
                Some(completion)
            }
            _ => None,
        });
        assert_eq!(finished, Some(&sample.completion));
    }
}

#[test]
fn scores_of_a_prompt_are_its_logits() {
    let prompt: Vec<u32> = (0..40).map(|i| 3 + i * 11 % 80).collect();
    let sampler = Sampler::new(tiny(), None, 1).unwrap();
    let logits = sampler.logits(&prompt).unwrap();
    let session = Session::start(Arc::new(sampler), &SessionOptions::default()).unwrap();
    for seeds in [vec![], vec![4]] {
        // The second time its beginning is in the cache, and it is scored whole all the same.
        let asked = SessionRequest {
            score_prompt: true,
            ..request(prompt.clone(), seeds, 5)
        };
        let (cached, all) = events(&session, asked);
        assert_eq!(cached, 0);
        let SessionEvent::Prompt { scores, .. } = &all[0] else {
            panic!("{all:?}");
        };
        assert_eq!(scores.len(), prompt.len() - 1);
        for ((score, token), line) in scores.iter().zip(&prompt[1..]).zip(&logits) {
            let total: f64 = line.iter().map(|l| f64::from(*l).exp()).sum();
            let expected = f64::from(line[*token as usize]) - total.ln();
            assert_eq!(score.token, *token);
            assert!((score.logprob - expected).abs() < 1e-4);
            assert_eq!(score.alternatives.len(), 2);
            assert!(score.alternatives[0].logprob >= score.alternatives[1].logprob);
        }
    }
}

#[test]
fn known_beginnings_are_not_computed_again() {
    let session = session(1, SessionOptions::default());
    let shared: Vec<u32> = (0..30).map(|i| 3 + i * 7 % 80).collect();
    let with = |last: u32| [shared.clone(), vec![last, last + 1]].concat();
    let (cached, first) = events(&session, request(with(5), vec![1], 8));
    assert_eq!(cached, 0);
    let (cached, again) = events(&session, request(with(5), vec![1], 8));
    assert_eq!(
        cached, 31,
        "all but the last token, whose logits are wanted"
    );
    assert_eq!(first, again);
    let (cached, other) = events(&session, request(with(50), vec![1], 8));
    assert_eq!(cached, 30);
    let fresh = self::session(
        1,
        SessionOptions {
            cache_bytes: 0,
            ..SessionOptions::default()
        },
    );
    let (cached, expected) = events(&fresh, request(with(50), vec![1], 8));
    assert_eq!((cached, &other), (0, &expected));
    let (cached, _) = events(&fresh, request(with(50), vec![1], 8));
    assert_eq!(cached, 0, "a cache without room keeps nothing");
}

#[test]
fn a_conversation_goes_on_from_what_was_said() {
    let session = session(1, SessionOptions::default());
    let prompt: Vec<u32> = (0..10).map(|i| 3 + i * 7 % 80).collect();
    let (_, all) = events(&session, request(prompt.clone(), vec![1], 20));
    let said = all.iter().filter_map(|event| match event {
        SessionEvent::Token { token, .. } => Some(token.token),
        _ => None,
    });
    let mut longer = prompt;
    longer.extend(said);
    let known = longer.len() - 1;
    longer.extend([40, 41]);
    let (cached, _) = events(&session, request(longer, vec![1], 3));
    // The last token of an answer is never computed.
    assert!(cached >= known - 1, "{cached} of {known}");
}

#[test]
fn a_dropped_ticket_frees_its_place() {
    let session = session(
        1,
        SessionOptions {
            batch: 1,
            ..SessionOptions::default()
        },
    );
    let endless = |seed| {
        let mut request = request(vec![5, 6], vec![seed; 3], 60);
        request.options.ignore_end_of_text = true;
        request
    };
    let held: Vec<_> = (0..40)
        .map(|seed| submit(&session, endless(seed)))
        .collect();
    wait_until("some wait", || session.waiting() > 0);
    let (ticket, receiver) = submit(&session, endless(99));
    drop(held);
    drop(ticket);
    wait_until("all are gone", || {
        session.waiting() == 0 && session.stats().active == 0
    });
    let finished = |event: &SessionEvent| matches!(event, SessionEvent::Finished { .. });
    assert!(receiver.iter().filter(finished).count() <= 3);
    let (_, all) = events(&session, request(vec![5, 6], vec![1], 4));
    assert!(all.iter().any(finished), "the session goes on");
}

#[test]
fn what_can_never_be_computed_is_refused_at_once() {
    let small = SessionOptions {
        active_bytes: 1,
        ..SessionOptions::default()
    };
    for (options, asked) in [
        (SessionOptions::default(), request(vec![], vec![1], 4)),
        (SessionOptions::default(), request(vec![5; 60], vec![1], 5)),
        (SessionOptions::default(), request(vec![9999], vec![1], 5)),
        (SessionOptions::default(), request(vec![5], vec![], 5)),
        (
            SessionOptions {
                context: 8,
                ..SessionOptions::default()
            },
            request(vec![5; 6], vec![1], 3),
        ),
        (small, request(vec![5], vec![1], 5)),
    ] {
        let session = session(1, options);
        let error = session.submit(asked, |_| ()).unwrap_err();
        assert!(
            matches!(error, autodidact_engine::EngineError::Input(_)),
            "{error}"
        );
    }
}

#[test]
fn the_end_of_a_session_is_told() {
    let session = session(
        1,
        SessionOptions {
            batch: 1,
            ..SessionOptions::default()
        },
    );
    let held: Vec<_> = (0..20)
        .map(|seed| submit(&session, request(vec![5, 6], vec![seed; 4], 60)))
        .collect();
    drop(session);
    for (_, receiver) in &held {
        let last = receiver.iter().last();
        let told = matches!(
            last,
            Some(SessionEvent::Failed(_) | SessionEvent::Finished { .. })
        );
        assert!(told, "{last:?}");
    }
}

fn any_request() -> impl Strategy<Value = SessionRequest> {
    let prompt = (0usize..4, prop::collection::vec(3u32..90, 1..12)).prop_map(|(shared, own)| {
        let mut prompt: Vec<u32> = (0..shared as u32 * 7).map(|i| 3 + i * 5 % 80).collect();
        prompt.extend(own);
        prompt
    });
    let options = (0usize..3, 1usize..30, 0usize..8, prop::bool::ANY);
    (prompt, prop::collection::vec(any::<u64>(), 1..4), options).prop_map(
        |(prompt, seeds, (heat, max_tokens, top_k, score_prompt))| SessionRequest {
            options: SamplingOptions {
                temperature: [0.0, 0.9, 1.5][heat],
                top_k,
                top_p: if heat == 1 { 0.9 } else { 1.0 },
                max_tokens,
                stop: vec!["e".into()],
                ..SamplingOptions::default()
            },
            score_prompt,
            ..request(prompt, seeds, max_tokens)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// The same request alone and among random others, some of which are cancelled, gives the same
    /// tokens, texts and log probabilities, bit by bit.
    #[test]
    fn company_changes_nothing(
        requests in prop::collection::vec((any_request(), prop::bool::ANY), 1..14),
        threads in 1usize..3,
        batch in 1usize..9,
        blocks in 0usize..6,
    ) {
        let options = SessionOptions {
            batch,
            cache_bytes: blocks * 64 * 64 * 4 * 4,
            ..SessionOptions::default()
        };
        let together = session(threads, options);
        let mut held = Vec::new();
        for (request, cancelled) in &requests {
            let (ticket, receiver) = submit(&together, request.clone());
            if *cancelled {
                drop(ticket);
            } else {
                held.push((request, ticket, receiver));
            }
        }
        for (request, _ticket, receiver) in &held {
            let alone = session(1, SessionOptions::default());
            let (_, expected) = events(&alone, (*request).clone());
            let (_, seen) = sorted(receiver);
            prop_assert_eq!(seen, expected);
        }
    }
}
