//! What an export has to know about a run beside its samples.

use autodidact_core::{
    BaselineMeasurement, HintPlace, PromptFormat, PromptStyle, RunSpec, RunStatus, Split,
    VerifyKind,
};
use autodidact_star::{Prompter, prompt_format};
use autodidact_store::RunStore;
use autodidact_tasks::Task;

use crate::ExportError;

/// A run as its journal tells it.
#[derive(Debug, Clone)]
pub struct RunFacts {
    /// The run's name.
    pub name: String,
    /// The spec it was started with.
    pub spec: RunSpec,
    /// The same as it was recorded.
    pub spec_text: String,
    /// Where it stands.
    pub status: RunStatus,
    /// What it is judged by.
    pub baseline: Option<BaselineMeasurement>,
    /// How questions are written down.
    pub prompt_format: PromptFormat,
}

impl RunFacts {
    /// Reads them.
    ///
    /// # Errors
    /// [`ExportError::Request`] if the journal is that of another command.
    pub async fn read(store: &RunStore, name: &str) -> Result<Self, ExportError> {
        let spec_text = store.spec().await?;
        let spec = RunSpec::parse(&spec_text).map_err(|error| {
            ExportError::Request(format!(
                "`{name}` is not the journal of a run that can be exported: {error}"
            ))
        })?;
        let recorded = prompt_format(store).await?;
        let prompt_format = match recorded {
            Some(format) => format,
            None => format_by_spec(store, &spec).await?,
        };
        Ok(Self {
            name: name.to_owned(),
            status: autodidact_star::status(store, name).await?,
            baseline: store.stage(0, "baseline").await?,
            spec,
            spec_text,
            prompt_format,
        })
    }

    /// The base model: its Hugging Face id if it can be had there, or else its first source.
    pub fn base_model(&self) -> String {
        let sources = &self.spec.student.model;
        let hub = |text: &str| {
            let rest = text.strip_prefix("hf:")?;
            let id = rest.split_once('@').map_or(rest, |(id, _)| id);
            let mut parts = id.splitn(3, '/');
            Some(format!("{}/{}", parts.next()?, parts.next()?))
        };
        let first = || sources.first().map(|s| s.0.clone()).unwrap_or_default();
        sources.iter().find_map(|s| hub(&s.0)).unwrap_or_else(first)
    }

    /// The task's name: the builtin's, or that of the training file.
    pub fn task(&self) -> String {
        let task = &self.spec.task;
        let of_file = || {
            let stem = task.train.as_ref()?.file_stem()?;
            Some(stem.to_string_lossy().into_owned())
        };
        task.builtin.clone().or_else(of_file).unwrap_or_default()
    }

    /// Writes questions as the student was asked, or always as turns of a conversation.
    pub(crate) fn prompter(&self, style: PromptStyle) -> Prompter {
        let task = Task {
            name: self.task(),
            train: Vec::new(),
            evaluate: Vec::new(),
            examples: Vec::new(),
            verify: self.spec.task.verify.unwrap_or(VerifyKind::Number),
            format: self.prompt_format.clone(),
            step_checker: None,
            dropped_overlap: 0,
            overlaps: Vec::new(),
        };
        Prompter::new(&task, style, 0, self.spec.rationalize.hint)
    }
}

/// The format of a run that was started before formats were recorded: as its task would have it.
async fn format_by_spec(store: &RunStore, spec: &RunSpec) -> Result<PromptFormat, ExportError> {
    if let Some(format) = &spec.task.prompt {
        return Ok(format.clone());
    }
    if spec.task.builtin.is_some() {
        let mut small = spec.task.clone();
        (small.train_problems, small.evaluate_problems) = (Some(1), Some(1));
        let task = autodidact_tasks::load(&small, None, 0, spec.run.seed)?;
        return Ok(task.format);
    }
    let first = store.problems_after(Split::Train, 0, 1).await?;
    let has_choices = first.iter().any(|(_, problem)| !problem.choices.is_empty());
    let choice = match spec.task.verify {
        Some(kind) => kind == VerifyKind::Choice,
        None => has_choices,
    };
    Ok(if choice {
        PromptFormat {
            hint: " (CORRECT)".into(),
            hint_place: HintPlace::OnChoice,
            ..PromptFormat::default()
        }
    } else {
        PromptFormat::default()
    })
}
