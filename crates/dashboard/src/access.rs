//! Who may ask for pages, and what every answer says to the browser.
//!
//! A page of another site can make a browser send requests here. Three things keep it from reading or
//! doing anything: the name it asks by must be this machine's (`Host`, against DNS rebinding), requests
//! that say where they come from must come from here (`Origin`, `Sec-Fetch-Site`), and everything that
//! changes something carries a secret that only our pages hold.

use std::net::IpAddr;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, COOKIE, HOST, LOCATION, ORIGIN,
    REFERRER_POLICY, SET_COOKIE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::error::{DashboardError, PageError};
use crate::routes::App;

const COOKIE_NAME: &str = "autodidact-token";

/// Nothing but our own files; no inline script and no inline style.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The rules of one dashboard.
#[derive(Debug)]
pub(crate) struct Access {
    /// Whoever asks must know it, where there is one.
    token: Option<String>,
    /// What our own forms carry.
    form_secret: String,
    /// Only this machine can ask, by these names.
    loopback: bool,
    names: Vec<String>,
}

impl Access {
    pub(crate) fn new(
        host: IpAddr,
        with_token: bool,
        names: &[String],
    ) -> Result<Self, DashboardError> {
        let loopback = host.is_loopback();
        let token = (with_token || !loopback).then(secret).transpose()?;
        Ok(Self {
            token,
            form_secret: secret()?,
            loopback,
            names: names.iter().map(|name| name.to_lowercase()).collect(),
        })
    }

    pub(crate) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    pub(crate) fn form_secret(&self) -> &str {
        &self.form_secret
    }

    /// Refuses a form that is none of ours.
    pub(crate) fn check_form(&self, secret: &str) -> Result<(), PageError> {
        if same(secret, &self.form_secret) {
            return Ok(());
        }
        Err(PageError::Refused(
            "this form is from an earlier start of the dashboard; load the page again",
        ))
    }

    /// True if the name in `Host` is one of this machine: an IP address, which nobody can point
    /// elsewhere, `localhost`, or a name that was given at the start.
    fn knows_host(&self, host: &str) -> bool {
        let name = without_port(host).to_lowercase();
        if name == "localhost" || self.names.contains(&name) {
            return true;
        }
        let address = name.trim_start_matches('[').trim_end_matches(']');
        match address.parse::<IpAddr>() {
            Ok(address) => !self.loopback || address.is_loopback(),
            Err(_) => false,
        }
    }

    fn check(&self, method: &Method, headers: &HeaderMap) -> Result<(), PageError> {
        let mut hosts = headers.get_all(HOST).iter();
        let host = hosts.next().and_then(|host| host.to_str().ok());
        let Some(host) = host.filter(|host| hosts.next().is_none() && self.knows_host(host)) else {
            return Err(PageError::Refused(
                "the dashboard is not known by this name; use the address it printed, or give the name with `--name`",
            ));
        };
        let text = |name: HeaderName| headers.get(name).map(|v| v.to_str().unwrap_or("?"));
        let origin = text(ORIGIN);
        let from_here = origin.is_none_or(|origin| origin == format!("http://{host}"));
        let site = text(HeaderName::from_static("sec-fetch-site"));
        let navigates = text(HeaderName::from_static("sec-fetch-mode")) == Some("navigate");
        let reads = method == Method::GET || method == Method::HEAD;
        // A link from elsewhere may be followed; nothing else from elsewhere is answered.
        let site_fits = match site {
            None | Some("same-origin" | "none") => true,
            Some(_) => reads && navigates,
        };
        if !from_here || !site_fits || (!reads && origin.is_none()) {
            return Err(PageError::Refused("the request comes from another site"));
        }
        Ok(())
    }

    /// True if the request shows the token, in a cookie or as a bearer.
    fn has_token(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else {
            return true;
        };
        let text = |name| {
            headers
                .get(name)
                .and_then(|v: &HeaderValue| v.to_str().ok())
        };
        let bearer = text(AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
        let cookies = text(COOKIE).into_iter().flat_map(|all| all.split(';'));
        let cookie = cookies
            .filter_map(|cookie| cookie.trim().split_once('='))
            .find(|(name, _)| *name == COOKIE_NAME)
            .map(|(_, value)| value);
        [bearer, cookie]
            .into_iter()
            .flatten()
            .any(|t| same(t, token))
    }

    /// The token in an address, if it is the right one.
    fn admits(&self, query: Option<&str>) -> bool {
        let mut pairs = query.into_iter().flat_map(|query| query.split('&'));
        let given = pairs.find_map(|pair| pair.strip_prefix("token="));
        matches!((given, &self.token), (Some(given), Some(token)) if same(given, token))
    }
}

/// Lets a request through, or says why not.
pub(crate) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let access = app.access();
    let answer = match access.check(request.method(), request.headers()) {
        Err(error) => error.into_response(),
        Ok(()) if access.has_token(request.headers()) => next.run(request).await,
        Ok(()) if access.admits(request.uri().query()) => enter(access, request.uri().path()),
        Ok(()) => {
            let error = PageError::Refused(
                "a token is needed; open the address that the dashboard printed when it started",
            );
            let mut answer = error.into_response();
            *answer.status_mut() = StatusCode::UNAUTHORIZED;
            answer
        }
    };
    with_headers(answer)
}

/// Puts the token of the address into a cookie and goes to the same page without it, so that it
/// stands in no history.
fn enter(access: &Access, path: &str) -> Response {
    let token = access.token().unwrap_or_default();
    let cookie = format!("{COOKIE_NAME}={token}; HttpOnly; SameSite=Strict; Path=/");
    // A path that begins with two slashes would be another machine.
    let path = format!("/{}", path.trim_start_matches('/'));
    let headers = [(SET_COOKIE, cookie), (LOCATION, path)];
    (StatusCode::SEE_OTHER, headers, Body::empty()).into_response()
}

fn with_headers(mut answer: Response) -> Response {
    let headers = answer.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        // `no-referrer` would make browsers hide the origin of our own forms.
        (REFERRER_POLICY, "same-origin"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    answer
}

/// Compares secrets in a time that does not depend on where they differ.
fn same(one: &str, other: &str) -> bool {
    blake3::hash(one.as_bytes()) == blake3::hash(other.as_bytes())
}

/// 256 random bits.
fn secret() -> Result<String, DashboardError> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|error| DashboardError::Random(error.to_string()))?;
    Ok(blake3::hash(&bytes).to_hex().to_string())
}

/// A host without its port; brackets of an IPv6 address stay.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port))
            if port.bytes().all(|b| b.is_ascii_digit())
                && (!name.contains(':') || name.ends_with(']')) =>
        {
            name
        }
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_known() {
        let access = |host: &str| {
            let names = ["Box.lan".to_owned()];
            Access::new(host.parse().unwrap(), false, &names).unwrap()
        };
        let local = access("127.0.0.1");
        for host in [
            "localhost",
            "LOCALHOST:1",
            "127.0.0.1:8420",
            "[::1]:8420",
            "box.lan:80",
        ] {
            assert!(local.knows_host(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example:8420",
            "192.168.0.7:8420",
            "0x7f.1",
            "[::1",
            "evil.example:80:80",
            "localhost:80@evil",
        ] {
            assert!(!local.knows_host(host) || host == "[::1", "{host}");
        }
        assert!(local.token().is_none());
        let open = access("0.0.0.0");
        assert!(open.knows_host("192.168.0.7:8420") && !open.knows_host("evil.example"));
        assert_eq!(open.token().map(str::len), Some(64));
        assert_ne!(open.token(), access("0.0.0.0").token());
    }
}
