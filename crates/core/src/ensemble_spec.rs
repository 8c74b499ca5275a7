//! An ensemble is a file too: several models, judges, and how one answer is made of many.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::{JudgeSpec, MinimumScores, ModelSpec, SpecError, Usd};

/// How one answer is made of many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// The answer that the judge scores highest.
    #[default]
    Best,
    /// The final answer given most often (self-consistency, Wang et al. 2022).
    Vote,
    /// The final answer with the largest share of the judge's weight: the softmax of its scores.
    Weighted,
    /// The best-ranked answers are shown to a model that writes a new one (LLM-Blender, Jiang et al.
    /// 2023; mixture of agents, Wang et al. 2024).
    Fuse,
    /// Models are asked in order until one is confident.
    Cascade,
}

impl Strategy {
    /// The name used in files and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Best => "best",
            Self::Vote => "vote",
            Self::Weighted => "weighted",
            Self::Fuse => "fuse",
            Self::Cascade => "cascade",
        }
    }

    /// True if it cannot do without a judge.
    pub const fn needs_judge(self) -> bool {
        matches!(self, Self::Best | Self::Weighted)
    }
}

/// The `[fuse]` section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FuseSpec {
    /// Name of the model that writes the fused answer; absent: the first model. In all layers but
    /// the last every model answers again, having seen the best answers of the layer before.
    pub aggregator: Option<String>,
    /// How many answers are shown.
    pub top: u32,
    /// Rounds of showing and answering; 1 is rank-then-fuse.
    pub layers: u32,
}

impl Default for FuseSpec {
    fn default() -> Self {
        Self {
            aggregator: None,
            top: 3,
            layers: 1,
        }
    }
}

/// The `[cascade]` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CascadeSpec {
    /// A model is confident if this share of its samples give the same final answer.
    pub agreement: f64,
    /// With a judge: and if its best answer has at least this overall score.
    pub overall: Option<f64>,
}

impl Default for CascadeSpec {
    fn default() -> Self {
        Self {
            agreement: 0.6,
            overall: None,
        }
    }
}

/// Several models and judges that answer together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EnsembleSpec {
    /// Never spend more than this on one command; absent: no limit.
    pub budget_usd: Option<Usd>,
    /// Every random choice follows from it.
    pub seed: u64,
    /// How one answer is made of many.
    pub strategy: Strategy,
    /// 0 is greedy.
    pub temperature: f32,
    /// Longest answer, in tokens.
    pub max_tokens: u32,
    /// Told to every model before the question.
    pub instruction: String,
    /// Answers below one of these are not chosen.
    pub minimum_scores: MinimumScores,
    /// Fusing.
    pub fuse: FuseSpec,
    /// Falling back.
    pub cascade: CascadeSpec,
    /// Who answers.
    pub models: Vec<ModelSpec>,
    /// Who judges. All are asked at once; for each question the first of those that scored the most
    /// answers counts.
    pub judges: Vec<JudgeSpec>,
}

/// Told to every model unless a file says otherwise: the last line makes answers comparable.
pub const INSTRUCTION: &str = "Think step by step, then end with a line of the form `The answer is X.`, where X is the final answer alone.";

impl Default for EnsembleSpec {
    fn default() -> Self {
        Self {
            budget_usd: None,
            seed: 1,
            strategy: Strategy::Best,
            temperature: 0.7,
            max_tokens: 1024,
            instruction: INSTRUCTION.to_owned(),
            minimum_scores: MinimumScores::new(),
            fuse: FuseSpec::default(),
            cascade: CascadeSpec::default(),
            models: Vec::new(),
            judges: Vec::new(),
        }
    }
}

impl EnsembleSpec {
    /// Reads an ensemble from the text of a TOML file.
    pub fn parse(text: &str) -> Result<Self, SpecError> {
        let spec: Self = toml::from_str(text).map_err(|e| SpecError::from_toml(&e))?;
        spec.check()?;
        Ok(spec)
    }

