//! The header of a safetensors file, read entry by entry: whatever it says, only tensors that the
//! caller keeps take memory.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Dimensions a tensor of a decoder can have.
const MOST_DIMS: usize = 2;
/// Longest header; that of a model of 400 billion parameters has less than a megabyte.
const LONGEST: u64 = 100_000_000;

/// Where a tensor is, as its file says; nothing of it has been checked.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) dtype: String,
    /// As transformers writes it, the contiguous dimension last.
    pub(super) shape: [usize; MOST_DIMS],
    /// Number of dimensions, also if it is more than `shape` holds.
    pub(super) dims: usize,
    /// First byte and the one behind the last, counted from the end of the header.
    pub(super) offsets: [usize; 2],
}

/// Length of everything before the tensors' bytes, and the JSON in it.
pub(super) fn split(bytes: &[u8]) -> Result<(usize, &[u8]), String> {
    let length = bytes.first_chunk::<8>().map(|b| u64::from_le_bytes(*b));
    let length = length.ok_or("it is shorter than 8 bytes: it is truncated")?;
    let fits = usize::try_from(length)
        .ok()
        .filter(|length| length.checked_add(8).is_some_and(|end| end <= bytes.len()));
    let Some(header) = fits.filter(|_| length <= LONGEST) else {
        return Err(format!(
            "its header should have {length} bytes and the file has {}: it is truncated, damaged, or no safetensors file",
            bytes.len()
        ));
    };
    Ok((8 + header, &bytes[8..8 + header]))
}

/// Calls `each` with every tensor of a header.
pub(super) fn read(
    json: &[u8],
    each: &mut dyn FnMut(&str, Entry) -> Result<(), String>,
) -> Result<(), String> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    deserializer
        .deserialize_map(Header { each })
        .and_then(|()| deserializer.end())
        .map_err(|error| format!("its header is damaged: {error}"))
}

struct Header<'a> {
    each: &'a mut dyn FnMut(&str, Entry) -> Result<(), String>,
}

impl<'de> Visitor<'de> for Header<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            if name == "__metadata__" {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let entry: Entry = map.next_value()?;
            (self.each)(&name, entry).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Entry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a tensor: an object with dtype, shape and data_offsets")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entry, A::Error> {
                let mut entry = Entry::default();
                let mut seen = [false; 3];
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "dtype" => (entry.dtype, seen[0]) = (map.next_value()?, true),
                        "shape" => {
                            entry.dims = map.next_value_seed(Numbers(&mut entry.shape))?;
                            seen[1] = true;
                        }
                        "data_offsets" => {
                            let count = map.next_value_seed(Numbers(&mut entry.offsets))?;
                            seen[2] = count == 2;
                        }
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                if seen.contains(&false) {
                    return Err(A::Error::custom(
                        "a tensor needs dtype, shape and two data_offsets",
                    ));
                }
                Ok(entry)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// Fills an array with the first numbers of a list and says how many there were.
struct Numbers<'a>(&'a mut [usize; 2]);

impl<'de> DeserializeSeed<'de> for Numbers<'_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Numbers<'_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of numbers")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<usize, A::Error> {
        let mut count = 0;
        while let Some(number) = list.next_element::<usize>()? {
            if let Some(place) = self.0.get_mut(count) {
                *place = number;
            }
            count += 1;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(json: &str) -> Result<Vec<(String, Entry)>, String> {
        let mut entries = Vec::new();
        read(json.as_bytes(), &mut |name, entry| {
            entries.push((name.to_owned(), entry));
            Ok(())
        })?;
        Ok(entries)
    }

    #[test]
    fn entries_are_read_and_odd_ones_refused() {
        let json = r#"{"__metadata__":{"format":"pt"},"a.b":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}"#;
        let expected = Entry {
            dtype: "F32".into(),
            shape: [2, 3],
            dims: 2,
            offsets: [0, 24],
        };
        assert_eq!(entries(json).unwrap(), [("a.b".into(), expected)]);
        let many = r#"{"a":{"dtype":"F32","shape":[1,2,3,4],"data_offsets":[0,24]}}"#;
        assert_eq!(entries(many).unwrap()[0].1.dims, 4);
        for bad in [
            "",
            "[]",
            "{",
            r#"{"a":1}"#,
            r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}"#,
            r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}"#,
            r#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#,
            r#"{"a":{"dtype":"F32","data_offsets":[0,4]}}"#,
            r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}} x"#,
        ] {
            assert!(entries(bad).unwrap_err().contains("damaged"), "{bad}");
        }
    }

    #[test]
    fn lengths_are_checked() {
        assert!(split(b"short").unwrap_err().contains("truncated"));
        for length in [9u64, 1 << 40, u64::MAX] {
            let bytes = [&length.to_le_bytes()[..], b"{}"].concat();
            assert!(split(&bytes).unwrap_err().contains("header"));
        }
        let bytes = [&2u64.to_le_bytes()[..], b"{}", b"data"].concat();
        assert_eq!(split(&bytes).unwrap(), (10, &b"{}"[..]));
    }
}
