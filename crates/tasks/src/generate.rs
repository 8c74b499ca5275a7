//! Drawing the problems of a generated task.
//!
//! Each kind of task implements [`Generator`]. What a question may be used for is decided by a hash
//! of its canonical form ([`crate::split::bucket`]), so training, evaluation and examples have
//! nothing in common whatever the seed and the counts are.

use std::collections::{BTreeMap, HashSet};

use autodidact_core::{
    Answer, Example, Problem, ProblemId, PromptFormat, Split, TaskSpec, VerifyKind,
};

use crate::addition::Addition;
use crate::arithmetic::Arithmetic;
use crate::counting::Counting;
use crate::error::TaskError;
use crate::load::Task;
use crate::random::{Random, hash};
use crate::split::{Bucket, bucket};
use crate::steps::StepChecker;
use crate::word_problems::WordProblems;

/// Problems of a generated task where the spec names no number.
const TRAIN_PROBLEMS: u32 = 600;
const EVALUATE_PROBLEMS: u32 = 200;
/// More than this is a slip of the finger.
const MAXIMUM_PROBLEMS: u32 = 1_000_000;
/// Fruitless draws in a row after which a level counts as exhausted.
const PATIENCE: u32 = 4000;

/// A problem as a generator makes it.
#[derive(Debug, Clone)]
pub(crate) struct Drawn {
    pub question: String,
    /// What decides the bucket: the same for questions too alike to be on different sides.
    pub canonical: String,
    pub answer: String,
    /// The gold rationale, final answer included.
    pub solution: String,
    /// Names the kind of question within the task.
    pub template: String,
}

/// One kind of generated task.
pub(crate) trait Generator: Sync {
    /// As in `task.builtin`.
    fn name(&self) -> &'static str;
    /// The levels where the spec names none.
    fn default_levels(&self) -> &'static [u32];
    /// The highest level; the lowest is 1.
    fn highest_level(&self) -> u32;
    /// How many kinds of questions a level has. The first six are as different as possible.
    fn templates(&self, level: u32) -> usize;
    /// A question of one kind; `None` if the numbers drawn do not make one.
    fn draw(&self, level: u32, template: usize, random: &mut Random) -> Option<Drawn>;
    /// How answers are compared.
    fn verify(&self) -> VerifyKind {
        VerifyKind::Number
    }
    /// How questions are written down.
    fn format(&self) -> PromptFormat {
        PromptFormat::default()
    }
    /// What checks the steps.
    fn step_checker(&self) -> StepChecker {
        StepChecker::worked()
    }
}

static GENERATORS: [&dyn Generator; 4] = [&Addition, &Arithmetic, &WordProblems, &Counting];

/// The generated tasks, each with a line that describes it.
pub fn builtin_names() -> &'static [(&'static str, &'static str)] {
    &[
        (
            "addition",
            "n-digit addition on the STaR scratchpad; level = digits (1 to 12)",
        ),
        (
            "arithmetic",
            "expressions worked out step by step; level = operations (1 to 6)",
        ),
        (
            "word-problems",
            "everyday stories; levels 1 to 3 = two steps with larger numbers each, 4 = three steps",
        ),
        (
            "counting",
            "items, letters, days, legs and teams; level 1 = small, 2 = larger",
        ),
    ]
}

/// Generates the task `name`.
pub(crate) fn task(
    name: &str,
    spec: &TaskSpec,
    examples: usize,
    seed: u64,
) -> Result<Task, TaskError> {
    let Some(generator) = GENERATORS.iter().find(|g| g.name() == name) else {
        let known: Vec<&str> = GENERATORS.iter().map(|g| g.name()).collect();
        let problem = format!("has no task `{name}`; there are {}", known.join(", "));
        return Err(TaskError::spec("task.builtin", problem));
    };
    let levels = levels(*generator, &spec.levels)?;
    let problems = |key: &str, count: Option<u32>, default: u32, split: Split| {
        let count = count.unwrap_or(default);
        if count == 0 || count > MAXIMUM_PROBLEMS {
            let problem = format!("is {count}; give 1 to {MAXIMUM_PROBLEMS}");
            return Err(TaskError::spec(key, problem));
        }
        draw_problems(*generator, &levels, split, count as usize, seed).map_err(|found| {
            let problem = format!(
                "is {count}, but these levels have only {found} different problems; ask for fewer \
                 or add levels"
            );
            TaskError::spec(key, problem)
        })
    };
    let (wanted, held) = (spec.train_problems, spec.evaluate_problems);
    let train = problems("task.train_problems", wanted, TRAIN_PROBLEMS, Split::Train)?;
    let held_key = "task.evaluate_problems";
    let evaluate = problems(held_key, held, EVALUATE_PROBLEMS, Split::Evaluate)?;
    Ok(Task {
        name: name.to_owned(),
        train,
        evaluate,
        examples: draw_examples(*generator, &levels, examples, seed),
        verify: generator.verify(),
        format: generator.format(),
        step_checker: Some(generator.step_checker()),
        dropped_overlap: 0,
        overlaps: Vec::new(),
    })
}

