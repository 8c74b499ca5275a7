//! A task, ready to run.

use std::collections::HashSet;
use std::path::Path;

use autodidact_core::{
    Decontaminate, Example, HintPlace, Problem, ProblemId, PromptFormat, Split, TaskSpec, Verdict,
    VerifyKind,
};
use autodidact_verify::verify_answer;

use crate::error::TaskError;
use crate::examples::read_examples;
use crate::fields::Fields;
use crate::generate;
use crate::overlap::{Overlap, OverlapRules, find_overlaps};
use crate::random::Random;
use crate::read::{SeenIds, read_problems};
use crate::split::{drop_overlap, hold_out};
use crate::steps::StepChecker;

/// Problems and everything that goes with them.
#[derive(Debug, Clone)]
pub struct Task {
    /// The builtin's name, or the training file's without its extension.
    pub name: String,
    /// Rationales are sampled for these.
    pub train: Vec<Problem>,
    /// These are only measured on; no question of theirs is in `train`.
    pub evaluate: Vec<Problem>,
    /// Few-shot examples, at most as many as asked for.
    pub examples: Vec<Example>,
    /// How answers are compared with gold.
    pub verify: VerifyKind,
    /// How questions are written down.
    pub format: PromptFormat,
    /// Checks the steps of a rationale, where that is possible.
    pub step_checker: Option<StepChecker>,
    /// Training problems dropped because they are evaluated on.
    pub dropped_overlap: u32,
    /// Training problems that are also evaluated on, or nearly, dropped or not.
    pub overlaps: Vec<Overlap>,
}

/// How training problems that are also evaluated on are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Search {
    /// As the `[task]` section says.
    Full,
    /// As it was before there was a choice: the same question is dropped.
    SameQuestion,
}

/// Generates or reads the task of a `[task]` section.
///
/// `examples_file` takes the place of the examples of a generated task; a task read from files has
/// no others. `seed` decides which problems a generated task holds, and which training problems of
/// a file are used where `train_problems` leaves a choice; evaluation problems from files never
/// depend on it. Paths are used as they are.
pub fn load(
    spec: &TaskSpec,
    examples_file: Option<&Path>,
    examples_wanted: usize,
    seed: u64,
) -> Result<Task, TaskError> {
    load_by(spec, examples_file, examples_wanted, seed, Search::Full)
}

/// [`load`] as it was before overlaps were searched for: training problems with the very question
/// of an evaluation problem are dropped and nothing else. For runs that were started then, which
/// must go on with the same problems.
pub fn load_without_search(
    spec: &TaskSpec,
    examples_file: Option<&Path>,
    examples_wanted: usize,
    seed: u64,
) -> Result<Task, TaskError> {
    let search = Search::SameQuestion;
    load_by(spec, examples_file, examples_wanted, seed, search)
}

fn load_by(
    spec: &TaskSpec,
    examples_file: Option<&Path>,
    examples_wanted: usize,
    seed: u64,
    search: Search,
) -> Result<Task, TaskError> {
    let mut task = match (&spec.builtin, &spec.train) {
        (Some(name), _) => {
            let drawn = if examples_file.is_some() {
                0
            } else {
                examples_wanted
            };
            generate::task(name, spec, drawn, seed)?
        }
        (None, Some(train)) => from_files(train, spec, seed, search)?,
        (None, None) => {
            let problem = "names neither `builtin` nor `train`; give one";
            return Err(TaskError::spec("task", problem));
        }
    };
    if let Some(path) = examples_file {
        task.examples = read_examples(path)?;
        task.examples.truncate(examples_wanted);
    }
    if let Some(kind) = spec.verify {
        task.verify = kind;
    }
    if let Some(format) = &spec.prompt {
        task.format = format.clone();
    }
    Ok(task)
}

