//! Selection: which verified samples become training text, and why the others do not.

use std::collections::{BTreeMap, HashMap, HashSet};

use autodidact_core::{
    FinishReason, Flag, FlagCounts, HandMark, KeptRationale, Problem, ProblemId, RankBy,
    RefusalReason, Sample, SampleKey, Scores, SelectSpec, Selection, TrainOn, Verdict,
};
use autodidact_store::Verified;
use autodidact_tasks::equation_list;

use crate::ensemble::Candidate;
use crate::faculty::author;
use crate::hand_marks::HandMarks;
use crate::prompt::Prompter;

/// A sample with what the verifier said about it.
#[derive(Debug, Clone)]
pub(crate) struct Judged {
    /// What was written.
    pub(crate) sample: Sample,
    /// Whether it is right.
    pub(crate) verified: Verified,
    /// What judges said about it, where they were asked.
    pub(crate) candidate: Option<Candidate>,
}

impl Judged {
    /// A sample that no judge has seen.
    pub(crate) fn new(sample: Sample, verified: Verified) -> Self {
        Self {
            sample,
            verified,
            candidate: None,
        }
    }

    pub(crate) fn is_right(&self) -> bool {
        self.verified.verification.verdict.is_right()
    }

    fn scores(&self) -> Option<&Scores> {
        self.candidate.as_ref()?.scores.as_ref()
    }
}

/// What decides about samples.
#[derive(Debug)]
pub(crate) struct Rules<'a> {
    /// The `[select]` section.
    pub(crate) spec: &'a SelectSpec,
    /// Whose rationales are learned.
    pub(crate) train_on: &'a TrainOn,
    /// Rationales of some teachers kept for one problem at most.
    pub(crate) caps: BTreeMap<String, u32>,
    /// The terms of each teacher's provider.
    pub(crate) terms: BTreeMap<String, String>,
    /// What people said about rationales.
    pub(crate) marks: HandMarks,
}

impl Rules<'_> {
    /// What the student wrote is nobody else's.
    fn terms_of(&self, author: &str) -> &str {
        self.terms.get(author).map_or("allowed", String::as_str)
    }
}

/// What a selection decided.
#[derive(Debug, Default)]
pub(crate) struct Selected {
    /// The training set, by problem in the task's order.
    pub(crate) kept: Vec<KeptRationale>,
    /// One decision for each sample.
    pub(crate) decisions: Vec<Selection>,
}

/// Decides about all samples of a loop. Rationales of a problem come before rationalizations, and
/// the latter exist only for problems without a right rationale.
pub(crate) fn select(
    problems: &[Problem],
    judged: Vec<Judged>,
    rules: &Rules<'_>,
    prompter: &Prompter,
) -> Selected {
    let mut by_problem: HashMap<ProblemId, Vec<Judged>> = HashMap::new();
    for one in judged {
        by_problem
            .entry(one.sample.key.problem.clone())
            .or_default()
            .push(one);
    }
    let mut selected = Selected::default();
    for problem in problems {
        let mut candidates = by_problem.remove(&problem.id).unwrap_or_default();
        rank(&mut candidates, rules);
        let mut seen = Seen::default();
        let mut kept = 0;
        let mut kept_of: HashMap<String, u32> = HashMap::new();
        for candidate in candidates {
            let author = author(&candidate.sample.key.sampler).to_owned();
            let completion = prompter.completion(&candidate.sample.completion.text);
            let own = kept_of.entry(author.clone()).or_default();
            let mut flags = Vec::new();
            let good = rules.marks.get(&candidate.sample) == Some(HandMark::Good);
            let refused = refusal(&candidate, rules).or_else(|| {
                if prompter
                    .stops()
                    .iter()
                    .any(|stop| completion.contains(stop.as_str()))
                {
                    return Some(RefusalReason::Garbled);
                }
                flags.extend(seen.equations(&candidate.sample));
                if !seen.text(&candidate.sample) {
                    Some(RefusalReason::Duplicate)
                } else if let Some(flag) =
                    flags.iter().find(|f| !good && rules.spec.refuse.refuses(f))
                {
                    Some(flag.refusal())
                } else if kept >= rules.spec.per_problem
                    || rules.caps.get(&author).is_some_and(|cap| *own >= *cap)
                {
                    Some(RefusalReason::OverCap)
                } else {
                    None
                }
            });
            if refused.is_none() {
                kept += 1;
                *own += 1;
                selected.kept.push(KeptRationale {
                    problem: problem.id.clone(),
                    mode: candidate.sample.key.mode,
                    prompt: prompter.plain(problem),
                    completion,
                    terms: rules.terms_of(&author).to_owned(),
                    model: author,
                });
            }
            selected.decisions.push(Selection {
                key: candidate.sample.key,
                refused,
                flags,
            });
        }
    }
    selected
}

