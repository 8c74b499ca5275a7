//! A data set whose command is killed, or told to stop, at any moment: the same rows in the end, and
//! nothing that was written down is asked again.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failed test panics, and figures are shown"
)]

mod common;

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use common::fleet::{Rig, SAMPLE, journaled, lines, pair, pair_fleet};

const PROBLEMS: u32 = 60;
/// One answer of each model, and one opinion about each.
const CALLS: u64 = 4 * PROBLEMS as u64;
/// Kills in the default test run; `AUTODIDACT_KILLS=50` asks for more.
const KILLS: u32 = 8;
/// Calls that may be under way at one moment: 16 problems, with two answers and two opinions each.
const UNDER_WAY: u64 = 16 * 2;

fn kills() -> u32 {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test may ask how thorough to be"
    )]
    let wanted = std::env::var("AUTODIDACT_KILLS").ok();
    wanted.and_then(|n| n.parse().ok()).unwrap_or(KILLS)
}

fn rig() -> Rig {
    pair(
        pair_fleet().with_latency(Duration::from_millis(8)),
        PROBLEMS,
    )
}

/// What must not depend on interruptions: everything in the rows.
fn rows(rig: &Rig) -> BTreeSet<String> {
    let rows = lines(&rig.path("data.answers.jsonl"));
    let rows: Vec<String> = rows.iter().map(ToString::to_string).collect();
    let set: BTreeSet<String> = rows.iter().cloned().collect();
    assert_eq!(set.len(), rows.len(), "a row is there twice");
    set
}

/// A number from the wall clock: another in every run of the test.
fn random(below: u64) -> u64 {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let hash = blake3::hash(&now.as_nanos().to_le_bytes());
    u64::from_le_bytes(hash.as_bytes()[..8].try_into().unwrap()) % below
}

/// Waits until the servers are done with what a killed client left in its sockets: they still take
/// those requests, and they are paid for.
fn settle(rig: &Rig) {
    let mut last = (rig.server.count(), rig.ledger().answers);
    let mut since = Instant::now();
    rig.wait_until("the servers are at rest", |rig| {
        let now = (rig.server.count(), rig.ledger().answers);
        if now != last {
            (last, since) = (now, Instant::now());
        }
        since.elapsed() > Duration::from_millis(100)
    });
}

#[test]
fn killed_at_any_moment_it_ends_with_the_same_rows() {
    let undisturbed = rig();
    undisturbed.run(&SAMPLE).text(0);
    assert_eq!(undisturbed.ledger().answers, CALLS);
    let killed = rig();
    let (mut hits, mut under_way, mut longest) = (0, 0, Duration::ZERO);
    for _ in 0..kills() {
        let before = killed.server.count() as u64;
        // From the first request to somewhat more than one kill in `kills` leaves to do.
        let wanted = before + random(2 * CALLS / u64::from(kills()));
        let started = Instant::now();
        let mut child = killed.spawn(&SAMPLE);
        killed.wait_until("the moment of the kill", |rig| {
            let ended = rig.ledger().answers >= CALLS || started.elapsed() > Duration::from_secs(3);
            ended || rig.server.count() as u64 > wanted
        });
        child.kill().unwrap();
        hits += u32::from(!child.wait().unwrap().success());
        settle(&killed);
        let lost = killed.ledger().answers - under_way - journaled(&killed);
        longest = longest.max(started.elapsed());
        assert!(lost <= UNDER_WAY, "{lost} calls were under way");
        under_way += lost;
    }
    assert!(hits > 0, "no attempt was killed before it ended");
    // What is there is not asked for: the last attempt makes exactly the calls that are missing.
    let (there, asked) = (journaled(&killed), killed.server.count() as u64);
    killed.run(&SAMPLE).text(0);
    assert_eq!(killed.server.count() as u64 - asked, CALLS - there);
    assert_eq!(rows(&killed), rows(&undisturbed));
    let repaid = killed.ledger().answers - CALLS;
    println!(
        "{hits} kills: {repaid} of {CALLS} calls paid twice, all of them under way at a kill ({under_way})"
    );
    assert_eq!(
        repaid, under_way,
        "paid twice without having been under way"
    );
}

#[test]
fn an_interrupt_lets_what_is_under_way_arrive() {
    let rig = rig();
    let mut interrupts = 0;
    let started = Instant::now();
    loop {
        let wanted = rig.server.count() + 30;
        let mut child = rig.spawn(&SAMPLE);
        rig.wait_until("enough was asked", |rig| {
            rig.server.count() >= wanted || rig.ledger().answers == CALLS
        });
        let asked_at = Instant::now();
        // At the very end there is nothing to interrupt any more.
        if rig.server.count() >= wanted {
            let name = if interrupts % 2 == 0 { "INT" } else { "TERM" };
            let signal = format!("kill -{name} {}", child.id());
            Command::new("sh").args(["-c", &signal]).status().unwrap();
        }
        let status = child.wait().unwrap();
        assert_eq!(journaled(&rig), rig.ledger().answers, "an answer was lost");
        match status.code() {
            Some(130) => {
                interrupts += 1;
                assert!(asked_at.elapsed() < Duration::from_secs(10));
                let told = rig.read("stderr");
                assert!(told.contains("parked"), "{told}");
            }
            Some(0) => break,
            other => panic!("{other:?}: {}", rig.read("stderr")),
        }
        assert!(interrupts < 50, "it gets nowhere");
    }
    let undisturbed = self::rig();
    undisturbed.run(&SAMPLE).text(0);
    assert_eq!(rows(&rig), rows(&undisturbed));
    println!(
        "{interrupts} interrupts, {} calls repeated, {:.1} s",
        rig.ledger().answers - CALLS,
        started.elapsed().as_secs_f64()
    );
    assert!(interrupts >= 2, "the test interrupts nothing");
    assert_eq!(rig.ledger().answers, CALLS, "nothing is paid twice");
}

/// Problems are looked up in the journal a few hundred at a time while others are being answered, and
/// both need the journal's one connection.
#[test]
fn a_killed_command_over_many_lookups_goes_on() {
    const MANY: u32 = 700;
    let rig = pair(pair_fleet(), MANY);
    let mut child = rig.spawn(&SAMPLE);
    rig.wait_until("some were asked", |rig| rig.server.count() > 600);
    child.kill().unwrap();
    child.wait().unwrap();
    let there = journaled(&rig);
    assert!(there < 4 * u64::from(MANY), "it was killed before its end");
    rig.run(&SAMPLE).text(0);
    assert_eq!(rows(&rig).len(), 2 * MANY as usize);
}
