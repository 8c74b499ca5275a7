//! Who may ask: the token, and requests that a foreign web page makes a browser send.

use std::net::IpAddr;

use axum::http::{HeaderMap, Uri, header};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use crate::error::{ApiError, ServerError};

/// Characters of a token at least.
const SHORTEST: usize = 16;

/// What clients show as `Authorization: Bearer TOKEN`.
#[derive(Debug, Clone)]
pub struct Token(SecretString);

impl Token {
    /// A token of 16 characters or more.
    pub fn new(text: &str) -> Result<Self, ServerError> {
        let text = text.trim();
        if text.len() < SHORTEST || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ServerError::WeakToken);
        }
        Ok(Self(SecretString::from(text.to_owned())))
    }

    /// Compares in a time that says nothing about where texts differ, nor about their lengths.
    fn is(&self, shown: &[u8]) -> bool {
        let own = blake3::hash(self.0.expose_secret().as_bytes());
        let shown = blake3::hash(shown);
        own.as_bytes().ct_eq(shown.as_bytes()).into()
    }
}

/// The rules of a server.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) token: Option<Token>,
    /// Only this machine reaches it, under names that are its own.
    pub(crate) loopback: bool,
}

impl Access {
    /// Refuses what comes through a browser from another site, and names that are not ours: a page
    /// whose name was rebound to this machine still sends its own.
    pub(crate) fn check_source(&self, headers: &HeaderMap, uri: &Uri) -> Result<(), ApiError> {
        let shown = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok());
        let host = uri
            .authority()
            .map(axum::http::uri::Authority::as_str)
            .or(shown);
        if self.loopback {
            let named = [host, shown].into_iter().flatten();
            let mut own = named.map(is_loopback_name);
            if host.is_none() || own.any(|own| !own) {
                return Err(ApiError::forbidden(
                    "this server answers to `localhost`, `127.0.0.1` and `[::1]` only",
                ));
            }
        }
        let foreign = |value: &str| !matches!(value, "same-origin" | "none");
        let site = headers.get("sec-fetch-site").map(|value| value.to_str());
        let origin = headers.get(header::ORIGIN).map(|value| value.to_str());
        let same = |origin: &str| {
            let place = origin
                .strip_prefix("http://")
                .or(origin.strip_prefix("https://"));
            place.is_some() && place == host
        };
        let from_elsewhere = site.is_some_and(|site| site.map_or(true, foreign))
            || origin.is_some_and(|origin| !origin.is_ok_and(same));
        if from_elsewhere {
            return Err(ApiError::forbidden(
                "requests of other sites' pages are refused",
            ));
        }
        Ok(())
    }

    /// Refuses a request without the token, where there is one.
    pub(crate) fn check_token(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let Some(token) = &self.token else {
            return Ok(());
        };
        let mut all = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(only), None) = (all.next(), all.next()) else {
            return Err(ApiError::unauthorized());
        };
        let shown = only.as_bytes();
        let scheme = shown
            .get(..7)
            .is_some_and(|s| s.eq_ignore_ascii_case(b"bearer "));
        if scheme && token.is(shown.get(7..).unwrap_or_default().trim_ascii()) {
            Ok(())
        } else {
            Err(ApiError::unauthorized())
        }
    }
}

/// `localhost`, or an address of the loopback interface, with or without a port.
fn is_loopback_name(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((name, port)) => (name, port.strip_prefix(':').unwrap_or(port)),
            None => return false,
        },
        None => host.split_once(':').unwrap_or((host, "")),
    };
    let address = || {
        name.parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
    };
    port.bytes().all(|byte| byte.is_ascii_digit())
        && (name.eq_ignore_ascii_case("localhost") || address())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_machine() {
        for own in [
            "localhost",
            "LOCALHOST:80",
            "127.0.0.1:8080",
            "127.9.9.9",
            "[::1]:1",
            "[::1]",
        ] {
            assert!(is_loopback_name(own), "{own}");
        }
        for foreign in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:80",
            "0.0.0.0",
            "127.0.0.1@evil.example",
            "[::1].evil.example",
            "localhost:80@evil",
            "10.0.0.1",
            "2130706433",
        ] {
            assert!(!is_loopback_name(foreign), "{foreign}");
        }
    }

    #[test]
    fn short_tokens_are_refused_and_none_is_shown() {
        assert!(Token::new("short").is_err());
        assert!(Token::new("with spaces inside it").is_err());
        let token = Token::new("0123456789abcdef-secret").unwrap();
        assert!(
            !format!("{token:?}").contains("secret-") && !format!("{token:?}").contains("0123")
        );
        assert!(token.is(b"0123456789abcdef-secret"));
        assert!(!token.is(b"0123456789abcdef-secre") && !token.is(b""));
    }
}
