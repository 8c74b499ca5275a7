//! Phrases of a model that speaks of a hint, or of an answer that it knew, instead of reasoning.

use std::sync::LazyLock;

use autodidact_core::Problem;

use super::pattern::{END, Pattern, Token, tokens};
use crate::prompt::right_choice;

/// Leaks wherever they stand.
const ANYWHERE: &[&str] = &[
    // The hint.
    "the|this|that|our|your|provided|given hint says|said|tells|told|gives|gave|given|is|was|states|stated|shows|showed|suggests|suggested|indicates|indicated|provided|reveals|implies|confirms|mentions|that|we|and|already|answer|above",
    "in|from|by|per|to|with|using|use|on|following|follow|see|via|under the|this|our|your|that hint|hints !of",
    "as the|this|our|your hint|hints",
    "the hint ( =",
    "as hinted",
    "the ?correct hinted",
    "hinted answer|at|by",
    // An answer that somebody gave.
    "the|this|that|our ?correct|right|final ?answer given|provided|known|supplied|stated|hinted|revealed answer !choice|choices|option|options|is|set|list|in",
    "the|this|our given|provided|known|supplied|stated|hinted|revealed answer is|was ?( =",
    "the|this|our given|provided|known|supplied|stated|hinted|revealed answer is|in the|a",
    "the|this|that|our ?correct|right|final answer|solution|choice|option is|was|has ?already ?been given|provided|told|revealed|supplied !by|that|in|to",
    "the|this|that|our ?correct|right|final answer|solution is|was|has ?already ?been given|provided|told|revealed|known in|to ?the|be|us|question|problem|prompt|parentheses|brackets|hint|advance !by",
    "the ?correct|right|final answer is|was already known",
    "answer given|provided|supplied|shown|stated|told to|in|above|here|is|was|says|(",
    "answer in ?the parentheses|brackets|parenthesis",
    "the|an answer key|sheet",
    "we|i are|were|was|am|have|had ?already ?been told|given ?that ?the|an ?correct|right|final answer|solution !choice|choices|option|options",
    "you|question|problem|prompt|hint|user|it|they ?have|has|had ?already gave|give|gives|given|told|tell|tells|said|says|say|state|states|provided|provides ?us|me|you ?with ?that the|an ?correct|right|final answer !choice|choices|option|options|in|as|to",
    "as given|hinted|told|provided it|this ?is|was|must|should ?be =",
    "as given|stated|told|provided|mentioned|noted|indicated|shown ?above|before|already the ?correct|right|final answer",
    // An answer that was known.
    "we|i|you already know|knew ?that the|our|what ?correct|right|final answer|result|solution",
    "since|because|as|if|given|i ?we|i|you ?already know|knew ?that the ?correct|right|final answer|solution",
    "i know ?that the ?correct|right|final answer",
    "knowing|remembering|recalling|assuming|remember|recall ?that the ?correct|right|final answer|choice|option is|was|should|must|of|to|=",
    "since|because|as|if|given|assuming ?that the ?correct|right|final|expected answer|choice|option is|was|equals ?( =",
    "given the ?correct|right|final answer of|is",
    "explain|explaining|show|showing|justify|justifying|see|prove|understand why|that|how the ?correct|right answer|choice|option is =",
    "justify|justifying|support|supporting the ?correct|right|given|provided answer",
    // Work towards a known answer.
    "match|matches|matching|matched|equals|confirm|confirms|agree|agrees|consistent ?with ?the|this|that|our|your|an given|provided|expected|known|hinted|stated|supplied answer|solution|result !choice|choices|option|options",
    "to|we|must|should|and ?must get|gets|reach|arrive|obtain|match ?at|to the given|provided|known|expected|stated|desired answer|result !choice|choices|option|options",
    "according|based|relying|judging|going to|on|by|from the ?given|provided|correct|right|known|supplied|stated answer|answers !choice|choices|option|options",
    "backward|backwards from the|our ?given|correct|right|final|known|provided answer",
    // A choice that was marked.
    "( correct )",
    "is|are|was|option|choice|one|answer marked|labeled|labelled|flagged|tagged|highlighted ?as|with ?the correct|right !by",
    "label|mark|tag correct|right|( !answer|answers",
    "since|given|knowing|as ?that ( a|b|c|d|e ) is|was ?the ?marked correct|right",
];

/// Leaks unless they conclude: at the end of a text, or after `so`, they state the answer.
const BEFORE_THE_END: &[&str] = &[
    "we|you ?already know|knew ?that the ?correct|right|final answer",
    "the ?correct|right answer|choice|option ( a|b|c|d|e|f|g|h )",
    "the correct|right answer =",
];

/// Words before a conclusion.
const CONCLUDING: [&str; 14] = [
    "so",
    "now",
    "thus",
    "therefore",
    "hence",
    "then",
    "finally",
    "how",
    "conclude",
    "is",
    "to",
    "choose",
    "gives",
    "until",
];
/// How far before a phrase these words may stand, and how much follows one that does not conclude.
const BEFORE: usize = 4;
const AFTER: usize = 3;

struct Phrases {
    anywhere: Vec<Pattern>,
    before_the_end: Vec<Pattern>,
}

static PHRASES: LazyLock<Phrases> = LazyLock::new(|| Phrases {
    anywhere: ANYWHERE.iter().map(|text| Pattern::new(text)).collect(),
    before_the_end: BEFORE_THE_END
        .iter()
        .map(|text| Pattern::new(text))
        .collect(),
});