/// Why a sample cannot be trained on, whatever else was sampled.
fn refusal(candidate: &Judged, rules: &Rules<'_>) -> Option<RefusalReason> {
    let Judged {
        sample, verified, ..
    } = candidate;
    let spec = rules.spec;
    let text = &sample.completion.text;
    match verified.verification.verdict {
        Verdict::Wrong => return Some(RefusalReason::Wrong),
        Verdict::CannotTell(_) => return Some(RefusalReason::CannotTell),
        Verdict::Right => {}
    }
    if !rules.train_on.takes(author(&sample.key.sampler)) {
        return Some(RefusalReason::NotTrainedOn);
    }
    if sample.completion.finish == FinishReason::Length {
        return Some(RefusalReason::Truncated);
    }
    if text.chars().any(is_garbage) {
        return Some(RefusalReason::Garbled);
    }
    match rules.marks.get(sample) {
        Some(HandMark::Bad) => return Some(RefusalReason::MarkedBad),
        // A person knows better than signs and scores do; the verdict was asked above.
        Some(HandMark::Good) => return None,
        None => {}
    }
    let flags = &verified.verification.flags;
    if let Some(flag) = flags.iter().find(|flag| spec.refuse.refuses(flag)) {
        return Some(flag.refusal());
    }
    if spec.check_steps && verified.false_step.is_some() {
        return Some(RefusalReason::WrongStep);
    }
    let minimum = &spec.minimum_scores;
    let reaches = |scores: &Scores| scores.below(minimum).is_none();
    let scored = minimum.is_empty() || candidate.scores().is_some_and(reaches);
    (!scored).then_some(RefusalReason::LowScore)
}

/// What was met among the samples of one problem that could be kept, the best ranked first.
#[derive(Default)]
struct Seen {
    texts: HashSet<String>,
    equations: HashMap<Vec<String>, SampleKey>,
}

impl Seen {
    /// True if the text is new.
    fn text(&mut self, sample: &Sample) -> bool {
        self.texts.insert(fingerprint(&sample.completion.text))
    }

    /// The flag of a sample with the equations of one before it. A text without equations is like
    /// no other.
    fn equations(&mut self, sample: &Sample) -> Option<Flag> {
        let list = equation_list(&sample.completion.text);
        if list.is_empty() {
            return None;
        }
        if let Some(of) = self.equations.get(&list) {
            return Some(Flag::DuplicateReasoning { of: of.clone() });
        }
        self.equations.insert(list, sample.key.clone());
        None
    }
}

/// Bytes that were no UTF-8 arrive as U+FFFD.
fn is_garbage(c: char) -> bool {
    c == char::REPLACEMENT_CHARACTER || (c.is_control() && !matches!(c, '\n' | '\t'))
}

/// Best first; the sampler's name and the index break ties, so that the order never depends on the
/// order of arrival.
fn rank(candidates: &mut [Judged], rules: &Rules<'_>) {
    let by = rules.spec.rank_by;
    candidates.sort_by(|a, b| {
        let completions = (&a.sample.completion, &b.sample.completion);
        let best = match by {
            RankBy::First => std::cmp::Ordering::Equal,
            RankBy::Logprob => {
                // A provider that gives no log-probabilities leaves 0, which would be certainty.
                let mean = |c: &autodidact_core::Completion| {
                    if c.logprob < 0.0 && c.tokens > 0 {
                        c.logprob / f64::from(c.tokens)
                    } else {
                        f64::NEG_INFINITY
                    }
                };
                mean(completions.1).total_cmp(&mean(completions.0))
            }
            RankBy::Judge => {
                let overall = |j: &Judged| j.scores().map_or(f64::NEG_INFINITY, Scores::overall);
                overall(b).total_cmp(&overall(a))
            }
            RankBy::Shortest => {
                // No count of tokens is no short text.
                let length = |c: &autodidact_core::Completion| (c.tokens == 0, c.tokens);
                length(completions.0).cmp(&length(completions.1))
            }
        };
        let key = |j: &Judged| {
            (
                j.sample.key.mode,
                j.sample.key.sampler.clone(),
                j.sample.key.index,
            )
        };
        best.then_with(|| key(a).cmp(&key(b)))
    });
    // Stable: what a person wants learned comes first, and nothing else moves.
    candidates.sort_by_key(|one| rules.marks.get(&one.sample) != Some(HandMark::Good));
}

