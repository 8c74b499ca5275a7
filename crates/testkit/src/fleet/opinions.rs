//! What models are asked about the answers of others: to choose, or to make one of them.

use super::hash::hash;
use super::said::stated_answers;
use super::wits::Question;

pub(crate) fn asks_for_a_or_b(lower: &str) -> bool {
    [
        "`a` or `b`",
        "\"a\" or \"b\"",
        "'a' or 'b'",
        "either a or b",
        "reply with a or b",
        "answer a or b",
    ]
    .iter()
    .any(|words| lower.contains(words))
}

/// The right one of the last two answers in a text; where both are, the first, as judges with a
/// preference for a position do.
pub(crate) fn better_of_two(question: Option<&Question>, text: &str) -> &'static str {
    let answers = stated_answers(text);
    let [.., (_, first), (_, second)] = answers.as_slice() else {
        return "A";
    };
    let value = |answer: &str| match question {
        Some(question) => u64::from(question.is_right(answer)),
        None => hash(&[answer]),
    };
    if value(second) > value(first) {
        "B"
    } else {
        "A"
    }
}

/// The answers that are to become one, if that is what is asked: several stated answers, and either
/// words that say so or the question in front of them. After them it is a question with examples.
pub(crate) fn to_fuse(whole: &str, user: &str, question: Option<&Question>) -> Option<Vec<String>> {
    let words = [
        "synthes",
        "aggregat",
        "candidate",
        "fuse",
        "responses from",
        "answers from",
        "proposed",
        "other models answered",
    ];
    let lower = whole.to_ascii_lowercase();
    let says_so = words.iter().any(|word| lower.contains(word));
    let answers = stated_answers(if says_so { whole } else { user });
    let in_front = match (question, answers.first()) {
        (Some(question), Some((first, _))) => question.at < *first,
        _ => false,
    };
    let is_asked = answers.len() > 1 && (says_so || in_front);
    is_asked.then(|| answers.into_iter().map(|(_, answer)| answer).collect())
}

/// The most frequent answer; of equally frequent ones the model's own, or else the first.
pub(crate) fn majority(answers: &[String], own: Option<&str>) -> String {
    let votes = |answer: &str| answers.iter().filter(|other| *other == answer).count();
    let most = answers
        .iter()
        .map(|answer| votes(answer))
        .max()
        .unwrap_or(0);
    let tied = || answers.iter().filter(|answer| votes(answer) == most);
    tied()
        .find(|answer| Some(answer.as_str()) == own)
        .or_else(|| tied().next())
        .cloned()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::majority;

    #[test]
    fn of_equally_frequent_answers_the_own_one_wins() {
        let answers = ["1".to_owned(), "2".to_owned()];
        assert_eq!(majority(&answers, Some("2")), "2");
        assert_eq!(majority(&answers, Some("3")), "1");
        assert_eq!(
            majority(&[&answers[..], &answers[1..]].concat(), Some("1")),
            "2"
        );
    }
}
