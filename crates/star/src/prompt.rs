//! Rendering questions: few-shot, plain, and with a hint.

use autodidact_core::{
    Choice, Example, HintPlace, HintStrength, Message, Problem, Prompt, PromptFormat, PromptStyle,
};
use autodidact_tasks::Task;

use crate::flags::{ShownHint, contains_hint};
use crate::rationalize::{hint_of, shown_solution};
use crate::seams::TrainingPair;

/// Writes problems down for a model. The hint exists in [`Prompter::hinted`] only: everything that
/// is trained on comes from [`Prompter::plain`].
#[derive(Debug, Clone)]
pub struct Prompter {
    format: PromptFormat,
    style: PromptStyle,
    examples: Vec<Example>,
    strength: HintStrength,
    /// The hint's text tells a leak: honest rationales do not contain theirs.
    hint_tells: bool,
}

impl Prompter {
    /// A prompter with the task's format and the first `few_shot` of its examples.
    pub fn new(task: &Task, style: PromptStyle, few_shot: usize, strength: HintStrength) -> Self {
        let examples = task.examples.iter().take(few_shot).cloned().collect();
        let mut prompter = Self {
            format: task.format.clone(),
            style,
            examples,
            strength,
            hint_tells: true,
        };
        // Where the hint is the bare answer, as on the addition scratchpad, every right rationale
        // contains it; then only phrases that speak of a hint can give a leak away.
        prompter.hint_tells = !task.examples.iter().any(|example| {
            let hint = prompter.hint_text(&as_problem(example));
            hint.is_some_and(|hint| contains_hint(&example.rationale, &hint))
        });
        prompter
    }

    /// Number of examples in the few-shot prompt.
    pub fn few_shot_examples(&self) -> usize {
        self.examples.len()
    }

    /// The question alone: the prompt of training, and of a student that was trained.
    pub fn plain(&self, problem: &Problem) -> Prompt {
        self.render(problem, None, false)
    }

    /// The question after the examples (the prompt set `P` of the paper, section 3.1).
    pub fn few_shot(&self, problem: &Problem) -> Prompt {
        self.render(problem, None, true)
    }

    /// The question as a conversation whose earlier turns are the examples, whatever the student's
    /// style: what a teacher is asked.
    pub(crate) fn conversation(&self, problem: &Problem) -> Prompt {
        let chat = Self {
            style: PromptStyle::Chat,
            ..self.clone()
        };
        chat.few_shot(problem)
    }

    /// The question with the answer as a hint, after examples with hints (section 3.3).
    pub fn hinted(&self, problem: &Problem) -> Prompt {
        self.render(problem, hint_of(problem, self.strength).as_deref(), true)
    }

    /// A rationale as training text: what follows the prompt, before the end-of-text token. Where
    /// sampling stops at an empty line, the empty lines of a teacher's text are left out: a student
    /// that learned them would be cut off there.
    pub fn completion(&self, rationale: &str) -> String {
        match self.style {
            PromptStyle::Text => {
                let lead = &self.format.completion_lead;
                let stops_at_empty_lines = self.format.stop.iter().any(|stop| stop == "\n\n");
                if !stops_at_empty_lines || !rationale.contains("\n\n") {
                    return format!("{lead}{}", rationale.trim());
                }
                let lines = rationale
                    .trim()
                    .lines()
                    .filter(|line| !line.trim().is_empty());
                format!("{lead}{}", lines.collect::<Vec<_>>().join("\n"))
            }
            PromptStyle::Chat => rationale.trim().to_owned(),
        }
    }

    /// An example as training text.
    pub(crate) fn example_pair(&self, example: &Example) -> TrainingPair {
        TrainingPair {
            prompt: self.plain(&as_problem(example)),
            completion: self.completion(&example.rationale),
            model: "example".to_owned(),
            terms: "allowed".to_owned(),
        }
    }

    /// Texts at which sampling stops. A conversation ends by itself; text goes on with the next
    /// question unless it is stopped.
    pub fn stops(&self) -> Vec<String> {
        match self.style {
            PromptStyle::Text => self.format.stop.clone(),
            PromptStyle::Chat => Vec::new(),
        }
    }

    /// The hint as it stands in the prompt, to recognise a rationale that repeats it; `None` if
    /// honest rationales contain theirs too.
    pub fn hint_text(&self, problem: &Problem) -> Option<String> {
        if !self.hint_tells {
            return None;
        }
        let hint = hint_of(problem, self.strength)?;
        Some(self.format.hint.replace("{hint}", &hint))
    }

