//! Where answers are verified: by reading them, or by running them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use autodidact_core::{Problem, ProblemId, Sample, TaskSpec, Verdict, Verification, VerifyKind};
use autodidact_sandbox::{CommandInput, Policy, Sandbox};

use crate::StarError;

/// Decides whether answers are right. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Checker(Option<Arc<Running>>);

/// What running an answer needs.
#[derive(Debug)]
struct Running {
    sandbox: Sandbox,
    policy: Policy,
    /// The user's program, for `command`.
    command: Vec<String>,
    /// Where that program works.
    directory: PathBuf,
}

/// One answer to verify.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Item<'a> {
    pub(crate) kind: VerifyKind,
    pub(crate) problem: &'a Problem,
    pub(crate) text: &'a str,
}

impl<'a> Item<'a> {
    /// A sample with its problem, if that is known.
    pub(crate) fn new(
        kind: VerifyKind,
        problems: &HashMap<&ProblemId, &'a Problem>,
        sample: &'a Sample,
    ) -> Option<Self> {
        Some(Self {
            kind,
            problem: problems.get(&sample.key.problem)?,
            text: &sample.completion.text,
        })
    }
}

impl Checker {
    /// A checker that can run answers as a `[task]` section says. `directory` is where the spec
    /// stands, and where `verify_command` works.
    pub fn new(sandbox: Sandbox, task: &TaskSpec, directory: PathBuf) -> Self {
        Self(Some(Arc::new(Running {
            sandbox,
            policy: Policy {
                limits: task.verify_limits,
                strict: task.verify_strict,
            },
            command: task.verify_command.clone(),
            directory,
        })))
    }

    /// A checker that only reads answers; of those that have to be run it cannot tell.
    pub fn reading() -> Self {
        Self(None)
    }

    /// True if answers of this kind are run, which takes processes and time.
    pub fn runs(kind: VerifyKind) -> bool {
        matches!(
            kind,
            VerifyKind::Code | VerifyKind::Command | VerifyKind::Sql
        )
    }

    /// Compares the final answer of `text` with the gold answer of `problem`. Blocks while an answer
    /// is run.
    pub fn verify(&self, kind: VerifyKind, problem: &Problem, text: &str) -> Verification {
        if !Self::runs(kind) {
            return autodidact_verify::verify(kind, problem, text);
        }
        let gold = problem.gold.as_ref().map_or("", |gold| gold.0.as_str());
        match &self.0 {
            _ if gold.trim().is_empty() => cannot_tell("the problem has no gold answer"),
            None => cannot_tell("nothing is run here"),
            Some(running) => running.verify(kind, gold, problem, text),
        }
    }

    /// Verifies many; those that are run, on all cores.
    pub(crate) fn verify_all(&self, items: &[Item<'_>]) -> Vec<Verification> {
        let verify = |item: &Item<'_>| self.verify(item.kind, item.problem, item.text);
        let threads = match &self.0 {
            Some(running) if items.iter().any(|item| Self::runs(item.kind)) => {
                running.sandbox.parallel().min(items.len())
            }
            _ => 1,
        };
        if threads <= 1 {
            return items.iter().map(verify).collect();
        }
        let next = AtomicUsize::new(0);
        let found = Mutex::new(Vec::with_capacity(items.len()));
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    while let at = next.fetch_add(1, Ordering::Relaxed)
                        && let Some(item) = items.get(at)
                    {
                        let verification = verify(item);
                        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                        found.push((at, verification));
                    }
                });
            }
        });
        let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        found.sort_by_key(|(at, _)| *at);
        found.into_iter().map(|(_, found)| found).collect()
    }

    /// The same without holding up other tasks of this thread.
    pub(crate) async fn verify_many(
        &self,
        items: &[Item<'_>],
    ) -> Result<Vec<Verification>, StarError> {
        if !items.iter().any(|item| Self::runs(item.kind)) {
            return Ok(self.verify_all(items));
        }
        let checker = self.clone();
        let owned: Vec<(VerifyKind, Problem, String)> = items
            .iter()
            .map(|item| (item.kind, item.problem.clone(), item.text.to_owned()))
            .collect();
        let verified = tokio::task::spawn_blocking(move || {
            let items: Vec<Item<'_>> = owned
                .iter()
                .map(|(kind, problem, text)| Item {
                    kind: *kind,
                    problem,
                    text,
                })
                .collect();
            checker.verify_all(&items)
        });
        verified.await.map_err(|_| StarError::Worker)
    }
}

impl Running {
    fn verify(
        &self,
        kind: VerifyKind,
        gold: &str,
        problem: &Problem,
        candidate: &str,
    ) -> Verification {
        let (sandbox, policy) = (&self.sandbox, &self.policy);
        match kind {
            VerifyKind::Code => sandbox.verify_code(gold, candidate, policy),
            VerifyKind::Sql => sandbox.verify_sql(gold, candidate, policy),
            _ => {
                let input = CommandInput {
                    gold,
                    candidate,
                    question: &problem.question,
                    choices: &problem.choices,
                };
                sandbox.verify_command(&self.command, &self.directory, &input, policy)
            }
        }
    }
}

