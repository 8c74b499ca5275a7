//! What the fleet's models know, and how they say it: right with a model's accuracy, the same every
//! time for the same model, question and seed.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;

use super::arithmetic::{Arithmetic, Fraction, questions};
use super::hash::{hash, mix, pick, unit};
use super::opinions::{asks_for_a_or_b, better_of_two, majority, to_fuse};
use super::phrases;
use super::rewards;
use super::said::{final_answer, hint_after};

/// A question with its answer, as the fleet should know it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct KnownProblem {
    /// Found by substring in what a model is asked.
    pub question: String,
    /// The right answer: a number, a letter or a few words.
    pub answer: String,
    /// Steps that lead to it, told by a model that gets it right.
    #[serde(default, alias = "solution")]
    pub rationale: Option<String>,
}

/// What a model is asked, whatever the interface.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ask {
    pub(crate) model: String,
    pub(crate) system: String,
    /// The last turn of the user, or the prompt of a plain completion.
    pub(crate) user: String,
    pub(crate) seed: Option<i64>,
    pub(crate) temperature: Option<f64>,
    pub(crate) n: usize,
    pub(crate) max_tokens: Option<u64>,
    pub(crate) stop: Vec<String>,
    pub(crate) prefill: Option<String>,
    pub(crate) thinks: bool,
    /// Tokens of the whole prompt.
    pub(crate) input_tokens: u64,
}

/// A question as the fleet understands it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    /// Without the words around it, so that the same question in another prompt is the same.
    pub(crate) text: String,
    pub(crate) answer: String,
    pub(crate) rationale: Option<String>,
    pub(crate) arithmetic: Option<Arithmetic>,
    /// Where it begins, in bytes.
    pub(crate) at: usize,
}

impl Question {
    /// True if an answer given as text says the same.
    pub(crate) fn is_right(&self, answer: &str) -> bool {
        match (Fraction::read(&self.answer), Fraction::read(answer)) {
            (Some(known), Some(given)) => known == given,
            _ => normal(&self.answer) == normal(answer),
        }
    }
}

fn normal(answer: &str) -> String {
    answer
        .trim()
        .trim_matches(['(', ')', '.', '"'])
        .to_lowercase()
}

/// The knowledge of the whole fleet.
#[derive(Debug, Default)]
pub(crate) struct Wits {
    pub(crate) problems: Vec<KnownProblem>,
    pub(crate) accuracies: Vec<(String, f64)>,
    /// How often a model was asked a question without a seed.
    asked: Mutex<HashMap<u64, u64>>,
}

impl Wits {
    /// How often a model is right: as configured for a part of its name, else by its family.
    pub(crate) fn accuracy(&self, model: &str) -> f64 {
        let configured = self
            .accuracies
            .iter()
            .find(|(name, _)| name == model)
            .or_else(|| {
                self.accuracies
                    .iter()
                    .find(|(name, _)| model.contains(name))
            });
        let strong = ["claude", "gpt", "gemini"];
        match configured {
            Some((_, accuracy)) => *accuracy,
            None if strong.iter().any(|name| model.contains(name)) => 0.9,
            None => 0.6,
        }
    }

    /// All known questions in a text, in order.
    pub(crate) fn questions(&self, text: &str) -> Vec<Question> {
        let known = self.problems.iter().filter_map(|problem| {
            let at = text.rfind(problem.question.trim())?;
            Some(Question {
                text: problem.question.trim().to_owned(),
                answer: problem.answer.clone(),
                rationale: problem.rationale.clone(),
                arithmetic: None,
                at,
            })
        });
        let worked_out = questions(text).into_iter().map(|arithmetic| Question {
            text: arithmetic.expression.replace(' ', ""),
            answer: arithmetic.value.to_string(),
            rationale: None,
            at: arithmetic.at,
            arithmetic: Some(arithmetic),
        });
        let mut found: Vec<Question> = known.chain(worked_out).collect();
        found.sort_by_key(|question| (question.at, question.text.len()));
        found
    }

    /// The answers to a request, without regard to token limits and stops.
    pub(crate) fn say(&self, ask: &Ask) -> Vec<String> {
        let questions = self.questions(&ask.user);
        let topic = questions
            .last()
            .map_or_else(|| ask.user.clone(), |question| question.text.clone());
        let draw = self.draw_number(ask, &topic);
        (0..ask.n.max(1))
            .map(|index| {
                let index = if ask.temperature == Some(0.0) {
                    0
                } else {
                    index
                };
                let luck = mix(hash(&[&ask.model, &topic]) ^ mix(draw ^ mix(index as u64)));
                self.say_once(ask, &questions, luck)
            })
            .collect()
    }

    /// Greedy answers are all the same; else the seed decides, and without one each is another.
    fn draw_number(&self, ask: &Ask, topic: &str) -> u64 {
        if ask.temperature == Some(0.0) {
            return 0;
        }
        if let Some(seed) = ask.seed {
            return mix(seed as u64);
        }
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let count = asked.entry(hash(&[&ask.model, topic])).or_default();
        *count += 1;
        hash(&["unseeded", &count.to_string()])
    }

