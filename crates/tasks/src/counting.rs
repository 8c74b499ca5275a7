//! Counting: items, letters, numbers in a range, days, legs and teams.

use crate::generate::{Drawn, Generator};
use crate::random::Random;

/// The generated task `counting`.
pub(crate) struct Counting;

const KINDS: [&str; 6] = ["items", "range", "legs", "teams", "days", "letters"];
const COLORS: [&str; 8] = [
    "red", "blue", "green", "white", "black", "yellow", "pink", "brown",
];
const MONTHS: [(&str, i64); 12] = [
    ("January", 31),
    ("February", 28),
    ("March", 31),
    ("April", 30),
    ("May", 31),
    ("June", 30),
    ("July", 31),
    ("August", 31),
    ("September", 30),
    ("October", 31),
    ("November", 30),
    ("December", 31),
];
/// Animals and their legs.
const ANIMALS: [(&str, i64); 10] = [
    ("hens", 2),
    ("ducks", 2),
    ("dogs", 4),
    ("cats", 4),
    ("cows", 4),
    ("sheep", 4),
    ("ants", 6),
    ("beetles", 6),
    ("spiders", 8),
    ("crabs", 10),
];
const TEAMS: [(&str, &str); 6] = [
    ("children", "teams"),
    ("players", "teams"),
    ("students", "groups"),
    ("dancers", "rows"),
    ("guests", "tables"),
    ("hikers", "cars"),
];
/// Words in which some letter occurs at least twice.
const WORDS: [&str; 72] = [
    "banana",
    "letter",
    "coffee",
    "pepper",
    "rabbit",
    "kitten",
    "puppet",
    "button",
    "cotton",
    "summer",
    "winner",
    "dinner",
    "butter",
    "little",
    "middle",
    "apple",
    "school",
    "street",
    "cookie",
    "needle",
    "freeze",
    "cheese",
    "breeze",
    "degree",
    "evening",
    "eleven",
    "seven",
    "tomato",
    "potato",
    "carrot",
    "parrot",
    "mirror",
    "ladder",
    "hammer",
    "balloon",
    "lagoon",
    "spoon",
    "moon",
    "bamboo",
    "igloo",
    "kangaroo",
    "elephant",
    "between",
    "remember",
    "december",
    "september",
    "tennis",
    "cabbage",
    "garage",
    "package",
    "message",
    "passage",
    "language",
    "calendar",
    "pajamas",
    "papaya",
    "panama",
    "alabama",
    "canada",
    "camera",
    "animal",
    "banner",
    "tunnel",
    "funnel",
    "assess",
    "mississippi",
    "success",
    "process",
    "address",
    "stress",
    "sunset",
    "classes",
];

impl Generator for Counting {
    fn name(&self) -> &'static str {
        "counting"
    }

    fn default_levels(&self) -> &'static [u32] {
        &[1, 2]
    }

    fn highest_level(&self) -> u32 {
        2
    }

    fn templates(&self, _: u32) -> usize {
        KINDS.len()
    }

    fn draw(&self, level: u32, template: usize, random: &mut Random) -> Option<Drawn> {
        let large = level > 1;
        let (question, working, answer) = match KINDS[template] {
            "items" => items(large, random)?,
            "range" => range(large, random),
            "legs" => legs(large, random)?,
            "teams" => teams(large, random),
            "days" => days(large, random),
            _ => letters(random)?,
        };
        Some(Drawn {
            canonical: question.clone(),
            question,
            answer: answer.to_string(),
            solution: format!("{working} The answer is {answer}."),
            template: KINDS[template].to_owned(),
        })
    }
}

/// Question, working and answer.
type Parts = (String, String, i64);

/// `1 + 1 + 1 = 3`, so that even plain counting has a step that can be checked.
fn ones(count: i64) -> String {
    format!("{} = {count}", vec!["1"; count as usize].join(" + "))
}

