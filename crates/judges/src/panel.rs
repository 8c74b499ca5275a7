//! Several judges at once.

use std::sync::{Arc, Mutex, PoisonError};

use autodidact_core::{Scores, Usd};
use autodidact_providers::{ErrorClass, ProviderError, Purse};
use futures::future::join_all;
use thiserror::Error;

use crate::constant::ConstantGuard;
use crate::judge::{Case, Judge, Opinion};

/// After this many failed cases in a row a judge is passed by while another works: each case would
/// wait for all its attempts.
const PATIENCE: u32 = 2;
/// One case in this many is still put to a judge that is passed by, to see if it is back.
const PROBE: u32 = 16;

/// Judges in the order of their file. All are asked at once.
pub struct Panel {
    seats: Vec<Seat>,
}

struct Seat {
    judge: Arc<dyn Judge>,
    state: Mutex<SeatState>,
}

struct SeatState {
    guard: ConstantGuard,
    /// It scored an answer of the last case it was asked about.
    works: bool,
    /// Cases in a row it had no opinion on, those that passed it by included.
    failures: u32,
    last_error: Option<ProviderError>,
    /// An error after which asking again is of no use in this command.
    gone: Option<ProviderError>,
}

/// No judge has scored any answer of a case.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("no judge is left: {}", .reasons.join("; "))]
pub struct NoneLeft {
    /// Each judge with its reason.
    pub reasons: Vec<String>,
}

/// What one judge of a panel said.
#[derive(Debug, Clone, PartialEq)]
pub struct JudgeOpinions {
    /// The judge's name.
    pub judge: String,
    /// One opinion for each answer, or why there is none at all.
    pub result: Result<Vec<Opinion>, ProviderError>,
}

impl JudgeOpinions {
    /// What it says about an answer, if it scored it.
    pub fn scores(&self, answer: usize) -> Option<&Scores> {
        let opinions = self.result.as_ref().ok()?;
        opinions.get(answer)?.scores.as_ref().ok()
    }

    fn scored(&self) -> usize {
        let opinions = self.result.as_ref().map_or(&[][..], Vec::as_slice);
        opinions.iter().filter(|o| o.scores.is_ok()).count()
    }

    fn reason(&self) -> String {
        let why = match &self.result {
            Err(error) => error.to_string(),
            Ok(opinions) => opinions
                .iter()
                .find_map(|o| o.scores.as_ref().err())
                .map_or_else(
                    || "there was no answer to score".into(),
                    ToString::to_string,
                ),
        };
        format!("{}: {why}", self.judge)
    }
}

/// What all judges of a panel said about a case.
#[derive(Debug, Clone, PartialEq)]
pub struct PanelOpinions {
    /// In the order of the panel.
    pub judges: Vec<JudgeOpinions>,
}

impl PanelOpinions {
    /// The judge whose scores count for the whole case: the first of those that scored most answers.
    /// Judges have scales of their own, so scores of different judges must never be ranked together.
    pub fn counting(&self) -> Option<&JudgeOpinions> {
        let most = self.judges.iter().map(JudgeOpinions::scored).max()?;
        let counting = self.judges.iter().find(|j| j.scored() == most);
        counting.filter(|_| most > 0)
    }

    /// What the counting judge says about an answer.
    pub fn scores(&self, answer: usize) -> Option<&Scores> {
        self.counting()?.scores(answer)
    }

    /// The first judge in order that scored this answer, with its scores. They are on that judge's
    /// scale: good for thresholds and tables, not for ranking answers.
    pub fn first<'a>(&'a self, answer: usize) -> Option<(&'a str, &'a Scores)> {
        let scored = |j: &'a JudgeOpinions| Some((j.judge.as_str(), j.scores(answer)?));
        self.judges.iter().find_map(scored)
    }

    /// What all opinions cost, as far as it is known.
    pub fn cost(&self) -> Usd {
        let opinions = self.judges.iter().flat_map(|j| j.result.iter().flatten());
        opinions.filter_map(|o| o.cost).sum()
    }

    /// The reasons of all judges, if none has scored anything.
    pub fn check(&self) -> Result<(), NoneLeft> {
        if self.counting().is_some() {
            return Ok(());
        }
        let reasons = self.judges.iter().map(JudgeOpinions::reason).collect();
        Err(NoneLeft { reasons })
    }
}

