//! `tasks`: the generated tasks.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use autodidact_core::{HintStrength, Problem, PromptStyle, TaskSpec};
use autodidact_star::Prompter;
use autodidact_tasks::{Task, builtin_names, load, write_jsonl};

use crate::arguments::TasksCommand;
use crate::failure::Failure;
use crate::printer::{Printer, ShownProblem};

pub(crate) fn execute(command: &TasksCommand, printer: &Printer) -> Result<(), Failure> {
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
            for (problems, file) in [
                (&task.train, "train.jsonl"),
                (&task.evaluate, "evaluate.jsonl"),
            ] {
                let path = directory.join(file);
                write(problems, &path)?;
                printer.path(file, &path)?;
            }
            Ok(())
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