fn items(large: bool, random: &mut Random) -> Option<Parts> {
    let length = if large {
        random.between(8, 12)
    } else {
        random.between(5, 7)
    };
    let mut colors = COLORS;
    random.shuffle(&mut colors);
    let kinds = if large { 4 } else { 3 };
    let row: Vec<&str> = (0..length).map(|_| random.pick(&colors[..kinds])).collect();
    let wanted = colors[0];
    let count = row.iter().filter(|c| **c == wanted).count() as i64;
    let places: Vec<String> = row
        .iter()
        .enumerate()
        .filter(|(_, color)| **color == wanted)
        .map(|(place, _)| (place + 1).to_string())
        .collect();
    (count >= 2).then(|| {
        (
            format!(
                "In a row of beads the colors are {}. How many beads are {wanted}?",
                row.join(", ")
            ),
            format!(
                "Beads number {} are {wanted}. That makes {}.",
                places.join(", "),
                ones(count)
            ),
            count,
        )
    })
}

fn range(large: bool, random: &mut Random) -> Parts {
    let (low, width) = if large { (500, 400) } else { (60, 40) };
    let first = random.between(2, low);
    let last = first + random.between(3, width);
    let (between, count) = (last - first, last - first + 1);
    (
        format!("How many whole numbers are there from {first} to {last}, both included?"),
        format!(
            "The distance is {last} - {first} = {between}. Both ends count, so there are {between} + 1 = {count} numbers."
        ),
        count,
    )
}

fn legs(large: bool, random: &mut Random) -> Option<Parts> {
    let mut animals = ANIMALS;
    random.shuffle(&mut animals);
    let [(one, one_legs), (two, two_legs), ..] = animals;
    let most = if large { 30 } else { 9 };
    let (a, b) = (random.between(2, most), random.between(2, most));
    let (left, right) = (a * one_legs, b * two_legs);
    let sum = left + right;
    (large || sum <= 100).then(|| {
        (
            format!("How many legs do {a} {one} and {b} {two} have together?"),
            format!("The {one} have {a} * {one_legs} = {left} legs. The {two} have {b} * {two_legs} = {right} legs. Together that is {left} + {right} = {sum} legs."),
            sum,
        )
    })
}

fn teams(large: bool, random: &mut Random) -> Parts {
    let (who, what) = TEAMS[random.below(TEAMS.len())];
    let most = if large { 24 } else { 9 };
    let (size, count) = (random.between(2, most), random.between(2, most));
    let away = random.between(2, most);
    let here = size * count;
    let all = here + away;
    (
        format!(
            "There are {all} {who}, but {away} of them are away. The others form {what} of {size}. How many {what} are there?"
        ),
        format!(
            "There are {all} - {away} = {here} {who} left. They form {here} / {size} = {count} {what}."
        ),
        count,
    )
}

fn days(large: bool, random: &mut Random) -> Parts {
    let index = random.below(MONTHS.len() - 1);
    let (month, length) = MONTHS[index];
    if !large {
        let first = random.between(1, 20);
        let last = random.between(first + 3, length);
        let count = last - first;
        return (
            format!("How many days after {month} {first} is {month} {last}?"),
            format!("Both days are in {month}, so it is {last} - {first} = {count} days."),
            count,
        );
    }
    let next = MONTHS[index + 1].0;
    let (first, last) = (random.between(2, length - 2), random.between(2, 28));
    let rest = length - first;
    let count = rest + last;
    (
        format!(
            "How many days after {month} {first} is {next} {last} of the same year? {month} has {length} days."
        ),
        format!(
            "To the end of {month} there are {length} - {first} = {rest} days. Up to {next} {last} there are {rest} + {last} = {count} days."
        ),
        count,
    )
}

fn letters(random: &mut Random) -> Option<Parts> {
    let word = random.pick(&WORDS);
    let letters: Vec<char> = word.chars().filter(|c| c.is_alphabetic()).collect();
    let letter = letters[random.below(letters.len())];
    let count = letters.iter().filter(|c| **c == letter).count() as i64;
    let spelt: Vec<String> = letters.iter().map(char::to_string).collect();
    (count >= 2).then(|| {
        (
            format!("How many times does the letter {letter} occur in the word {word}?"),
            format!(
                "The letters are {}. The letter {letter} occurs {} times.",
                spelt.join(", "),
                ones(count)
            ),
            count,
        )
    })
}