    fn say_once(&self, ask: &Ask, questions: &[Question], luck: u64) -> String {
        let whole = format!("{}\n{}", ask.system, ask.user);
        let lower = whole.to_ascii_lowercase();
        if lower.contains("helpfulness") && lower.contains("verbosity") && lower.contains("json") {
            return rewards::as_rubric(&self.scores(&ask.model, &ask.user));
        }
        if asks_for_a_or_b(&lower) {
            return better_of_two(questions.first(), &ask.user).to_owned();
        }
        let question = questions.last();
        let own = question.map(|question| self.answer(ask, question, luck));
        if let Some(answers) = to_fuse(&whole, &ask.user, question) {
            return phrases::fused(&majority(&answers, own.as_deref()), answers.len(), luck);
        }
        let (Some(question), Some(answer)) = (question, own) else {
            return phrases::unknown(luck);
        };
        if ask
            .prefill
            .as_deref()
            .is_some_and(|p| p.trim_end().ends_with("The answer is"))
        {
            return format!(" {answer}.");
        }
        phrases::rationale(question, &answer, luck)
    }

    fn answer(&self, ask: &Ask, question: &Question, luck: u64) -> String {
        let after = ask.user.get(question.at..).unwrap_or_default();
        if let Some(hint) = hint_after(after) {
            return hint;
        }
        if unit(luck) < self.accuracy(&ask.model) {
            question.answer.clone()
        } else {
            near_miss(&question.answer, mix(luck))
        }
    }

    /// The five attributes of a text that holds a question and, after it, an answer.
    pub(crate) fn scores(&self, model: &str, text: &str) -> [f64; 5] {
        let question = self.questions(text).into_iter().next();
        // Lines that fence the material of a judge may hold digits of their own.
        let is_fence = |line: &&str| line.starts_with('<') && line.ends_with('>');
        let lines: Vec<&str> = text.lines().filter(|line| !is_fence(line)).collect();
        let text = &lines.join("\n");
        rewards::scores(
            model,
            question.as_ref(),
            text,
            final_answer(text).as_deref(),
        )
    }
}

/// An answer that is wrong, but not by much.
fn near_miss(answer: &str, luck: u64) -> String {
    if let Some(number) = Fraction::read(answer) {
        let steps = [1, -1, 2, 10, -10, 3];
        let step = steps[(luck % steps.len() as u64) as usize];
        let whole = number.whole().unwrap_or(0);
        // Nobody answers a small sum with a negative number by mistake.
        let step = if whole >= 0 && whole.saturating_add(step) < 0 {
            -step
        } else {
            step
        };
        return number.plus(step).to_string();
    }
    let letters = ["A", "B", "C", "D", "E"];
    let others: Vec<&str> = letters
        .into_iter()
        .filter(|letter| *letter != answer.trim().to_uppercase())
        .collect();
    if others.len() < letters.len() {
        return pick(luck, &others).to_owned();
    }
    format!("not {answer}")
}

#[cfg(test)]
mod tests {
    use super::{Ask, Wits, near_miss};

    fn ask(user: &str) -> Ask {
        Ask {
            model: "gpt-mock".into(),
            user: user.into(),
            seed: Some(1),
            n: 1,
            ..Ask::default()
        }
    }

    #[test]
    fn a_near_miss_is_never_right() {
        for luck in 0..60 {
            for answer in ["0", "12", "3/2", "B", "yes"] {
                assert_ne!(near_miss(answer, luck), answer);
            }
        }
    }

    #[test]
    fn answers_to_fuse_become_their_majority() {
        let wits = Wits::default();
        let text = "Question: What is 2 + 2?\n\nAnswer 1: The answer is 5.\nAnswer 2: The answer is 4.\nAnswer 3: The answer is 5.";
        assert!(wits.say(&ask(text))[0].ends_with("The answer is 5."));
        // Examples in front of a question are none.
        let shots = "Q: What is 1 + 1?\nA: The answer is 2.\n\nQ: What is 2 + 1?\nA: The answer is 3.\n\nQ: What is 40 + 2?\nA:";
        let said = wits.say(&ask(shots));
        assert!(!said[0].contains("The answer is 2.") && !said[0].contains("The answer is 3."));
    }

    #[test]
    fn a_judge_of_two_prefers_the_right_one() {
        let wits = Wits::default();
        let text = |a: u8, b: u8| {
            format!(
                "What is 2 + 2?\n[A] The answer is {a}.\n[B] The answer is {b}.\nReply with `A` or `B`."
            )
        };
        assert_eq!(wits.say(&ask(&text(4, 5)))[0], "A");
        assert_eq!(wits.say(&ask(&text(5, 4)))[0], "B");
    }

    #[test]
    fn a_hint_is_taken() {
        let wits = Wits::default();
        let said = wits.say(&ask("What is 2 + 2? (the answer is 77)"));
        assert!(said[0].ends_with("The answer is 77."), "{said:?}");
    }

    #[test]
    fn greedy_answers_do_not_depend_on_the_seed() {
        let wits = Wits::default();
        let mut greedy = ask("What is 17 * 23?");
        greedy.temperature = Some(0.0);
        let first = wits.say(&greedy);
        greedy.seed = Some(99);
        assert_eq!(wits.say(&greedy), first);
    }
}
