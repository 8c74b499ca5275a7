//! Kind `code`: runs a model's Python against the tests of the problem.

mod gold;
mod relay;
mod script;

use autodidact_core::Verification;

use crate::fence;
use crate::sandbox::{Policy, Sandbox, cannot_tell, decided};
use gold::Gold;

/// What marks a fence of Python.
const LANGUAGES: &[&str] = &["python", "python3", "py"];

/// What a run of the tests came to.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// All pass; how, in words.
    Passed(String),
    /// Not all; what went wrong.
    Failed(String),
}

impl Sandbox {
    /// Runs the last Python program in `text` against the tests in `gold`.
    ///
    /// Right if all tests pass; wrong if one fails, or the program raises, takes too long or too
    /// much. Cannot be told if there is no Python, gold cannot be read, or layers of the sandbox are
    /// missing that the policy asks for.
    pub fn verify_code(&self, gold: &str, text: &str, policy: &Policy) -> Verification {
        let program = fence::program(text, LANGUAGES);
        if program.trim().is_empty() {
            return cannot_tell("the text holds no program", None);
        }
        let _slot = self.slot();
        match self.judge_code(gold, program, policy) {
            Ok((true, how)) => decided(true, program, how),
            Ok((false, how)) => decided(false, program, how),
            Err(reason) => cannot_tell(reason, Some(program.to_owned())),
        }
    }

    fn judge_code(
        &self,
        gold: &str,
        program: &str,
        policy: &Policy,
    ) -> Result<(bool, String), String> {
        let gold = Gold::read(gold)?;
        let layers = self.permitted(policy)?.summary();
        let program = gold.complete(program);
        let mut passed = Vec::new();
        if !gold.tests.is_empty() {
            match relay::run(self, &gold, &program, policy)? {
                Outcome::Passed(how) => passed.push(how),
                Outcome::Failed(how) => return Ok((false, format!("{how}; {layers}"))),
            }
        }
        if !gold.scripts.is_empty() {
            match script::run_all(self, &gold.scripts, &program, policy)? {
                Outcome::Passed(how) => passed.push(how),
                Outcome::Failed(how) => return Ok((false, format!("{how}; {layers}"))),
            }
        }
        Ok((true, format!("{}; {layers}", passed.join(" and "))))
    }
}

/// The first message to the Python side: its length in eight hexadecimal digits, then JSON.
fn header(value: &serde_json::Value) -> Vec<u8> {
    let json = value.to_string();
    format!("{:08x}\n{json}", json.len()).into_bytes()
}
