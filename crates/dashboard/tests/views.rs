//! Every page of a run, over a real socket.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::too_many_lines,
    reason = "a failed test panics, and some walk through many pages"
)]

mod common;

use std::time::Duration;

use autodidact_core::HandMark;
use autodidact_store::{Progress, ProgressState, Request, RunStore};
use common::journal::{Shape, write};
use common::{PATIENCE, secret, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test(flavor = "multi_thread")]
async fn every_page_shows_what_is_in_the_journal() {
    let runs = tempfile::tempdir().unwrap();
    write(&runs.path().join("sums"), "sums", &Shape::default())
        .await
        .close()
        .await;
    let ui = serve(runs.path()).await;

    let page = ui.page("/").await;
    assert!(
        page.contains("href=\"/runs/sums\"") && page.contains("finished"),
        "{page}"
    );
    let page = ui.page("/runs/sums").await;
    assert!(
        page.contains("3 of 3") && page.contains("of a budget of"),
        "{page}"
    );
    assert!(page.contains("<svg") && page.contains("aria-label=\"Accuracy per loop"));
    let page = ui.page("/runs/sums/loops").await;
    for plot in [
        "Training problems per loop",
        "What became of samples",
        "pass@k of training problems",
        "Overall scores in loop 3",
        "Loss per optimizer step",
        "different solutions",
        "Where the run was started",
    ] {
        assert!(page.contains(plot), "{plot}");
    }
    let page = ui.page("/runs/sums/models").await;
    assert!(
        page.contains("claude") && page.contains("student") && page.contains("$0.0125"),
        "{page}"
    );
    let page = ui.page("/runs/sums/difficulty").await;
    assert!(
        page.contains("Training problems solved, by digits"),
        "{page}"
    );
    assert!(
        page.contains("Held-out problems solved, by digits"),
        "{page}"
    );
    let page = ui.page("/runs/sums/training").await;
    assert!(
        page.contains("class=\"token end\" title=\"0\">&#60;|endoftext|&#62;"),
        "{page}"
    );
    assert_eq!(page.matches("class=\"token given\" title").count(), 8);
    assert_eq!(
        ui.page("/runs/sums/training?set=1&text=99")
            .await
            .matches("no such text")
            .count(),
        1
    );
    for asset in ["htmx.js", "htmx-sse.js", "style.css", "icon.svg"] {
        assert!(ui.page(&format!("/assets/{asset}")).await.len() > 100);
    }
    assert_eq!(ui.get("/assets/other.js").await.status, 404);
    assert_eq!(ui.get("/nothing").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn problems_are_filtered_and_one_shows_its_history() {
    let runs = tempfile::tempdir().unwrap();
    let shape = Shape {
        train: 130,
        ..Shape::default()
    };
    let store = write(&runs.path().join("sums"), "sums", &shape).await;
    let counts = store
        .filter_counts(autodidact_core::Split::Train)
        .await
        .unwrap()
        .0;
    let ui = serve(runs.path()).await;
    for (filter, count) in [
        "all",
        "never-solved",
        "only-with-hint",
        "flipped",
        "forgotten",
    ]
    .into_iter()
    .zip(counts)
    {
        let (mut found, mut path) = (0, format!("/runs/sums/problems?filter={filter}"));
        loop {
            let page = ui.page(&path).await;
            found += page.matches("<li>\n<a href=\"/runs/sums/problems/").count() as u64;
            let Some((_, rest)) = page
                .split_once("first page</a>\n")
                .or(page.split_once("aria-label=\"Pages\">"))
            else {
                break;
            };
            let Some((next, _)) = rest.split_once("\">next page") else {
                break;
            };
            path = next.rsplit_once("href=\"").unwrap().1.replace("&amp;", "&");
        }
        assert_eq!(found, count, "{filter}");
        assert!(
            count > 0,
            "the made-up run has problems of every kind: {filter}"
        );
    }
    let page = ui.page("/runs/sums/problems/2").await;
    for part in [
        "What is 7 + 13?",
        "answers</h2>",
        "loop 1, base/few-shot, rationale 1",
        "loop 0, teacher/claude",
        "the last number is compared with gold",
        "overall 0.333",
        "anthropic",
        "kept for training",
        "refused: wrong answer",
        "log-probability a token",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    for path in [
        "/runs/sums/problems/99999",
        "/runs/sums/problems/x",
        "/runs/other",
    ] {
        assert_eq!(ui.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_are_compared_problem_by_problem() {
    let runs = tempfile::tempdir().unwrap();
    write(&runs.path().join("long"), "long", &Shape::default())
        .await
        .close()
        .await;
    let short = Shape {
        loops: 1,
        ..Shape::default()
    };
    write(&runs.path().join("short"), "short", &short)
        .await
        .close()
        .await;
    let other = Shape {
        word: &|text| format!("{text} "),
        ..Shape::default()
    };
    write(&runs.path().join("other"), "other", &other)
        .await
        .close()
        .await;
    let ui = serve(runs.path()).await;
    let page = ui.page("/compare?a=short&b=long").await;
    assert!(
        page.contains(
            "On 12 held-out problems that both runs were asked, the accuracy of long minus"
        ),
        "{page}"
    );
    assert!(page.contains("Exact McNemar test: p"), "{page}");
    let page = ui.page("/compare?a=short&b=other").await;
    assert!(page.contains("different problems"), "{page}");
    assert!(ui.page("/compare").await.contains("Choose two runs"));
    assert_eq!(ui.get("/compare?a=short&b=..%2Flong").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_under_way_is_shown_live_and_takes_requests() {
    let runs = tempfile::tempdir().unwrap();
    let directory = runs.path().join("sums");
    let shape = Shape {
        finished: false,
        ..Shape::default()
    };
    let store = write(&directory, "sums", &shape).await;
    let mut progress = Progress {
        state: ProgressState::Running,
        iteration: 4,
        title: "sampling rationales".into(),
        done: 30,
        total: 90,
        made: 20,
        tokens: 4000,
        seconds: 10.0,
        loss: None,
        heard: 0.0,
    };
    store.record_progress(&progress).await.unwrap();
    let ui = serve(runs.path()).await;
    let page = ui.page("/runs/sums").await;
    for part in [
        "loop 4: sampling rationales",
        "30 of 90",
        "2.0 a second",
        "400 tokens/s",
        "30.0 s",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    let secret = secret(&page);
    let before = store.last_request().await.unwrap();
    for (request, expected) in [
        ("pause", Request::Pause),
        ("resume", Request::Resume),
        ("stop", Request::Stop),
    ] {
        let form = format!("secret={secret}&request={request}");
        let answer = ui.post("/runs/sums/ask", &form).await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (303, Some("/runs/sums"))
        );
        let (_, last) = store.request_after(before).await.unwrap().unwrap();
        assert_eq!(last, expected);
    }

    let mut stream = TcpStream::connect(ui.address).await.unwrap();
    let request = format!(
        "GET /runs/sums/events HTTP/1.1\r\nHost: {}\r\n\r\n",
        ui.address
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut seen = String::new();
    let until = async |stream: &mut TcpStream, seen: &mut String, wanted: &str| {
        let mut buffer = [0_u8; 4096];
        while !seen.contains(wanted) {
            let read = tokio::time::timeout(PATIENCE, stream.read(&mut buffer)).await;
            let read = read.expect("no event").unwrap();
            assert!(read > 0, "the stream ended: {seen}");
            *seen += &String::from_utf8_lossy(&buffer[..read]);
        }
    };
    until(&mut stream, &mut seen, "30 of 90").await;
    assert!(seen.contains("content-type: text/event-stream"), "{seen}");
    progress.done = 60;
    progress.state = ProgressState::Paused;
    store.record_progress(&progress).await.unwrap();
    until(&mut stream, &mut seen, "60 of 90").await;
    until(&mut stream, &mut seen, "Go on").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rationale_is_marked_and_pages_write_nothing_else() {
    let runs = tempfile::tempdir().unwrap();
    let directory = runs.path().join("sums");
    write(&directory, "sums", &Shape::default())
        .await
        .close()
        .await;
    let ui = serve(runs.path()).await;
    let page = ui.page("/runs/sums/problems/1").await;
    let secret = secret(&page);
    let (_, rest) = page.split_once("<article").unwrap();
    let (_, rest) = rest.split_once("id=\"s").unwrap();
    let number = rest.split('"').next().unwrap();
    let path = format!("/runs/sums/samples/{number}/mark");
    let answer = ui.post(&path, &format!("secret={secret}&mark=bad")).await;
    assert_eq!(answer.status, 303);
    assert_eq!(
        answer.header("location").unwrap(),
        format!("/runs/sums/problems/1#s{number}")
    );
    let store = RunStore::open_reader(&directory).await.unwrap();
    assert_eq!(store.hand_marks().await.unwrap()[0].mark, HandMark::Bad);
    assert!(
        ui.page("/runs/sums/problems/1")
            .await
            .contains("value=\"bad\" class=\"quiet\" aria-pressed=\"true\"")
    );
    let origin = format!("http://{}", ui.address);
    let headers = [("Origin", origin.as_str()), ("HX-Request", "true")];
    let form = format!("secret={secret}&mark=none");
    let answer = ui.post_with(&path, &form, &headers).await;
    assert_eq!(answer.status, 200);
    assert!(
        answer.body.trim_start().starts_with("<article"),
        "{}",
        answer.body
    );
    assert!(store.hand_marks().await.unwrap().is_empty());
    let answer = ui
        .post(
            "/runs/sums/samples/999999/mark",
            &form.replace("none", "good"),
        )
        .await;
    assert_eq!(answer.status, 404);
    store.close().await;

    // Whoever looks at every page changes no byte of the journal.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let owner = RunStore::open(&directory).await.unwrap();
    let before = std::fs::read(directory.join("run.db")).unwrap();
    for path in [
        "/",
        "/runs/sums",
        "/runs/sums/loops",
        "/runs/sums/problems",
        "/runs/sums/models",
    ] {
        ui.page(path).await;
    }
    assert!(std::fs::read(directory.join("run.db")).unwrap() == before);
    owner.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_run_hides_no_other() {
    let runs = tempfile::tempdir().unwrap();
    write(&runs.path().join("sums"), "sums", &Shape::default())
        .await
        .close()
        .await;
    std::fs::create_dir(runs.path().join("broken")).unwrap();
    std::fs::write(
        runs.path().join("broken/run.db"),
        b"no database at all, not even nearly",
    )
    .unwrap();
    std::fs::create_dir(runs.path().join("empty")).unwrap();
    let ui = serve(runs.path()).await;
    let page = ui.page("/").await;
    assert!(
        page.contains("/runs/sums") && page.contains("/runs/broken"),
        "{page}"
    );
    assert!(!page.contains("/runs/empty"));
    let answer = ui.get("/runs/broken").await;
    assert!(
        answer.status == 500 && answer.body.contains("not a readable run"),
        "{}",
        answer.body
    );
}
