//! How well each judge agrees with the truth, where the truth is known.

use std::collections::BTreeMap;

use autodidact_core::{Attribute, Scores};
use serde::{Deserialize, Serialize};

use crate::agreement::{Auc, WithinQuestions, auc, wins};

/// Answers of each judge that count, from the first on: enough for an interval of a thousandth, and a
/// bound on memory however long a file is.
const MOST: usize = 200_000;

/// Scores beside verified answers, judge by judge.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    judges: BTreeMap<String, Vec<Record>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Record {
    /// A hash of the question: all that is needed is which answers share one.
    question: u64,
    scores: Scores,
    correct: bool,
}

/// What is known about one judge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JudgeCalibration {
    /// Its name.
    pub judge: String,
    /// Answers it scored.
    pub answers: usize,
    /// Of the overall score, over all answers; absent without right or without wrong ones.
    pub overall: Option<Auc>,
    /// Of the overall score, between answers to the same question: what choosing the best answer
    /// depends on.
    pub within_questions: Option<WithinQuestions>,
    /// Of each attribute the judge gives to every answer.
    pub attributes: BTreeMap<Attribute, Auc>,
}

impl Calibration {
    /// Takes note of what a judge said about an answer that was verified.
    pub fn add(&mut self, judge: &str, question: &str, scores: &Scores, correct: bool) {
        let records = self.judges.entry(judge.to_owned()).or_default();
        if records.len() >= MOST {
            return;
        }
        let hash = blake3::hash(question.as_bytes());
        let mut first = [0; 8];
        first.copy_from_slice(&hash.as_bytes()[..8]);
        records.push(Record {
            question: u64::from_le_bytes(first),
            scores: scores.clone(),
            correct,
        });
    }

    /// Every judge, by name.
    pub fn report(&self) -> Vec<JudgeCalibration> {
        let calibrated = |(judge, records): (&String, &Vec<Record>)| JudgeCalibration {
            judge: judge.clone(),
            answers: records.len(),
            overall: area(records, |scores| Some(scores.overall())),
            within_questions: within_questions(records),
            attributes: Attribute::ALL
                .into_iter()
                .filter_map(|a| Some((a, area(records, |scores| scores.attribute(a))?)))
                .collect(),
        };
        self.judges.iter().map(calibrated).collect()
    }
}

/// `None` also if some answer lacks the number: what is left would be a choice.
fn area(records: &[Record], number: impl Fn(&Scores) -> Option<f64>) -> Option<Auc> {
    let (mut right, mut wrong) = (Vec::new(), Vec::new());
    for record in records {
        let side = if record.correct {
            &mut right
        } else {
            &mut wrong
        };
        side.push(number(&record.scores)?);
    }
    auc(&right, &wrong)
}

fn within_questions(records: &[Record]) -> Option<WithinQuestions> {
    let mut sides: BTreeMap<u64, [Vec<f64>; 2]> = BTreeMap::new();
    for record in records {
        let [right, wrong] = sides.entry(record.question).or_default();
        let side = if record.correct { right } else { wrong };
        side.push(record.scores.overall());
    }
    let mut won = 0.0;
    let (mut pairs, mut questions) = (0, 0);
    for [right, wrong] in sides.values() {
        let of_question = right.len() * wrong.len();
        won += wins(right, wrong);
        pairs += of_question;
        questions += usize::from(of_question > 0);
    }
    (pairs > 0).then(|| WithinQuestions {
        area: won / pairs as f64,
        pairs,
        questions,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shift_between_questions_does_not_count_within_them() {
        let mut calibration = Calibration::default();
        // The judge is right within each question, and likes the second question's answers better.
        for (question, scores, correct) in [
            ("q1", 1.0, true),
            ("q1", 0.0, false),
            ("q2", 9.0, true),
            ("q2", 8.0, false),
            ("q3", 5.0, true),
        ] {
            let scores = Scores::only_overall(scores).unwrap();
            calibration.add("j", question, &scores, correct);
        }
        let report = calibration.report();
        let within = report[0].within_questions.unwrap();
        assert_eq!((within.area, within.pairs, within.questions), (1.0, 2, 2));
        let overall = report[0].overall.unwrap();
        assert!((overall.area - 4.0 / 6.0).abs() < 1e-12, "{overall:?}");
        assert!(report[0].attributes.is_empty());
        assert_eq!(report[0].answers, 5);
    }

    #[test]
    fn a_report_survives_json_and_one_sided_judges_have_no_area() {
        let mut calibration = Calibration::default();
        calibration.add("j", "q", &Scores::only_overall(1.0).unwrap(), true);
        let json = serde_json::to_string(&calibration).unwrap();
        let read: Calibration = serde_json::from_str(&json).unwrap();
        assert_eq!(read, calibration);
        let report = read.report();
        assert_eq!(report[0].overall, None);
        assert_eq!(report[0].within_questions, None);
    }
}
