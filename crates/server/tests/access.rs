//! Who may ask: the token, foreign web pages, rebound names, and addresses that others reach.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

mod common;

use autodidact_engine::SessionOptions;
use autodidact_server::{Server, ServerError, ServerOptions, Token};
use common::{TOKEN, catalog, start, start_with_token};
use serde_json::json;

const LEGACY: &str = "/v1/completions";

fn asked() -> serde_json::Value {
    json!({"model": "tiny", "prompt": "the", "max_tokens": 1})
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_token_nothing_is_answered() {
    let server = start_with_token().await;
    let wrong: [Option<String>; 8] = [
        None,
        Some(TOKEN.to_owned()),
        Some("Bearer".to_owned()),
        Some("Bearer ".to_owned()),
        Some(format!("Basic {TOKEN}")),
        Some(format!("Bearer {}", &TOKEN[1..])),
        Some(format!("Bearer {TOKEN}x")),
        Some(format!("Bearer {}", TOKEN.to_uppercase())),
    ];
    for shown in wrong {
        for path in ["/v1/models", "/metrics", "/v1/models/tiny", "/nothing"] {
            let mut request = server.client.get(format!("{}{path}", server.url));
            if let Some(shown) = &shown {
                request = request.header("authorization", shown);
            }
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 401, "{path} with {shown:?}");
            assert_eq!(response.headers()["www-authenticate"], "Bearer");
            let text = response.text().await.unwrap();
            assert!(
                text.contains("invalid_api_key") && !text.contains(TOKEN),
                "{text}"
            );
        }
        let mut request = server.request(LEGACY, &asked());
        if let Some(shown) = &shown {
            request = request.header("authorization", shown);
        }
        assert_eq!(request.send().await.unwrap().status(), 401);
    }
    for scheme in ["Bearer", "bearer"] {
        let request = server.request(LEGACY, &asked());
        let request = request.header("authorization", format!("{scheme} {TOKEN}"));
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
    let twice = server.request(LEGACY, &asked());
    let twice = twice
        .header("authorization", format!("Bearer {TOKEN}"))
        .header("authorization", "Bearer x");
    assert_eq!(twice.send().await.unwrap().status(), 401);
    assert_eq!(server.get("/health").await, r#"{"status":"ok"}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_pages_and_rebound_names_are_refused() {
    let server = start().await;
    let refused = [
        ("host", "evil.example".to_owned()),
        ("host", format!("evil.example:{}", server.port)),
        ("host", "127.0.0.1.evil.example".to_owned()),
        ("host", "0.0.0.0".to_owned()),
        ("origin", "http://evil.example".to_owned()),
        ("origin", "null".to_owned()),
        ("origin", format!("http://127.0.0.1:{}", server.port + 1)),
        ("sec-fetch-site", "cross-site".to_owned()),
        ("sec-fetch-site", "same-site".to_owned()),
    ];
    for (name, value) in &refused {
        for path in ["/v1/models", "/metrics", "/health"] {
            let request = server.client.get(format!("{}{path}", server.url));
            let response = request.header(*name, value).send().await.unwrap();
            assert_eq!(response.status(), 403, "{path} with {name}: {value}");
        }
        let response = server
            .request(LEGACY, &asked())
            .header(*name, value)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 403, "{name}: {value}");
        assert!(
            response
                .headers()
                .get("access-control-allow-origin")
                .is_none()
        );
    }
    let allowed = [
        ("host", format!("localhost:{}", server.port)),
        ("host", "[::1]".to_owned()),
        ("origin", format!("http://127.0.0.1:{}", server.port)),
        ("sec-fetch-site", "same-origin".to_owned()),
    ];
    for (name, value) in &allowed {
        let response = server
            .request(LEGACY, &asked())
            .header(*name, value)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 200, "{name}: {value}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_cannot_send_a_form() {
    let server = start().await;
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "",
    ] {
        let request = server.client.post(format!("{}{LEGACY}", server.url));
        let request = request
            .header("content-type", kind)
            .body(asked().to_string());
        assert_eq!(request.send().await.unwrap().status(), 415, "{kind}");
    }
    let preflight = server
        .client
        .request(reqwest::Method::OPTIONS, format!("{}{LEGACY}", server.url));
    let preflight = preflight
        .header("access-control-request-method", "POST")
        .send()
        .await
        .unwrap();
    assert_eq!(preflight.status(), 405);
    assert!(
        preflight
            .headers()
            .get("access-control-allow-origin")
            .is_none()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_others_reach_needs_a_token() {
    for address in ["0.0.0.0:0", "[::]:0"] {
        let address = address.parse().unwrap();
        let open = ServerOptions::default();
        let error = Server::bind(address, catalog(SessionOptions::default()), open)
            .await
            .unwrap_err();
        assert!(matches!(error, ServerError::NeedsToken(_)), "{error}");
    }
    let guarded = ServerOptions {
        token: Some(Token::new(TOKEN).unwrap()),
        ..ServerOptions::default()
    };
    let address = "0.0.0.0:0".parse().unwrap();
    Server::bind(address, catalog(SessionOptions::default()), guarded)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_lead_nowhere_else() {
    let server = start().await;
    for path in [
        "/../etc/passwd",
        "/v1/models/../../etc/passwd",
        "/v1/models/..%2f..%2fetc%2fpasswd",
        "/v1/models//etc/passwd",
        "/%00",
    ] {
        let response = server
            .client
            .get(format!("{}{path}", server.url))
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 404, "{path}");
        assert!(!response.text().await.unwrap().contains("root:"));
    }
}
