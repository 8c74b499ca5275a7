//! The wait that a provider asks for, in every form it is said in.

use std::time::{Duration, SystemTime};

use reqwest::header::HeaderMap;

/// Longer than any real wait, short enough to be added to a point in time.
const LONGEST: f64 = 100.0 * 365.0 * 86_400.0;

/// Limits that OpenAI names in `x-ratelimit-remaining-*` and `x-ratelimit-reset-*`.
const OPENAI: [&str; 2] = ["requests", "tokens"];
/// Limits that Anthropic names in `anthropic-ratelimit-*-remaining` and `-reset`.
const ANTHROPIC: [&str; 4] = ["requests", "tokens", "input-tokens", "output-tokens"];

/// The wait in the headers of a refusal, or else in its body. `retry-after-ms` counts before
/// `retry-after`, as in OpenAI's and Anthropic's own clients; the resets of limits count only where
/// nothing else is said, the limit is used up, and the request was refused for it (`limited`). What is negative, zero or no time is no wait.
pub(super) fn wait(
    headers: &HeaderMap,
    body: Option<Duration>,
    limited: bool,
    now: SystemTime,
) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    text("retry-after-ms")
        .and_then(|ms| positive(ms.trim().parse::<f64>().ok()? / 1000.0))
        .or_else(|| retry_after(text("retry-after")?, text("date"), now))
        .or(body)
        .or_else(|| limited.then(|| used_up(&text, now)).flatten())
}

/// `Retry-After` (RFC 9110, 10.2.3): seconds, or a date. A date is compared with the server's own
/// clock where it gives it, so that a wrong clock here sends nothing early.
fn retry_after(value: &str, date: Option<&str>, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        return positive(seconds);
    }
    let until = httpdate::parse_http_date(value).ok()?;
    let now = date
        .and_then(|date| httpdate::parse_http_date(date).ok())
        .unwrap_or(now);
    positive(until.duration_since(now).ok()?.as_secs_f64())
}

/// The longest reset of a limit of which nothing remains.
fn used_up<'a>(text: &dyn Fn(&str) -> Option<&'a str>, now: SystemTime) -> Option<Duration> {
    let nothing = |remaining: Option<&str>| remaining.is_some_and(|left| left.trim() == "0");
    let openai = OPENAI.iter().filter_map(|limit| {
        nothing(text(&format!("x-ratelimit-remaining-{limit}")))
            .then(|| text(&format!("x-ratelimit-reset-{limit}")))?
            .and_then(duration)
    });
    let anthropic = ANTHROPIC.iter().filter_map(|limit| {
        nothing(text(&format!("anthropic-ratelimit-{limit}-remaining")))
            .then(|| text(&format!("anthropic-ratelimit-{limit}-reset")))?
            .and_then(|reset| {
                let until = humantime::parse_rfc3339_weak(reset.trim()).ok()?;
                positive(until.duration_since(now).ok()?.as_secs_f64())
            })
    });
    openai.chain(anthropic).max()
}

/// Durations as Go prints them (`6m0s`, `1h2m3.5s`, `20ms`), or seconds.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest
            .find(|c: char| !c.is_alphabetic())
            .unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "h" => 3600.0,
            "m" => 60.0,
            "s" | "" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" | "μs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        rest = &rest[letters..];
        seconds += number * unit;
    }
    positive(seconds)
}

fn positive(seconds: f64) -> Option<Duration> {
    (seconds.is_finite() && seconds > 0.0).then(|| Duration::from_secs_f64(seconds.min(LONGEST)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn now() -> SystemTime {
        httpdate::parse_http_date("Mon, 23 Nov 2026 08:00:00 GMT").unwrap()
    }

    fn seconds(headers: &[(&str, &str)]) -> Option<f64> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        wait(&map, None, true, now()).map(|wait| wait.as_secs_f64())
    }

    #[test]
    fn every_form_of_retry_after_is_read_and_nonsense_is_no_wait() {
        for (name, value, expected) in [
            ("retry-after", "2", Some(2.0)),
            ("retry-after", " 0.25 ", Some(0.25)),
            ("retry-after", "1e9", Some(1e9)),
            ("retry-after", "99999999999999999999999", Some(LONGEST)),
            ("retry-after", "Mon, 23 Nov 2026 08:01:30 GMT", Some(90.0)),
            ("retry-after", "Monday, 23-Nov-26 08:01:30 GMT", Some(90.0)),
            ("retry-after", "Mon, 23 Nov 2026 07:59:00 GMT", None),
            ("retry-after", "-5", None),
            ("retry-after", "0", None),
            ("retry-after", "inf", None),
            ("retry-after", "NaN", None),
            ("retry-after", "soon", None),
            ("retry-after", "", None),
            ("retry-after-ms", "1500", Some(1.5)),
            ("retry-after-ms", "-1", None),
        ] {
            assert_eq!(seconds(&[(name, value)]), expected, "{name}: {value}");
        }
        let both = [("retry-after", "9"), ("retry-after-ms", "100")];
        assert_eq!(seconds(&both), Some(0.1));
        let skewed = [
            ("retry-after", "Mon, 23 Nov 2026 09:00:10 GMT"),
            ("date", "Mon, 23 Nov 2026 09:00:00 GMT"),
        ];
        assert_eq!(seconds(&skewed), Some(10.0), "the server's clock counts");
    }

    #[test]
    fn resets_count_only_for_limits_that_are_used_up() {
        let openai = |left, reset| {
            seconds(&[
                ("x-ratelimit-remaining-requests", left),
                ("x-ratelimit-reset-requests", reset),
                ("x-ratelimit-remaining-tokens", "100"),
                ("x-ratelimit-reset-tokens", "9h"),
            ])
        };
        assert_eq!(openai("0", "6m0s"), Some(360.0));
        assert_eq!(openai("0", "20ms"), Some(0.02));
        assert_eq!(openai("0", "1h2m3.5s"), Some(3723.5));
        assert_eq!(openai("0", "0s"), None);
        assert_eq!(openai("1", "6m0s"), None);
        assert_eq!(openai("-1", "6m0s"), None);
        let anthropic = [
            ("anthropic-ratelimit-requests-remaining", "0"),
            ("anthropic-ratelimit-requests-reset", "2026-11-23T08:00:30Z"),
            ("anthropic-ratelimit-output-tokens-remaining", "0"),
            (
                "anthropic-ratelimit-output-tokens-reset",
                "2026-11-23T08:00:42Z",
            ),
        ];
        assert_eq!(seconds(&anthropic), Some(42.0));
        let said = [anthropic.as_slice(), &[("retry-after", "3")]].concat();
        assert_eq!(seconds(&said), Some(3.0));
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic_or_wait_for_less_than_nothing(value in "[ -~]{0,40}") {
            if let Some(wait) = seconds(&[("retry-after", &value)]) {
                prop_assert!(wait > 0.0);
            }
            duration(&value);
        }
    }
}
