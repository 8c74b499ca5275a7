//! Reading JSON for nothing but whether it is JSON.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Any JSON value whose texts are Unicode. `serde::de::IgnoredAny` skips over texts without looking
/// at them; this reads each and keeps none, so that a vocabulary is not held twice.
#[derive(Debug)]
pub(super) struct WellFormed;

impl<'de> Deserialize<'de> for WellFormed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for WellFormed {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<Self, Self>()?.is_some() {}
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_are_not_unicode_are_found() {
        let good = |json: &[u8]| serde_json::from_slice::<WellFormed>(json).is_ok();
        assert!(good(
            br#"{"a": [1, -2, 0.5, null, true, "\ud83d\ude00 b"]}"#
        ));
        for bad in [
            &b"{\"a\": \"\xff\"}"[..],
            br#"["\ud800"]"#,
            br#"{"\ud800": 1}"#,
            br#"{"a": }"#,
            b"",
            b"1 2",
        ] {
            assert!(!good(bad), "{}", String::from_utf8_lossy(bad));
        }
    }
}