/// Two rationales are the same solution if they differ in white space, case or punctuation only.
pub(crate) fn fingerprint(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().flat_map(char::to_lowercase) {
        if c.is_alphanumeric() || "+-*/=.%<>".contains(c) {
            out.push(c);
        }
    }
    out
}

/// How many right answers have each flag: those found in the answers, and those of the decisions.
pub(crate) fn count_flags(judged: &[Judged], decisions: &[Selection]) -> FlagCounts {
    let compared: HashMap<&SampleKey, &[Flag]> = decisions
        .iter()
        .map(|decision| (&decision.key, decision.flags.as_slice()))
        .collect();
    let mut counts = FlagCounts::default();
    for one in judged.iter().filter(|one| one.is_right()) {
        let key = &one.sample.key;
        let compared = compared.get(key).copied().unwrap_or_default();
        counts.add(
            key.mode,
            one.verified.verification.flags.iter().chain(compared),
        );
    }
    counts
}

/// Different solutions among right answers.
pub(crate) fn count_solutions(judged: &[Judged]) -> u32 {
    let solution = |one: &Judged| {
        let problem = one.sample.key.problem.0.clone();
        (problem, fingerprint(&one.sample.completion.text))
    };
    let right = judged.iter().filter(|one| one.is_right());
    let solutions: HashSet<(String, String)> = right.map(solution).collect();
    solutions.len() as u32
}