fn from_files(path: &Path, spec: &TaskSpec, seed: u64, search: Search) -> Result<Task, TaskError> {
    let fields = Fields::from_spec(spec);
    let read = read_problems(path, &fields, Split::Train)?;
    let (mut train, mut evaluate) = match &spec.evaluate {
        Some(path) => (read, read_problems(path, &fields, Split::Evaluate)?),
        None => hold_out(read),
    };
    let mut ids = SeenIds::default();
    for problem in train.iter_mut().chain(&mut evaluate) {
        ids.make_unique(&mut problem.id);
    }
    for problem in &mut evaluate {
        problem.split = Split::Evaluate;
    }
    let (dropped_overlap, overlaps) = match search {
        Search::Full => decontaminate(path, &mut train, &evaluate, OverlapRules::from_spec(spec))?,
        Search::SameQuestion => (drop_overlap(&mut train, &evaluate), Vec::new()),
    };
    if train.is_empty() || evaluate.is_empty() {
        let problem = if dropped_overlap > 0 {
            "holds no problem that is not also evaluated on"
        } else {
            "holds too few problems to hold some out for evaluation; name an `evaluate` file"
        };
        return Err(TaskError::file(path, problem));
    }
    keep(
        &mut train,
        spec.train_problems,
        &mut Random::new(seed, "train"),
    );
    keep(
        &mut evaluate,
        spec.evaluate_problems,
        &mut Random::new(0, "evaluate"),
    );
    if train.is_empty() || evaluate.is_empty() {
        let problem = "is 0; give at least 1, or leave it out to use all";
        let key = if train.is_empty() {
            "task.train_problems"
        } else {
            "task.evaluate_problems"
        };
        return Err(TaskError::spec(key, problem));
    }
    let verify = spec.verify.unwrap_or_else(|| kind_of(&train));
    let name = path
        .file_stem()
        .map_or_else(String::new, |stem| stem.to_string_lossy().into());
    Ok(Task {
        name,
        train,
        evaluate,
        examples: Vec::new(),
        verify,
        format: format_for(verify),
        step_checker: (verify == VerifyKind::Number).then(StepChecker::equations),
        dropped_overlap,
        overlaps,
    })
}

/// Looks for training problems that are also evaluated on and does with them what the rules say.
/// Returns how many were dropped, and all that were found.
fn decontaminate(
    path: &Path,
    train: &mut Vec<Problem>,
    evaluate: &[Problem],
    rules: OverlapRules,
) -> Result<(u32, Vec<Overlap>), TaskError> {
    let overlaps = find_overlaps(train, evaluate, &rules);
    if rules.decontaminate == Decontaminate::Fail {
        let mut counted = overlaps.iter().filter(|overlap| rules.counts(overlap));
        if let Some(first) = counted.next() {
            return Err(TaskError::file(path, contaminated(first, counted.count())));
        }
    }
    let dropped: HashSet<&ProblemId> = overlaps
        .iter()
        .filter(|overlap| overlap.dropped)
        .map(|overlap| &overlap.train)
        .collect();
    train.retain(|problem| !dropped.contains(&problem.id));
    Ok((dropped.len() as u32, overlaps))
}

fn contaminated(first: &Overlap, others: usize) -> String {
    let more = match others {
        0 => String::new(),
        n => format!(", and {n} more overlap with others"),
    };
    format!(
        "the training problem `{}` overlaps with the evaluation problem `{}` ({}: `{}`){more}; \
         remove them, or set `task.decontaminate` to `drop`",
        first.train,
        first.evaluate,
        first.kind.in_words(),
        first.shared
    )
}

/// Keeps a random `count` of the problems, in their order.
fn keep(problems: &mut Vec<Problem>, count: Option<u32>, random: &mut Random) {
    let count = count.map_or(problems.len(), |count| count as usize);
    if count >= problems.len() {
        return;
    }
    let mut order: Vec<usize> = (0..problems.len()).collect();
    random.shuffle(&mut order);
    let kept: HashSet<usize> = order.into_iter().take(count).collect();
    let mut index = 0;
    problems.retain(|_| {
        index += 1;
        kept.contains(&(index - 1))
    });
}

/// How the answers of these problems are best compared: choices by letter, numbers as numbers.
fn kind_of(problems: &[Problem]) -> VerifyKind {
    if problems.iter().all(|p| !p.choices.is_empty()) {
        return VerifyKind::Choice;
    }
    let is_number = |p: &Problem| {
        let gold = p.gold.as_ref().map_or("", |gold| gold.0.as_str());
        verify_answer(VerifyKind::Number, gold, &[], gold).verdict == Verdict::Right
    };
    let sample = || problems.iter().take(500);
    if sample().filter(|p| is_number(p)).count() * 10 >= sample().count() * 9 {
        VerifyKind::Number
    } else {
        VerifyKind::Exact
    }
}

/// The STaR code's formats: for CommonsenseQA the hint is a mark on the right choice.
fn format_for(kind: VerifyKind) -> PromptFormat {
    match kind {
        VerifyKind::Choice => PromptFormat {
            hint: " (CORRECT)".into(),
            hint_place: HintPlace::OnChoice,
            ..PromptFormat::default()
        },
        _ => PromptFormat::default(),
    }
}