    /// The same without the commands that print keys: some hold the key itself, and what is written
    /// down must not.
    #[must_use]
    pub fn without_key_commands(&self) -> Self {
        let mut spec = self.clone();
        forget_key_commands(&mut spec.models, &mut spec.judges);
        spec
    }

    /// Refuses values that have the right type and make no sense.
    pub fn check(&self) -> Result<(), SpecError> {
        check_members(&self.models, "models", &self.judges)?;
        let rules: [(bool, &str, &str); 5] = [
            (
                self.temperature.is_finite() && self.temperature >= 0.0,
                "temperature",
                "is not a finite number of at least 0",
            ),
            (self.max_tokens > 0, "max_tokens", "is 0"),
            (
                self.fuse.top > 0 && self.fuse.layers > 0,
                "fuse",
                "has a 0 for `top` or `layers`",
            ),
            (
                (0.0..=1.0).contains(&self.cascade.agreement),
                "cascade.agreement",
                "is not from 0 to 1",
            ),
            (
                self.fuse
                    .aggregator
                    .as_ref()
                    .is_none_or(|name| self.models.iter().any(|m| m.name == *name)),
                "fuse.aggregator",
                "names no model of this file",
            ),
        ];
        rules.into_iter().try_for_each(rule)
    }
}

fn rule((holds, key, problem): (bool, &str, &str)) -> Result<(), SpecError> {
    if holds {
        return Ok(());
    }
    Err(SpecError::Invalid {
        key: key.into(),
        problem: problem.into(),
    })
}

/// Takes the commands that print keys out of declarations.
pub(crate) fn forget_key_commands(models: &mut [ModelSpec], judges: &mut [JudgeSpec]) {
    for model in models {
        model.key_command = None;
    }
    for judge in judges {
        judge.key_command = None;
    }
}

/// Checks the models and judges of a run or an ensemble.
pub(crate) fn check_members(
    models: &[ModelSpec],
    list: &str,
    judges: &[JudgeSpec],
) -> Result<(), SpecError> {
    let mut names = HashSet::new();
    for model in models {
        let key = |field: &str| format!("{list}.{field} of `{}`", model.name);
        check_name(&model.name, list, &mut names)?;
        let limits = [
            (model.samples > 0, "samples", "is 0"),
            (!model.model_name().is_empty(), "model", "is empty"),
            (
                model.keep != Some(0),
                "keep",
                "is 0; leave the model out instead",
            ),
            (
                model.temperature.is_none_or(|t| t.is_finite() && t >= 0.0),
                "temperature",
                "is not a finite number of at least 0",
            ),
            (model.max_tokens != Some(0), "max_tokens", "is 0"),
        ];
        for (holds, field, problem) in limits.into_iter().chain(limit_rules(&model.limits)) {
            rule((holds, &key(field), problem))?;
        }
    }
    names.clear();
    for judge in judges {
        let key = |field: &str| format!("judges.{field} of `{}`", judge.name);
        check_name(&judge.name, "judges", &mut names)?;
        let is_model = models.iter().any(|model| model.name == judge.name);
        let problem = "is also the name of a model; what they cost is counted by name";
        rule((!is_model, &key("name"), problem))?;
        let own = [
            (judge.repeats > 0, "repeats", "is 0"),
            (!judge.model.as_slice().is_empty(), "model", "is empty"),
            (judge.context != Some(0), "context", "is 0"),
        ];
        for (holds, field, problem) in own.into_iter().chain(limit_rules(&judge.limits)) {
            rule((holds, &key(field), problem))?;
        }
    }
    Ok(())
}

fn limit_rules(limits: &crate::Limits) -> [(bool, &'static str, &'static str); 3] {
    let seconds = [
        limits.connect_seconds,
        limits.first_byte_seconds,
        limits.idle_seconds,
        limits.total_seconds,
    ];
    [
        (
            limits.concurrency > 0 && limits.attempts > 0,
            "limits",
            "has a 0 for `concurrency` or `attempts`",
        ),
        (
            limits.requests_per_minute != Some(0) && limits.tokens_per_minute != Some(0),
            "limits",
            "allows 0 a minute",
        ),
        (
            seconds.iter().all(|s| s.is_finite() && *s > 0.0)
                && limits.longest_wait_seconds.is_finite()
                && limits.longest_wait_seconds >= 0.0,
            "limits",
            "has a time that is not a finite number of seconds above 0",
        ),
    ]
}