    /// What a hinted prompt shows, to recognise a rationalization that repeats it.
    pub fn shown_hint(&self, problem: &Problem) -> ShownHint {
        ShownHint {
            text: self.hint_text(problem),
            solution: shown_solution(problem, self.strength),
        }
    }

    fn render(&self, problem: &Problem, hint: Option<&str>, few_shot: bool) -> Prompt {
        let examples = if few_shot {
            self.examples.as_slice()
        } else {
            &[]
        };
        let hinted = hint.is_some();
        let hint_for = |example: &Example| {
            let as_problem = as_problem(example);
            hinted
                .then(|| hint_of(&as_problem, self.strength))
                .flatten()
        };
        let gold = problem.gold.as_ref().map(|g| g.0.as_str());
        match self.style {
            PromptStyle::Text => {
                let mut text = String::new();
                for e in examples {
                    let hint = hint_for(e);
                    text +=
                        &self.question(&e.question, &e.choices, Some(&e.answer.0), hint.as_deref());
                    text += &self.format.completion_lead;
                    text += e.rationale.trim();
                    text += &self.format.separator;
                }
                text += &self.question(&problem.question, &problem.choices, gold, hint);
                Prompt::Text(text)
            }
            PromptStyle::Chat => {
                let mut messages = Vec::new();
                for e in examples {
                    let hint = hint_for(e);
                    let question =
                        self.body(&e.question, &e.choices, Some(&e.answer.0), hint.as_deref());
                    messages.push(Message::user(question));
                    messages.push(Message::assistant(e.rationale.trim()));
                }
                let question = self.body(&problem.question, &problem.choices, gold, hint);
                messages.push(Message::user(question));
                Prompt::Chat(messages)
            }
        }
    }

    /// A question in the text style, up to and including the answer mark.
    fn question(
        &self,
        question: &str,
        choices: &[Choice],
        gold: Option<&str>,
        hint: Option<&str>,
    ) -> String {
        let format = &self.format;
        let body = self.body(question, choices, gold, hint);
        let mut text = format!("{}{body}{}", format.before_question, format.before_answer);
        if let Some(hint) = hint
            && format.hint_place == HintPlace::AfterAnswerMark
        {
            text += &format.hint.replace("{hint}", hint);
        }
        text
    }

    /// The question and its choices, with the hint if it goes there.
    fn body(
        &self,
        question: &str,
        choices: &[Choice],
        gold: Option<&str>,
        hint: Option<&str>,
    ) -> String {
        let format = &self.format;
        let mut text = question.trim().to_owned();
        // A problem without choices has no line to mark, and a conversation no answer mark to put a
        // hint after: there the hint follows the question.
        let place = match format.hint_place {
            HintPlace::OnChoice if choices.is_empty() => HintPlace::AfterQuestion,
            place => place,
        };
        if let Some(hint) = hint {
            if place == HintPlace::AfterAnswerMark && self.style == PromptStyle::Chat {
                text += &format.before_answer;
            }
            if place == HintPlace::AfterQuestion
                || (place == HintPlace::AfterAnswerMark && self.style == PromptStyle::Chat)
            {
                text += &format.hint.replace("{hint}", hint);
            }
        }
        let right = gold.and_then(|gold| right_choice(gold, choices));
        if !choices.is_empty() {
            text += "\nAnswer Choices:";
        }
        for (i, choice) in choices.iter().enumerate() {
            for part in ["\n(", &choice.label.to_lowercase(), ") ", &choice.text] {
                text += part;
            }
            if hint.is_some() && place == HintPlace::OnChoice && right == Some(i) {
                text += &format.hint;
            }
        }
        text
    }
}

/// The choice that gold names: by its letter, or else by its text.
pub(crate) fn right_choice(gold: &str, choices: &[Choice]) -> Option<usize> {
    let by = |text: fn(&Choice) -> &str| {
        choices
            .iter()
            .position(|c| gold.trim().eq_ignore_ascii_case(text(c).trim()))
    };
    by(|c| &c.label).or_else(|| by(|c| &c.text))
}