/// How often each reason refused a sample.
pub(crate) fn count_refusals(decisions: &[Selection]) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    for reason in decisions.iter().filter_map(|d| d.refused) {
        *counts.entry(reason.as_str().to_owned()).or_insert(0) += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use autodidact_core::{
        Answer, Completion, HintStrength, Mode, PromptFormat, PromptStyle, SamplerId, Split,
        VerifyKind,
    };
    use autodidact_store::Marked;
    use autodidact_tasks::Task;

    use super::*;
    use crate::flags::inspect;

    fn problem() -> Problem {
        Problem {
            id: ProblemId("p".into()),
            question: "Tom has 3 apples and gets 4. How many has he?".into(),
            gold: Some(Answer("7".into())),
            choices: Vec::new(),
            solution: None,
            split: Split::Train,
            meta: BTreeMap::new(),
        }
    }

    fn judged(index: u32, text: &str) -> Judged {
        let key = SampleKey {
            iteration: 1,
            problem: ProblemId("p".into()),
            sampler: SamplerId("student/1".into()),
            mode: Mode::Rationale,
            index,
        };
        let completion = Completion {
            text: text.into(),
            finish: FinishReason::EndOfText,
            tokens: text.len() as u32,
            logprob: -1.0,
        };
        let mut verification = autodidact_verify::verify(VerifyKind::Number, &problem(), text);
        verification.flags = inspect(VerifyKind::Number, &problem(), text, None);
        let verified = Verified {
            key: key.clone(),
            verification,
            false_step: None,
        };
        Judged::new(Sample { key, completion }, verified)
    }

    /// What becomes of each text, and the flags of the loop.
    fn decide(spec: &SelectSpec, texts: &[&str]) -> (Vec<Option<&'static str>>, FlagCounts) {
        decide_with(spec, texts, &[])
    }

    /// The same after a person has marked some.
    fn decide_with(
        spec: &SelectSpec,
        texts: &[&str],
        marks: &[Marked],
    ) -> (Vec<Option<&'static str>>, FlagCounts) {
        let task = Task {
            name: "t".into(),
            train: Vec::new(),
            evaluate: Vec::new(),
            examples: Vec::new(),
            verify: VerifyKind::Number,
            format: PromptFormat::default(),
            step_checker: None,
            dropped_overlap: 0,
            overlaps: Vec::new(),
        };
        let prompter = Prompter::new(&task, PromptStyle::Text, 0, HintStrength::Answer);
        let rules = Rules {
            spec,
            train_on: &TrainOn::Union,
            caps: BTreeMap::new(),
            terms: BTreeMap::new(),
            marks: HandMarks::of(marks),
        };
        let all: Vec<Judged> = (0..).zip(texts).map(|(i, text)| judged(i, text)).collect();
        let selected = select(&[problem()], all.clone(), &rules, &prompter);
        let reasons: HashMap<u32, _> = selected
            .decisions
            .iter()
            .map(|decision| (decision.key.index, decision.refused))
            .collect();
        let reason = |index: u32| reasons[&index].map(RefusalReason::as_str);
        let decided = (0..texts.len() as u32).map(reason).collect();
        (decided, count_flags(&all, &selected.decisions))
    }

    const TEXTS: [&str; 6] = [
        "Tom has 3 + 4 = 7 apples. The answer is 7.",
        "He has 4 + 3 = 7 now. So the answer is 7.",
        "3 + 4 = 8, and 8 - 1 = 7. The answer is 7.",
        "The answer is 7 because 3 + 4 = 7.",
        "The answer is 7.",
        "The hint says it is 7, so 10 - 3 = 7. The answer is 7.",
    ];

    #[test]
    fn each_flag_refuses_for_its_reason() {
        let (decided, flags) = decide(&SelectSpec::default(), &TEXTS);
        let expected = [
            None,
            Some("duplicate-reasoning"),
            Some("false-equation"),
            Some("answer-before-derivation"),
            Some("no-reasoning"),
            Some("hint-leak"),
        ];
        assert_eq!(decided, expected);
        assert_eq!((flags.rationales.right, flags.rationales.doubtful), (6, 4));
        assert_eq!(flags.rationales.flags.len(), 5);
        assert_eq!(flags.rationalizations.right, 0);
    }

    #[test]
    fn what_is_switched_off_is_counted_and_kept() {
        let mut spec = SelectSpec {
            per_problem: 10,
            ..SelectSpec::default()
        };
        spec.refuse.duplicate_reasoning = false;
        spec.refuse.false_equation = false;
        spec.refuse.answer_before_derivation = false;
        let (decided, flags) = decide(&spec, &TEXTS);
        assert_eq!(decided[..4], [None; 4]);
        assert_eq!(decided[4], Some("no-reasoning"));
        assert_eq!(flags.rationales.flags["false-equation"], 1);
        // The fourth has the equations of the first, too.
        assert_eq!(flags.rationales.flags["duplicate-reasoning"], 2);
    }

    #[test]
    fn a_bad_mark_refuses_and_a_good_one_overrides_doubts_but_not_the_verdict() {
        let marked = |text: &str, mark| Marked {
            sample: judged(40, text).sample,
            mark,
        };
        let wrong = "3 + 4 = 8. The answer is 8.";
        let texts = [TEXTS[0], TEXTS[1], TEXTS[2], TEXTS[4], wrong];
        let spec = SelectSpec {
            per_problem: 2,
            ..SelectSpec::default()
        };
        let marks = [
            // White space and case make no other solution.
            marked(&TEXTS[0].to_uppercase().replace(' ', "  "), HandMark::Bad),
            marked(TEXTS[2], HandMark::Good),
            marked(TEXTS[4], HandMark::Good),
            marked(wrong, HandMark::Good),
        ];
        let (decided, flags) = decide_with(&spec, &texts, &marks);
        // The good ones come first and fill the cap.
        let expected = [
            Some("marked-bad"),
            Some("over-cap"),
            None,
            None,
            Some("wrong"),
        ];
        assert_eq!(decided, expected);
        assert!(flags.rationales.doubtful >= 2, "they are still counted");
    }

    #[test]
    fn the_shortest_of_several_with_the_same_equations_is_kept() {
        let spec = SelectSpec {
            rank_by: RankBy::Shortest,
            ..SelectSpec::default()
        };
        let long = "Tom had 3 apples and then he got 4, which makes 3 + 4 = 7. The answer is 7.";
        let (decided, _) = decide(&spec, &[long, "4+3=7 in all. The answer is 7."]);
        assert_eq!(decided, [Some("duplicate-reasoning"), None]);
    }
}