fn levels(generator: &dyn Generator, wanted: &[u32]) -> Result<Vec<u32>, TaskError> {
    let highest = generator.highest_level();
    if let Some(bad) = wanted.iter().find(|l| !(1..=highest).contains(*l)) {
        let name = generator.name();
        let problem = format!("has {bad}; `{name}` has levels 1 to {highest}");
        return Err(TaskError::spec("task.levels", problem));
    }
    let mut levels = if wanted.is_empty() {
        generator.default_levels().to_vec()
    } else {
        wanted.to_vec()
    };
    levels.sort_unstable();
    levels.dedup();
    Ok(levels)
}

/// Draws from the levels in turn; a level that runs out leaves its share to the others. The error
/// is the number of problems there are.
fn draw_problems(
    generator: &dyn Generator,
    levels: &[u32],
    split: Split,
    count: usize,
    seed: u64,
) -> Result<Vec<Problem>, usize> {
    let wanted = match split {
        Split::Train => Bucket::Train,
        Split::Evaluate => Bucket::Evaluate,
    };
    let mut streams: Vec<(u32, Random)> = levels
        .iter()
        .map(|level| (*level, stream(generator, *level, wanted, seed)))
        .collect();
    let mut seen = HashSet::new();
    let mut problems = Vec::with_capacity(count);
    while problems.len() < count {
        if streams.is_empty() {
            return Err(problems.len());
        }
        streams.retain_mut(|(level, random)| {
            if problems.len() == count {
                return true;
            }
            let drawn = draw_new(generator, *level, None, wanted, &mut seen, random);
            let more = drawn.is_some();
            problems.extend(drawn.map(|drawn| problem(generator, *level, split, drawn)));
            more
        });
    }
    Ok(problems)
}

fn stream(generator: &dyn Generator, level: u32, bucket: Bucket, seed: u64) -> Random {
    Random::new(seed, &format!("{} {level} {bucket:?}", generator.name()))
}

/// Draws until a question of the right bucket comes that is not in `seen`.
fn draw_new(
    generator: &dyn Generator,
    level: u32,
    template: Option<usize>,
    wanted: Bucket,
    seen: &mut HashSet<u64>,
    random: &mut Random,
) -> Option<Drawn> {
    for _ in 0..PATIENCE {
        let template = template.unwrap_or_else(|| random.below(generator.templates(level)));
        let Some(drawn) = generator.draw(level, template, random) else {
            continue;
        };
        if bucket(&drawn.canonical) == wanted && seen.insert(hash(&drawn.question)) {
            return Some(drawn);
        }
    }
    None
}

/// The kinds of questions in turn, so that even a few examples show different ones.
fn draw_examples(
    generator: &dyn Generator,
    levels: &[u32],
    count: usize,
    seed: u64,
) -> Vec<Example> {
    let mut seen = HashSet::new();
    let mut random = stream(generator, 0, Bucket::Examples, seed);
    let mut examples = Vec::new();
    for index in 0..count {
        // One-digit sums run out; the other levels then take their place.
        let drawn = (0..levels.len()).find_map(|other| {
            let level = levels[(index + other) % levels.len()];
            let template = Some(index % generator.templates(level));
            let mut draw = |template| {
                let (seen, random) = (&mut seen, &mut random);
                draw_new(generator, level, template, Bucket::Examples, seen, random)
            };
            draw(template).or_else(|| draw(None))
        });
        examples.extend(drawn.map(|drawn| Example {
            question: drawn.question,
            choices: Vec::new(),
            rationale: drawn.solution,
            answer: Answer(drawn.answer),
        }));
    }
    examples
}

fn problem(generator: &dyn Generator, level: u32, split: Split, drawn: Drawn) -> Problem {
    let name = generator.name();
    let id = format!("{name}-{level}-{:016x}", hash(&drawn.question));
    let meta = [
        ("level".to_owned(), level.to_string()),
        ("template".to_owned(), drawn.template),
    ];
    Problem {
        id: ProblemId(id),
        question: drawn.question,
        gold: Some(Answer(drawn.answer)),
        choices: Vec::new(),
        solution: Some(drawn.solution),
        split,
        meta: BTreeMap::from(meta),
    }
}