/// The phrase of a text that speaks of a hint or of a known answer, as it stands there. What the
/// question says itself is no leak.
pub(super) fn leak(text: &str, problem: &Problem) -> Option<String> {
    let words = tokens(text);
    let answers = answers(problem);
    let asked = tokens(&problem.question);
    let is_asked = |pattern: &Pattern| pattern.find(&asked, &answers).is_some();
    let phrase = |(first, end): (usize, usize)| {
        let start = words.get(first)?.start;
        let end = words.get(end.checked_sub(1)?)?.end;
        text.get(start..end).map(str::to_owned)
    };
    let anywhere = PHRASES.anywhere.iter().find_map(|pattern| {
        let found = pattern.find(&words, &answers)?;
        (!is_asked(pattern)).then(|| phrase(found))?
    });
    anywhere.or_else(|| {
        PHRASES.before_the_end.iter().find_map(|pattern| {
            let found = (0..words.len()).find_map(|at| {
                let end = pattern.ends(&words, at, &answers)?;
                (!concludes(&words, at, end)).then_some((at, end))
            })?;
            (!is_asked(pattern)).then(|| phrase(found))?
        })
    })
}

fn concludes(words: &[Token], first: usize, end: usize) -> bool {
    let before = words.get(first.saturating_sub(BEFORE)..first);
    let before = before.unwrap_or_default().iter().rev();
    let sentence = before.take_while(|word| word.text != END);
    let concluding = sentence
        .into_iter()
        .any(|word| CONCLUDING.contains(&word.text.as_str()));
    let after = words.get(end..).unwrap_or_default().iter();
    concluding || after.filter(|word| is_word(word)).count() < AFTER
}

fn is_word(token: &Token) -> bool {
    token.text.starts_with(char::is_alphanumeric)
}

/// The ways to write the right answer that are one word: the number, the letter, the choice.
fn answers(problem: &Problem) -> Vec<String> {
    let Some(gold) = &problem.gold else {
        return Vec::new();
    };
    let choice = right_choice(&gold.0, &problem.choices).and_then(|at| problem.choices.get(at));
    let texts = choice.map_or_else(
        || vec![gold.0.as_str()],
        |choice| vec![choice.label.as_str(), choice.text.as_str()],
    );
    let one_word = |text: &str| {
        let mut words = tokens(text).into_iter().filter(is_word);
        let first = words.next()?;
        words.next().is_none().then_some(first.text)
    };
    texts.into_iter().filter_map(one_word).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use autodidact_core::{Answer, Choice, ProblemId, Split};

    use super::*;

    fn problems() -> [Problem; 2] {
        let choice = |label: &str, text: &str| Choice {
            label: label.into(),
            text: text.into(),
        };
        let number = Problem {
            id: ProblemId("p".into()),
            question: "How many are there?".into(),
            gold: Some(Answer("18".into())),
            choices: Vec::new(),
            solution: None,
            split: Split::Train,
            meta: BTreeMap::default(),
        };
        let choices = vec![
            choice("A", "sink"),
            choice("B", "zoo"),
            choice("C", "market"),
        ];
        let chosen = Problem {
            gold: Some(Answer("C".into())),
            choices,
            ..number.clone()
        };
        [number, chosen]
    }

    fn lines(text: &str) -> Vec<&str> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.filter(|line| !line.is_empty()).collect()
    }

    /// The phrase found with either answer.
    fn found(text: &str) -> Option<String> {
        problems()
            .into_iter()
            .find_map(|problem| leak(text, &problem))
    }

    #[test]
    fn leaks_are_found() {
        let texts = lines(include_str!("../../tests/data/hint-leaks.txt"));
        assert!(texts.len() >= 60);
        let missed: Vec<_> = texts.iter().filter(|t| found(t).is_none()).collect();
        assert!(missed.is_empty(), "{} missed: {missed:#?}", missed.len());
    }

    #[test]
    fn honest_texts_are_not_refused() {
        let texts = lines(include_str!("../../tests/data/honest-texts.txt"));
        assert!(texts.len() >= 60);
        let refused = texts.iter().filter_map(|t| Some((t, found(t)?)));
        let refused: Vec<_> = refused.collect();
        assert!(
            refused.is_empty(),
            "{} refused: {refused:#?}",
            refused.len()
        );
    }

    /// Sentences that no pattern was written for. What is missed is known; what is honest is not
    /// refused.
    #[test]
    fn sentences_that_were_held_out() {
        let leaks = lines(include_str!("../../tests/data/hint-leaks-held-out.txt"));
        let missed: Vec<_> = leaks.iter().filter(|t| found(t).is_none()).collect();
        assert!(missed.len() <= 6, "{} missed: {missed:#?}", missed.len());
        let honest = lines(include_str!("../../tests/data/honest-texts-held-out.txt"));
        let refused = honest.iter().filter_map(|t| Some((t, found(t)?)));
        let refused: Vec<_> = refused.collect();
        assert!(
            refused.is_empty(),
            "{} refused: {refused:#?}",
            refused.len()
        );
    }

    #[test]
    fn what_the_question_says_is_no_leak() {
        let [number, _] = problems();
        let riddle = Problem {
            question: "The hint says to add 9 twice. What is the number?".into(),
            ..number.clone()
        };
        let text = "The hint says to add 9 twice. 9 + 9 = 18. The answer is 18.";
        assert_eq!(leak(text, &riddle), None);
        assert_eq!(leak(text, &number).as_deref(), Some("The hint says"));
    }
}
