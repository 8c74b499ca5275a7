//! Reading a request's fields one by one, so that an error names the field, and what nobody read is
//! refused instead of ignored.

use serde_json::{Map, Value};

use crate::error::ApiError;

/// The fields nobody has read yet.
#[derive(Debug)]
pub(crate) struct Fields(Map<String, Value>);

impl Fields {
    /// A body that must be an object.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(map)) => Ok(Self(map)),
            Ok(_) => Err(ApiError::bad("the body must be a JSON object")),
            Err(error) => Err(ApiError::bad(format!("the body is no JSON: {error}"))),
        }
    }

    /// A field; one that is null counts as absent.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.0.shift_remove(name).filter(|value| !value.is_null())
    }

    pub(crate) fn required(&mut self, name: &str) -> Result<Value, ApiError> {
        let missing = || {
            let mut error = ApiError::field(name, format!("`{name}` is missing"));
            error.code = Some("missing_required_parameter");
            error
        };
        self.take(name).ok_or_else(missing)
    }

    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(ApiError::field(name, format!("`{name}` must be a string"))),
        }
    }

    pub(crate) fn flag(&mut self, name: &str) -> Result<bool, ApiError> {
        match self.take(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(ApiError::field(
                name,
                format!("`{name}` must be true or false"),
            )),
        }
    }

    /// A number within bounds, both included.
    pub(crate) fn number(
        &mut self,
        name: &str,
        least: f64,
        most: f64,
    ) -> Result<Option<f64>, ApiError> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        match value.as_f64().filter(|n| (least..=most).contains(n)) {
            Some(number) => Ok(Some(number)),
            None => Err(ApiError::field(
                name,
                format!("`{name}` must be a number from {least} to {most}"),
            )),
        }
    }

    /// A whole number within bounds, both included.
    pub(crate) fn integer(
        &mut self,
        name: &str,
        least: u64,
        most: u64,
    ) -> Result<Option<u64>, ApiError> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        match value.as_u64().filter(|n| (least..=most).contains(n)) {
            Some(number) => Ok(Some(number)),
            None => Err(ApiError::field(
                name,
                format!("`{name}` must be a whole number from {least} to {most}"),
            )),
        }
    }

    /// A seed: any whole number of 64 bits.
    pub(crate) fn seed(&mut self) -> Result<Option<u64>, ApiError> {
        let Some(value) = self.take("seed") else {
            return Ok(None);
        };
        let bits = value.as_i64().map(i64::cast_unsigned).or(value.as_u64());
        let wrong = || ApiError::field("seed", "`seed` must be a whole number of 64 bits");
        bits.map(Some).ok_or_else(wrong)
    }

    /// Texts that end a completion: one, or up to sixteen.
    pub(crate) fn stop(&mut self) -> Result<Vec<String>, ApiError> {
        let wrong = || {
            ApiError::field(
                "stop",
                "`stop` must be a string or a list of up to 16 strings, none of them empty",
            )
        };
        let texts = match self.take("stop") {
            None => Vec::new(),
            Some(Value::String(text)) => vec![text],
            Some(Value::Array(values)) => {
                let text = |value: Value| match value {
                    Value::String(text) => Ok(text),
                    _ => Err(wrong()),
                };
                values.into_iter().map(text).collect::<Result<_, _>>()?
            }
            Some(_) => return Err(wrong()),
        };
        if texts.len() > 16 || texts.iter().any(String::is_empty) {
            return Err(wrong());
        }
        Ok(texts)
    }

    /// A field that may only say what happens anyhow.
    pub(crate) fn only(
        &mut self,
        name: &str,
        neutral: impl Fn(&Value) -> bool,
        because: &str,
    ) -> Result<(), ApiError> {
        match self.take(name) {
            Some(value) if !neutral(&value) => {
                Err(ApiError::unsupported(name, format!("`{name}`: {because}")))
            }
            _ => Ok(()),
        }
    }

    /// Fields without an effect here, as documented.
    pub(crate) fn ignore(&mut self, names: &[&str]) {
        for name in names {
            self.0.shift_remove(*name);
        }
    }

    /// Refuses what is left.
    pub(crate) fn finish(self) -> Result<(), ApiError> {
        match self.0.into_iter().find(|(_, value)| !value.is_null()) {
            Some((name, _)) => {
                let name: String = name.chars().take(80).collect();
                Err(ApiError::unknown_field(&name))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::chat::ChatRequest;
    use crate::completions::CompletionRequest;
    use crate::limits::Limits;

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            let name = prop_oneof![
                "role",
                "content",
                "type",
                "text",
                "include_usage",
                "[a-z]{1,3}"
            ];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((name, inner), 0..4)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    const NAMES: [&str; 16] = [
        "model",
        "messages",
        "prompt",
        "n",
        "max_tokens",
        "temperature",
        "stop",
        "seed",
        "stream",
        "stream_options",
        "logprobs",
        "top_logprobs",
        "echo",
        "logit_bias",
        "tools",
        "strategy",
    ];

    proptest! {
        /// Any body is a request or an error of the client's.
        #[test]
        fn any_body_is_read_or_refused(
            pairs in prop::collection::vec((0usize..16, any_json()), 0..8),
            bytes in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let limits = Limits::default();
            let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}], "prompt": "x"});
            for (name, value) in pairs {
                body[NAMES[name]] = value;
            }
            for body in [body.to_string().into_bytes(), bytes] {
                if let Err(error) = ChatRequest::read(&body, &limits) {
                    prop_assert_eq!(error.status.as_u16(), 400);
                }
                if let Ok(request) = CompletionRequest::read(&body, &limits) {
                    prop_assert!(request.prompts.len() <= limits.prompts);
                }
            }
        }
    }
}