impl Panel {
    /// A panel for one command.
    pub fn new(judges: Vec<Arc<dyn Judge>>) -> Self {
        let seat = |judge: Arc<dyn Judge>| Seat {
            state: Mutex::new(SeatState {
                guard: ConstantGuard::for_kind(judge.spec().kind()),
                works: false,
                failures: 0,
                last_error: None,
                gone: None,
            }),
            judge,
        };
        Self {
            seats: judges.into_iter().map(seat).collect(),
        }
    }

    /// The judges in order.
    pub fn judges(&self) -> impl Iterator<Item = &dyn Judge> {
        self.seats.iter().map(|seat| seat.judge.as_ref())
    }

    /// What asking everybody costs at most; `None` where a price is unknown.
    pub fn most(&self, case: &Case) -> Option<Usd> {
        self.judges().map(|judge| judge.most(case)).sum()
    }

    /// Asks all judges at once and waits for the last. A judge that fails does not keep the others
    /// from being heard; one that keeps failing is asked only now and then, as long as another works.
    pub async fn judge(&self, case: &Case, purse: &dyn Purse) -> PanelOpinions {
        let one_works = self.seats.iter().any(|seat| seat.state().works);
        let asked = self
            .seats
            .iter()
            .map(|seat| seat.ask(case, purse, one_works));
        PanelOpinions {
            judges: join_all(asked).await,
        }
    }
}

impl std::fmt::Debug for Panel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.judges().map(Judge::name))
            .finish()
    }
}

impl Seat {
    async fn ask(&self, case: &Case, purse: &dyn Purse, one_works: bool) -> JudgeOpinions {
        let passed_by = self.passed_by(one_works);
        let result = match passed_by {
            Some(error) => Err(error),
            None => self.examine(case, self.judge.judge(case, purse).await),
        };
        JudgeOpinions {
            judge: self.judge.name().to_owned(),
            result,
        }
    }

    /// The error for which the judge is not asked this time.
    fn passed_by(&self, one_works: bool) -> Option<ProviderError> {
        let mut state = self.state();
        if state.gone.is_some() {
            return state.gone.clone();
        }
        if state.failures < PATIENCE || !one_works {
            return None;
        }
        state.failures = state.failures.saturating_add(1);
        let is_probe = state.failures.is_multiple_of(PROBE);
        state.last_error.clone().filter(|_| !is_probe)
    }

    fn examine(
        &self,
        case: &Case,
        result: Result<Vec<Opinion>, ProviderError>,
    ) -> Result<Vec<Opinion>, ProviderError> {
        let mut state = self.state();
        match result {
            Ok(mut opinions) if opinions.len() == case.answers.len() => {
                state.guard.check(case, &mut opinions);
                state.works = opinions.iter().any(|o| o.scores.is_ok());
                state.failures = 0;
                Ok(opinions)
            }
            Ok(opinions) => Err(ProviderError::new(
                self.judge.name(),
                ErrorClass::Malformed,
                format!(
                    "{} opinions for {} answers",
                    opinions.len(),
                    case.answers.len()
                ),
            )),
            Err(error) => {
                if is_for_good(error.class) && state.gone.is_none() {
                    tracing::warn!(judge = self.judge.name(), %error, "not asked any more");
                    state.gone = Some(error.clone());
                }
                if !is_the_callers(error.class) {
                    state.works = false;
                    state.failures = state.failures.saturating_add(1);
                    state.last_error = Some(error.clone());
                }
                Err(error)
            }
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, SeatState> {
        // Nothing that holds this lock can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A budget that does not hold one case may hold the next, and an interruption is not the judge's.
fn is_the_callers(class: ErrorClass) -> bool {
    matches!(class, ErrorClass::Budget | ErrorClass::Interrupted)
}

fn is_for_good(class: ErrorClass) -> bool {
    class.is_fatal() && !is_the_callers(class)
}