fn as_problem(example: &Example) -> Problem {
    Problem {
        id: autodidact_core::ProblemId("example".into()),
        question: example.question.clone(),
        gold: Some(example.answer.clone()),
        choices: example.choices.clone(),
        solution: Some(example.rationale.clone()),
        split: autodidact_core::Split::Train,
        meta: std::collections::BTreeMap::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use autodidact_core::{Answer, ProblemId, Split, VerifyKind};

    fn problem(choices: Vec<Choice>, gold: &str) -> Problem {
        Problem {
            id: ProblemId("p".into()),
            question: "How many?".into(),
            gold: Some(Answer(gold.into())),
            choices,
            solution: None,
            split: Split::Train,
            meta: std::collections::BTreeMap::default(),
        }
    }

    fn prompter(format: PromptFormat, style: PromptStyle) -> Prompter {
        let example = Example {
            question: "What is 2 + 3?".into(),
            choices: vec![],
            rationale: "2 + 3 = 5. The answer is 5.".into(),
            answer: Answer("5".into()),
        };
        let task = Task {
            name: "t".into(),
            train: vec![],
            evaluate: vec![],
            examples: vec![example],
            verify: VerifyKind::Number,
            format,
            step_checker: None,
            dropped_overlap: 0,
            overlaps: Vec::new(),
        };
        Prompter::new(&task, style, 6, HintStrength::Answer)
    }

    fn text(prompt: Prompt) -> String {
        match prompt {
            Prompt::Text(text) => text,
            Prompt::Chat(messages) => serde_json::to_string(&messages).unwrap(),
        }
    }

    #[test]
    fn the_hint_stands_in_the_hinted_prompt_and_in_its_examples_only() {
        let prompter = prompter(PromptFormat::default(), PromptStyle::Text);
        let problem = problem(vec![], "12");
        assert_eq!(
            text(prompter.hinted(&problem)),
            "Q: What is 2 + 3? (the answer is 5)\nA: 2 + 3 = 5. The answer is 5.\n\nQ: How many? (the answer is 12)\nA:"
        );
        assert_eq!(
            text(prompter.few_shot(&problem)),
            "Q: What is 2 + 3?\nA: 2 + 3 = 5. The answer is 5.\n\nQ: How many?\nA:"
        );
        assert_eq!(text(prompter.plain(&problem)), "Q: How many?\nA:");
        assert_eq!(prompter.completion(" It is 12. \n"), " It is 12.");
    }

    #[test]
    fn a_hint_on_the_choice_marks_the_right_one() {
        let format = PromptFormat {
            hint_place: HintPlace::OnChoice,
            hint: " (CORRECT)".into(),
            ..PromptFormat::default()
        };
        let choice = |label: &str, text: &str| Choice {
            label: label.into(),
            text: text.into(),
        };
        let problem = problem(vec![choice("A", "sink"), choice("B", "market")], "B");
        let hinted = text(prompter(format, PromptStyle::Text).hinted(&problem));
        assert!(
            hinted.ends_with("Q: How many?\nAnswer Choices:\n(a) sink\n(b) market (CORRECT)\nA:")
        );
    }

    #[test]
    fn gold_names_a_choice_by_its_letter_before_its_text() {
        let choice = |label: &str, text: &str| Choice {
            label: label.into(),
            text: text.into(),
        };
        let choices = [choice("1", "3"), choice("2", "4"), choice("3", "5")];
        assert_eq!(right_choice("3", &choices), Some(2));
        assert_eq!(right_choice("4", &choices), Some(1));
        assert_eq!(right_choice("9", &choices), None);
    }

    #[test]
    fn a_hint_that_every_right_rationale_contains_tells_nothing() {
        let format = PromptFormat {
            hint: " {hint}".into(),
            ..PromptFormat::default()
        };
        let problem = problem(vec![], "12");
        assert_eq!(
            prompter(format, PromptStyle::Text).hint_text(&problem),
            None
        );
        let usual = prompter(PromptFormat::default(), PromptStyle::Text);
        assert_eq!(usual.hint_text(&problem).unwrap(), " (the answer is 12)");
    }

    #[test]
    fn chat_prompts_are_turns() {
        let prompter = prompter(PromptFormat::default(), PromptStyle::Chat);
        let Prompt::Chat(messages) = prompter.hinted(&problem(vec![], "12")) else {
            unreachable!("the style is chat")
        };
        let roles: Vec<&str> = messages.iter().map(|m| m.role.as_str()).collect();
        assert_eq!(roles, ["user", "assistant", "user"]);
        assert_eq!(messages[2].content, "How many? (the answer is 12)");
    }
}
