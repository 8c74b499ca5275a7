//! One base URL, checked, with its connection pool.

use std::net::IpAddr;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Url};

use crate::{ErrorClass, ProviderError};

/// Servers close idle connections, uvicorn (vLLM, TEI) after 5 s; a request that meets a closing
/// one breaks, and may have to be paid. So connections are closed here first.
const IDLE: Duration = Duration::from_secs(4);
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// Where one of an endpoint's servers is, and the connections to it.
#[derive(Debug)]
pub(super) struct Server {
    /// Without a slash at its end.
    base: String,
    pub(super) client: Client,
}

impl Server {
    /// Checks a base URL: http or https, no user name or password, no query, no fragment.
    pub(super) fn new(
        model: &str,
        base_url: &str,
        connect: Duration,
        concurrency: usize,
    ) -> Result<Self, ProviderError> {
        let refused = |reason: &str| {
            // The URL is not repeated: it may hold a password.
            let message = format!("`base_url` {reason}");
            ProviderError::new(model, ErrorClass::Declaration, message)
        };
        let url = Url::parse(base_url.trim())
            .map_err(|error| refused(&format!("is no URL ({error}); write http://host/path")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refused("must begin with http:// or https://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused("holds a user name or password; use `key_env`"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refused("must not hold `?` or `#`"));
        }
        let client = client(&url, connect, concurrency)
            .map_err(|error| refused(&format!("cannot be used: {}", causes(&error))))?;
        Ok(Self {
            base: url.as_str().trim_end_matches('/').to_owned(),
            client,
        })
    }

    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// The address of a path, which begins with `/`.
    pub(super) fn url(&self, path: &str) -> Result<Url, String> {
        let mut text = String::with_capacity(self.base.len() + path.len());
        text.push_str(&self.base);
        text.push_str(path);
        Url::parse(&text).map_err(|error| format!("the path {path} makes no URL: {error}"))
    }
}

fn client(url: &Url, connect: Duration, concurrency: usize) -> reqwest::Result<Client> {
    // An error means that it was done before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .user_agent(concat!("autodidact/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .referer(false)
        .connect_timeout(connect)
        .pool_max_idle_per_host(concurrency)
        .pool_idle_timeout(IDLE)
        .tcp_keepalive(KEEP_ALIVE);
    if is_loopback(url) {
        builder = builder.no_proxy();
    }
    if url.scheme() == "http" {
        // A machine without certificates can still ask its own servers.
        builder = builder.tls_certs_only([]);
    }
    builder.build()
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or("");
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host.ends_with(".localhost")
        || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// An error and what caused it, in one line, without the address.
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str) -> Result<Server, ProviderError> {
        Server::new("m", url, Duration::from_secs(1), 1)
    }

    #[test]
    fn base_urls_are_checked_and_what_is_wrong_is_not_repeated() {
        for url in [
            "",
            "api.openai.com/v1",
            "file:///etc/passwd",
            "ftp://host/v1",
            "http://user:hunter2@host/v1",
            "https://hunter2@host",
            "https://host/v1?key=hunter2",
            "https://host/v1#hunter2",
            "http://",
        ] {
            let error = server(url).unwrap_err();
            assert_eq!(error.class, ErrorClass::Declaration, "{url}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn paths_follow_the_base_url() {
        for (base, expected) in [
            ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1/chat"),
            ("http://127.0.0.1:8000/v1/", "http://127.0.0.1:8000/v1/chat"),
            ("http://[::1]:8000", "http://[::1]:8000/chat"),
        ] {
            let server = server(base).unwrap();
            assert_eq!(server.url("/chat").unwrap().as_str(), expected);
        }
    }

    #[test]
    fn loopback_is_recognized() {
        for (url, expected) in [
            ("http://127.0.0.1:1", true),
            ("http://127.8.9.1", true),
            ("http://[::1]/v1", true),
            ("http://localhost:11434", true),
            ("http://10.0.0.1", false),
            ("https://localhost.example.com", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }
}