fn check_name<'a>(name: &'a str, list: &str, seen: &mut HashSet<&'a str>) -> Result<(), SpecError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let problem = if name.is_empty() || !name.chars().all(allowed) {
        "is not made of letters, digits, `-`, `_` and `.`"
    } else if !seen.insert(name) {
        "is there twice"
    } else {
        return Ok(());
    };
    Err(SpecError::Invalid {
        key: format!("{list}.name = \"{name}\""),
        problem: problem.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{JudgeKind, ProviderKind};

    const TEXT: &str = r#"
        budget_usd = 1
        strategy = "fuse"
        [fuse]
        aggregator = "claude"
        [[models]]
        name = "claude"
        provider = "anthropic"
        model = "claude-sonnet-4-5"
        [[models]]
        name = "fleet"
        provider = "vllm"
        model = "mistral-7b"
        base_url = ["http://a:8000/v1", "http://b:8000/v1"]
        limits = { concurrency = 256 }
        [[judges]]
        name = "nemotron"
        provider = "nvidia"
        model = "nvidia/nemotron-4-340b-reward"
        weights = { correctness = 1.0 }
    "#;

    #[test]
    fn a_file_of_models_and_judges() {
        let spec = EnsembleSpec::parse(TEXT).unwrap();
        assert_eq!(spec.budget_usd, Some(Usd::from_dollars(1.0).unwrap()));
        assert_eq!(spec.models[1].base_url.as_slice().len(), 2);
        assert_eq!(spec.models[1].limits.concurrency, 256);
        assert_eq!(spec.judges[0].kind(), JudgeKind::Nemotron);
        assert!((spec.judges[0].weights.helpfulness - 0.3).abs() < 1e-12);
        let again = toml::to_string(&spec).unwrap();
        assert_eq!(EnsembleSpec::parse(&again).unwrap(), spec);
    }

    #[test]
    fn what_is_written_down_holds_no_command_that_prints_a_key() {
        let text = TEXT.replace(
            "name = \"claude\"",
            "name = \"claude\"\nkey_command = \"printf sk-secret\"",
        );
        let text = text.replace(
            "name = \"nemotron\"",
            "name = \"nemotron\"\nkey_command = \"printf sk-secret\"",
        );
        let spec = EnsembleSpec::parse(&text).unwrap();
        assert!(toml::to_string(&spec).unwrap().contains("sk-secret"));
        let kept = toml::to_string(&spec.without_key_commands()).unwrap();
        assert!(!kept.contains("sk-secret"), "{kept}");
    }

    #[test]
    fn nonsense_is_refused_by_its_key() {
        for (from, to, key) in [
            ("name = \"fleet\"", "name = \"claude\"", "`models.name"),
            (
                "aggregator = \"claude\"",
                "aggregator = \"x\"",
                "`fuse.aggregator`",
            ),
            (
                "concurrency = 256",
                "concurrency = 0",
                "`models.limits of `fleet`",
            ),
            ("budget_usd = 1", "budget_usd = -1", "-1 is no amount"),
            ("provider = \"vllm\"", "provider = \"vlm\"", "vlm"),
        ] {
            let error = EnsembleSpec::parse(&TEXT.replace(from, to)).unwrap_err();
            assert!(error.to_string().contains(key), "{key}: {error}");
        }
    }

    #[test]
    fn providers_have_the_names_of_their_files() {
        for kind in ProviderKind::ALL {
            assert_eq!(ProviderKind::from_name(kind.as_str()), Some(kind));
            let json = serde_json::to_value(kind).unwrap();
            assert_eq!(json, kind.as_str());
        }
    }
}
