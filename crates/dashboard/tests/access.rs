//! Who gets in and who does not: loopback, the token, names, origins, forms, paths, and clients that
//! hold a server up.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::too_many_lines,
    reason = "a failed test panics, and some walk through many pages"
)]

mod common;

use std::path::Path;

use autodidact_dashboard::{Dashboard, DashboardError, Options};
use autodidact_store::RunStore;
use common::journal::{Shape, write};
use common::{Served, secret, serve, serve_with};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

async fn one_run(runs: &Path) -> Served {
    let shape = Shape {
        loops: 1,
        ..Shape::default()
    };
    write(&runs.join("sums"), "sums", &shape)
        .await
        .close()
        .await;
    serve(runs).await
}

fn options(runs: &Path, host: &str) -> Options {
    Options {
        runs: runs.to_owned(),
        host: host.parse().unwrap(),
        port: 0,
        names: vec!["box.lan".to_owned()],
        token: false,
    }
}

const PAGES: [&str; 5] = [
    "/",
    "/runs/sums",
    "/runs/sums/problems",
    "/compare",
    "/assets/style.css",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_not_this_machines_gets_nothing() {
    let runs = tempfile::tempdir().unwrap();
    let ui = one_run(runs.path()).await;
    let port = ui.address.port();
    for host in [
        "localhost".to_owned(),
        format!("localhost:{port}"),
        format!("[::1]:{port}"),
    ] {
        assert_eq!(
            ui.get_with("/", &[("Host", &host)]).await.status,
            200,
            "{host}"
        );
    }
    for host in [
        "evil.example",
        "evil.example:8420",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "192.168.1.5",
        "",
        "127.0.0.1@evil.example",
    ] {
        for path in PAGES {
            let answer = ui.get_with(path, &[("Host", host)]).await;
            assert!(
                matches!(answer.status, 400 | 403),
                "{host} {path}: {}",
                answer.status
            );
            assert!(!answer.body.contains("sums"), "{host} {path}");
        }
    }
    let twice = [("Host", "localhost"), ("Host", "evil.example")];
    assert!(matches!(ui.get_with("/", &twice).await.status, 400 | 403));
    let none = ui.raw(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n").await;
    assert!(matches!(none.status, 400 | 403), "{}", none.status);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_others_can_reach_needs_the_token() {
    let runs = tempfile::tempdir().unwrap();
    drop(one_run(runs.path()).await);
    let open = serve_with(options(runs.path(), "0.0.0.0")).await;
    let (_, token) = open
        .url
        .split_once("?token=")
        .expect("the address holds a token");
    assert_eq!(token.len(), 64);
    let ui = Served {
        address: ([127, 0, 0, 1], open.address.port()).into(),
        url: open.url.clone(),
    };
    let almost = format!("{}0", &token[..63]);
    let wrong = if almost == token {
        format!("{}1", &token[..63])
    } else {
        almost
    };
    for path in PAGES.into_iter().chain(["/runs/sums/events"]) {
        assert_eq!(ui.get(path).await.status, 401, "{path}");
        for bad in [
            wrong.as_str(),
            "",
            "x",
            &token[1..],
            &token.to_uppercase().replace('A', "b"),
        ] {
            let cookie = format!("autodidact-token={bad}");
            let bearer = format!("Bearer {bad}");
            for header in [
                ("Cookie", cookie.as_str()),
                ("Authorization", bearer.as_str()),
            ] {
                assert_eq!(
                    ui.get_with(path, &[header]).await.status,
                    401,
                    "{path} {bad}"
                );
            }
            assert_eq!(ui.get(&format!("{path}?token={bad}")).await.status, 401);
        }
    }
    let bearer = format!("Bearer {token}");
    assert_eq!(
        ui.get_with("/", &[("Authorization", &bearer)]).await.status,
        200
    );
    let entered = ui.get(&format!("/runs/sums?token={token}")).await;
    assert_eq!(
        (entered.status, entered.header("location")),
        (303, Some("/runs/sums"))
    );
    let cookie = entered.header("set-cookie").unwrap();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"),
        "{cookie}"
    );
    let cookie = cookie.split(';').next().unwrap();
    let page = ui
        .get_with("/runs/sums", &[("Cookie", &format!("a=b; {cookie}"))])
        .await;
    assert_eq!(page.status, 200);
    assert!(!page.body.contains(token), "the token stands in no page");
    let away = ui.get(&format!("//evil.example/?token={token}")).await;
    assert!(
        !away
            .header("location")
            .unwrap_or_default()
            .starts_with("//"),
        "{away:?}"
    );
    // A name is known only if it was given.
    for (host, status) in [
        ("box.lan", 200),
        ("other.lan", 403),
        ("192.168.1.5:80", 200),
    ] {
        let headers = [("Host", host), ("Authorization", bearer.as_str())];
        assert_eq!(ui.get_with("/", &headers).await.status, status, "{host}");
    }
    let local = Options {
        token: true,
        ..options(runs.path(), "127.0.0.1")
    };
    assert_eq!(serve_with(local).await.get("/").await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_sites_can_change_and_read_nothing() {
    let runs = tempfile::tempdir().unwrap();
    let ui = one_run(runs.path()).await;
    let secret = secret(&ui.page("/runs/sums/problems/1").await);
    let form = format!("secret={secret}&request=stop");
    let here = format!("http://{}", ui.address);
    let other_port = "http://127.0.0.1:1".to_owned();
    for headers in [
        vec![],
        vec![("Origin", "http://evil.example")],
        vec![("Origin", "null")],
        vec![("Origin", other_port.as_str())],
        vec![("Origin", "https://localhost")],
        vec![("Origin", here.as_str()), ("Sec-Fetch-Site", "cross-site")],
        vec![("Origin", here.as_str()), ("Sec-Fetch-Site", "same-site")],
        vec![
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Mode", "navigate"),
        ],
    ] {
        for path in ["/runs/sums/ask", "/runs/sums/samples/1/mark"] {
            let answer = ui.post_with(path, &form, &headers).await;
            assert_eq!(answer.status, 403, "{path} {headers:?}");
        }
    }
    for bad in ["", "0", &secret[1..]] {
        let form = format!("secret={bad}&request=stop");
        assert_eq!(ui.post("/runs/sums/ask", &form).await.status, 403);
    }
    for bad in ["request=stop", "secret=x", "", "secret=%ff&request=stop"] {
        let status = ui.post("/runs/sums/ask", bad).await.status;
        assert!((400..500).contains(&status), "{bad}: {status}");
    }
    let store = RunStore::open_reader(&runs.path().join("sums"))
        .await
        .unwrap();
    assert_eq!(
        store.last_request().await.unwrap(),
        0,
        "nothing was recorded"
    );
    assert!(store.hand_marks().await.unwrap().is_empty());

    for path in ["/runs/sums/events", "/runs/sums"] {
        for headers in [
            vec![("Origin", "http://evil.example")],
            vec![("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "cors")],
            vec![
                ("Sec-Fetch-Site", "cross-site"),
                ("Sec-Fetch-Mode", "no-cors"),
            ],
        ] {
            assert_eq!(
                ui.get_with(path, &headers).await.status,
                403,
                "{path} {headers:?}"
            );
        }
    }
    let link = [
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Mode", "navigate"),
    ];
    assert_eq!(
        ui.get_with("/runs/sums", &link).await.status,
        200,
        "links may be followed"
    );
    assert_eq!(
        ui.post("/runs/sums/ask", &form).await.status,
        303,
        "our own form works"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_says_what_a_browser_may_do_with_it() {
    let runs = tempfile::tempdir().unwrap();
    let ui = one_run(runs.path()).await;
    let refused = ui.get_with("/", &[("Host", "evil.example")]).await;
    let answers = [
        ui.get("/").await,
        ui.get("/runs/sums").await,
        ui.get("/nothing").await,
        ui.get("/assets/htmx.js").await,
        ui.post("/runs/sums/ask", "").await,
        refused,
    ];
    for answer in answers {
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"));
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-frame-options"), Some("DENY"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("same-origin"));
        assert!(answer.header("access-control-allow-origin").is_none());
    }
    for path in [
        "/",
        "/runs/sums",
        "/runs/sums/loops",
        "/runs/sums/problems/1",
        "/compare",
    ] {
        let page = ui.page(path).await;
        for inline in [
            "<script>",
            " style=",
            "javascript:",
            "<style",
            " onclick",
            " onload",
        ] {
            assert!(!page.contains(inline), "{path} has {inline}");
        }
        assert!(
            !page.contains("http://") && !page.contains("https://"),
            "{path} works offline"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_lead_to_nothing_but_runs() {
    let outside = tempfile::tempdir().unwrap();
    let runs = outside.path().join("runs");
    std::fs::create_dir(&runs).unwrap();
    let shape = Shape {
        loops: 1,
        ..Shape::default()
    };
    write(&outside.path().join("private"), "private", &shape)
        .await
        .close()
        .await;
    std::fs::write(outside.path().join("secret.txt"), "TOP SECRET").unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(outside.path().join("private"), runs.join("link")).unwrap();
        std::fs::create_dir(runs.join("half")).unwrap();
        let journal = outside.path().join("private/run.db");
        std::os::unix::fs::symlink(journal, runs.join("half/run.db")).unwrap();
    }
    let ui = one_run(&runs).await;
    let absolute = outside.path().join("private");
    let absolute = absolute.to_str().unwrap().replace('/', "%2f");
    for name in [
        "..",
        "../private",
        "..%2fprivate",
        "..%2Fprivate",
        "%2e%2e%2fprivate",
        "%2e%2e/private",
        "..%5cprivate",
        "....%2f%2fprivate",
        ".%2fsums",
        "sums%2f..%2f..%2fprivate",
        "sums%00",
        "link",
        "half",
        "%2fetc%2fpasswd",
        "..%252fprivate",
        "private",
        "sums/",
        "%ff",
        ".",
        "",
        absolute.as_str(),
    ] {
        for page in [
            "",
            "/loops",
            "/problems",
            "/problems/1",
            "/training",
            "/events",
        ] {
            let answer = ui.get(&format!("/runs/{name}{page}")).await;
            let wrong = (400..500).contains(&answer.status);
            assert!(wrong, "{name}{page}: {}", answer.status);
            assert!(!answer.body.contains("What is"), "{name}{page}");
        }
    }
    for asset in [
        "..%2f..%2fCargo.toml",
        "%2e%2e/style.css",
        "/etc/passwd",
        "..%2fsecret.txt",
    ] {
        let answer = ui.get(&format!("/assets/{asset}")).await;
        assert!(
            (400..500).contains(&answer.status),
            "{asset}: {}",
            answer.status
        );
        assert!(!answer.body.contains("TOP SECRET"));
    }
    assert!(
        !ui.page("/").await.contains("/runs/link"),
        "links are not listed"
    );
    assert_eq!(ui.get("/runs/sums/spec.toml").await.status, 404);
    assert_eq!(ui.get("/runs/sums/run.db").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_and_slow_or_many_clients_hold_nobody_up() {
    let runs = tempfile::tempdir().unwrap();
    let ui = one_run(runs.path()).await;
    let secret = secret(&ui.page("/runs/sums/problems/1").await);
    let form = format!("secret={secret}&request=stop&more={}", "x".repeat(4 << 20));
    let answer = ui.post("/runs/sums/ask", &form).await;
    assert!(matches!(answer.status, 413 | 0), "{}", answer.status);
    let endless = format!(
        "GET /{} HTTP/1.1\r\nHost: localhost\r\n",
        "a".repeat(1 << 20)
    );
    let answer = ui.raw(format!("{endless}\r\n").as_bytes()).await;
    assert!(
        matches!(answer.status, 400 | 414 | 431 | 0),
        "{}",
        answer.status
    );
    for garbage in [
        &b"\x16\x03\x01\x02\x00"[..],
        b"GET\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\n",
        b"\r\n\r\n",
    ] {
        let answer = ui.raw(&[garbage, &b"\r\n".repeat(3)].concat()).await;
        assert!(
            answer.status == 0 || (400..600).contains(&answer.status),
            "{}",
            answer.status
        );
    }

    // Half of them say nothing, half never finish what they say.
    let mut open = Vec::new();
    for i in 0..1000 {
        let Ok(mut stream) = TcpStream::connect(ui.address).await else {
            break;
        };
        if i % 2 == 0 {
            stream
                .write_all(b"GET / HTTP/1.1\r\nHost: local")
                .await
                .unwrap();
        }
        open.push(stream);
    }
    assert!(
        open.len() >= 400,
        "only {} connections could be opened",
        open.len()
    );
    // Both ends are in this process, which may be out of files.
    open.truncate(open.len() - 20);
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(ui.get("/runs/sums").await.status, 200);
    let store = RunStore::open_reader(&runs.path().join("sums"))
        .await
        .unwrap();
    assert_eq!(store.last_request().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_served_is_said() {
    let runs = tempfile::tempdir().unwrap();
    let missing = Dashboard::open(options(&runs.path().join("none"), "127.0.0.1")).await;
    assert!(matches!(missing, Err(DashboardError::NoRuns { .. })));
    let taken = Dashboard::open(options(runs.path(), "127.0.0.1"))
        .await
        .unwrap();
    let again = Options {
        port: taken.address().port(),
        ..options(runs.path(), "127.0.0.1")
    };
    let error = Dashboard::open(again).await.unwrap_err().to_string();
    assert!(error.contains("--port"), "{error}");
    assert!(taken.address().ip().is_loopback());
    assert!(taken.url().starts_with("http://127.0.0.1:") && !taken.url().contains("token"));
}
