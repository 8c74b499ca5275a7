//! The `[select.refuse]` section: which flags keep a right answer out of the training set.

use serde::{Deserialize, Serialize};

use crate::Flag;

/// One switch for each flag; all are on unless a spec says otherwise. A flag that is switched off is
/// still found, journaled and counted.
#[expect(
    clippy::struct_excessive_bools,
    reason = "these are switches, and nothing but switches"
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RefuseSpec {
    /// Texts that speak of a hint or of an answer that was known.
    pub hint_leak: bool,
    /// Rationalizations that repeat the hint word for word.
    pub hint_text: bool,
    /// Answers that nothing leads to.
    pub no_reasoning: bool,
    /// Texts that begin with the answer.
    pub answer_before_derivation: bool,
    /// Texts with a false equation.
    pub false_equation: bool,
    /// Texts in which two ways of finding the final answer find different ones.
    pub extractors_disagree: bool,
    /// Texts with the same equations as a better ranked one of the same problem (RFT).
    pub duplicate_reasoning: bool,
}

impl Default for RefuseSpec {
    fn default() -> Self {
        Self {
            hint_leak: true,
            hint_text: true,
            no_reasoning: true,
            answer_before_derivation: true,
            false_equation: true,
            extractors_disagree: true,
            duplicate_reasoning: true,
        }
    }
}

impl RefuseSpec {
    /// True if a sample with this flag is not trained on.
    pub fn refuses(&self, flag: &Flag) -> bool {
        match flag {
            Flag::HintLeak { .. } => self.hint_leak,
            Flag::HintText => self.hint_text,
            Flag::NoReasoning => self.no_reasoning,
            Flag::AnswerBeforeDerivation { .. } => self.answer_before_derivation,
            Flag::FalseEquation { .. } => self.false_equation,
            Flag::ExtractorsDisagree { .. } => self.extractors_disagree,
            Flag::DuplicateReasoning { .. } => self.duplicate_reasoning,
        }
    }

    /// True if every flag is refused. Journals leave the section out then, as those of runs from
    /// before there were flags do.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use crate::RunSpec;

    fn parse(extra: &str) -> Result<RunSpec, crate::SpecError> {
        RunSpec::parse(&format!(
            "[run]\nname = \"a\"\n[task]\nbuiltin = \"addition\"\n[student]\nmodel = [\"m.gguf\"]\n{extra}"
        ))
    }

    #[test]
    fn everything_is_refused_unless_switched_off_and_slips_are_told() {
        let spec = parse("[select.refuse]\nfalse_equation = false\n").unwrap();
        assert!(!spec.select.refuse.false_equation && spec.select.refuse.hint_leak);
        assert!(
            toml::to_string(&spec)
                .unwrap()
                .contains("false_equation = false")
        );
        let usual = parse("").unwrap();
        assert!(!toml::to_string(&usual).unwrap().contains("select.refuse"));
        let error = parse("[select.refuse]\nfalse_equations = false\n").unwrap_err();
        assert!(
            error.to_string().contains("did you mean `false_equation`?"),
            "{error}"
        );
    }
}
