//! `tasks`: the generated tasks, and what two files of problems have in common.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use autodidact_core::{DropOrKeep, HintStrength, Problem, PromptStyle, TaskSpec};
use autodidact_star::Prompter;
use autodidact_tasks::{
    Fields, OverlapRules, Task, builtin_names, find_overlaps, for_each_problem, load, write_jsonl,
};

use crate::arguments::{TasksArguments, TasksCommand};
use crate::failure::Failure;
use crate::overlap_tables::Overlaps;
use crate::printer::{Printer, ShownProblem};

pub(crate) fn execute(arguments: &TasksArguments, printer: &Printer) -> Result<(), Failure> {
    match (&arguments.command, &arguments.file, &arguments.evaluate) {
        (Some(command), _, _) => generated(command, printer),
        (None, Some(file), Some(evaluate)) => compare(file, evaluate, arguments, printer),
        (None, _, _) => Err(Failure::Usage(
            "name a file of training problems and `--evaluate` with another file, or give `list`, `show` or `write`"
                .to_owned(),
        )),
    }
}

/// Lists the training problems that are also evaluated on.
fn compare(
    file: &Path,
    evaluate: &Path,
    arguments: &TasksArguments,
    printer: &Printer,
) -> Result<(), Failure> {
    let read = |path: &Path, question: Option<&String>| {
        let fields = Fields {
            question: question.cloned(),
            id: arguments.id.clone(),
            ..Fields::default()
        };
        let mut problems: Vec<Problem> = Vec::new();
        for_each_problem(path, &fields, |problem| {
            problems.push(problem);
            true
        })?;
        Ok::<_, Failure>(problems)
    };
    let question = arguments.question.as_ref();
    let train = read(file, question)?;
    let held_out = read(evaluate, arguments.evaluate_question.as_ref().or(question))?;
    let rules = OverlapRules {
        other_numbers: if arguments.other_numbers {
            DropOrKeep::Drop
        } else {
            DropOrKeep::Keep
        },
        ..OverlapRules::from_spec(&TaskSpec::default())
    };
    printer.overlaps(&Overlaps::all(&find_overlaps(&train, &held_out, &rules)))
}

fn generated(command: &TasksCommand, printer: &Printer) -> Result<(), Failure> {
    match command {
        TasksCommand::List => printer.tasks(builtin_names()),
        TasksCommand::Show {
            name,
            count,
            levels,
            seed,
        } => {
            let task = generate(name, levels, *count, 1, *seed)?;
            let prompter = Prompter::new(&task, PromptStyle::Text, 1, HintStrength::Answer);
            let shown: Vec<ShownProblem> = task
                .train
                .iter()
                .map(|problem| show(&prompter, problem))
                .collect();
            printer.problems(&shown)
        }
        TasksCommand::Write {
            name,
            directory,
            train,
            evaluate,
            levels,
            seed,
        } => {
            let task = generate(name, levels, *train, *evaluate, *seed)?;
            std::fs::create_dir_all(directory).map_err(|source| Failure::Write {
                path: directory.clone(),
                source,
            })?;
            let files = [
                (&task.train, "train.jsonl"),
                (&task.evaluate, "evaluate.jsonl"),
            ];
            let mut written = Vec::new();
            for (problems, file) in files {
                let path = directory.join(file);
                write(problems, &path)?;
                written.push((file, path));
            }
            printer.paths(&written)
        }
    }
}

fn generate(
    name: &str,
    levels: &[u32],
    train: u32,
    evaluate: u32,
    seed: u64,
) -> Result<Task, Failure> {
    let spec = TaskSpec {
        builtin: Some(name.to_owned()),
        levels: levels.to_vec(),
        train_problems: Some(train),
        evaluate_problems: Some(evaluate),
        ..TaskSpec::default()
    };
    Ok(load(&spec, None, 1, seed)?)
}

fn show(prompter: &Prompter, problem: &Problem) -> ShownProblem {
    ShownProblem {
        prompt: prompter.plain(problem),
        rationale: problem.solution.clone(),
        gold: problem.gold.clone(),
        meta: problem.meta.clone(),
    }
}

fn write(problems: &[Problem], path: &Path) -> Result<(), Failure> {
    let file = File::create(path).map_err(|source| Failure::Write {
        path: path.to_owned(),
        source,
    })?;
    Ok(write_jsonl(problems, BufWriter::new(file))?)
}