fn cannot_tell(reason: &str) -> Verification {
    Verification {
        verdict: Verdict::CannotTell(reason.to_owned()),
        extracted: None,
        flags: Vec::new(),
        how: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use autodidact_core::{Answer, Split};
    use autodidact_sandbox::{Launcher, Surroundings};

    use super::*;

    fn problem(id: usize, gold: &str) -> Problem {
        Problem {
            id: ProblemId(id.to_string()),
            question: "What is the sum of these two numbers?".into(),
            gold: Some(Answer(gold.into())),
            choices: Vec::new(),
            solution: None,
            split: Split::Train,
            meta: BTreeMap::new(),
        }
    }

    /// A checker whose `command` is a shell script.
    fn scripted(script: &str) -> Checker {
        let sandbox = Sandbox::new(Surroundings {
            launcher: Launcher {
                program: PathBuf::from("/bin/false"),
                arguments: Vec::new(),
            },
            python: "python3".to_owned(),
            environment: vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())],
            parallel: 4,
        });
        let task = TaskSpec {
            verify: Some(VerifyKind::Command),
            verify_command: ["sh", "-c", script].map(str::to_owned).to_vec(),
            ..TaskSpec::default()
        };
        Checker::new(sandbox, &task, PathBuf::from("/"))
    }

    #[test]
    fn kinds_that_run_are_told_apart_and_need_something_to_run_them() {
        let run = [VerifyKind::Code, VerifyKind::Command, VerifyKind::Sql];
        for kind in VerifyKind::ALL {
            assert_eq!(Checker::runs(kind), run.contains(&kind), "{kind:?}");
        }
        for kind in run {
            let found = Checker::reading().verify(kind, &problem(1, "5"), "5");
            assert_eq!(
                found.verdict,
                Verdict::CannotTell("nothing is run here".into())
            );
        }
        let found = Checker::reading().verify(VerifyKind::Math, &problem(1, "1/2"), "0.5");
        assert_eq!(found.verdict, Verdict::Right);
    }

    #[test]
    fn without_gold_nothing_is_run() {
        let checker = scripted("echo '{\"verdict\": \"right\"}'");
        let mut asked = problem(1, " ");
        for _ in 0..2 {
            let found = checker.verify(VerifyKind::Command, &asked, "5");
            assert!(matches!(found.verdict, Verdict::CannotTell(_)), "{found:?}");
            asked.gold = None;
        }
    }

    #[test]
    #[cfg(unix)]
    fn many_are_run_at_once_and_come_back_in_order() {
        // Right if gold stands in the line twice: as gold and as the candidate. Later ones end first.
        let script = r#"read -r line
case "$line" in *'"gold":"1'*) sleep 0.1;; esac
case "$line" in *wrong*) v=wrong;; *) v=right;; esac
echo "{\"verdict\": \"$v\"}""#;
        let checker = scripted(script);
        let problems: Vec<Problem> = (0..12).map(|n| problem(n, &format!("{n}"))).collect();
        let texts: Vec<String> = (0..12)
            .map(|n| {
                if n % 3 == 0 {
                    "wrong".to_owned()
                } else {
                    "fine".to_owned()
                }
            })
            .collect();
        let items: Vec<Item<'_>> = problems
            .iter()
            .zip(&texts)
            .map(|(problem, text)| Item {
                kind: VerifyKind::Command,
                problem,
                text,
            })
            .collect();
        let wanted: Vec<bool> = (0..12).map(|n| n % 3 != 0).collect();
        let right = |found: &[Verification]| -> Vec<bool> {
            found.iter().map(|found| found.verdict.is_right()).collect()
        };
        let found = checker.verify_all(&items);
        assert_eq!(right(&found), wanted, "{found:?}");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let found = runtime.block_on(checker.verify_many(&items)).unwrap();
        assert_eq!(right(&found), wanted);
        assert!(checker.verify_all(&[]).is_empty());
    }

    #[test]
    fn a_sample_of_an_unknown_problem_is_no_item() {
        let known = problem(1, "5");
        let problems: HashMap<&ProblemId, &Problem> = HashMap::from([(&known.id, &known)]);
        let mut sample = sample(&known.id);
        assert!(Item::new(VerifyKind::Math, &problems, &sample).is_some());
        sample.key.problem = ProblemId("2".into());
        assert!(Item::new(VerifyKind::Math, &problems, &sample).is_none());
    }

    fn sample(problem: &ProblemId) -> Sample {
        use autodidact_core::{Completion, FinishReason, Mode, SampleKey, SamplerId};
        Sample {
            key: SampleKey {
                iteration: 1,
                problem: problem.clone(),
                sampler: SamplerId("student".into()),
                mode: Mode::Rationale,
                index: 0,
            },
            completion: Completion {
                text: "5".into(),
                tokens: 1,
                logprob: 0.0,
                finish: FinishReason::Stop,
            },
        }
    }
}
