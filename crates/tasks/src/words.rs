//! The words that generated problems are told with.

use crate::random::Random;

/// Names, and whether `she` or `he` stands for them.
const NAMES: [(&str, bool); 28] = [
    ("Tom", false),
    ("Anna", true),
    ("Ben", false),
    ("Lily", true),
    ("Sam", false),
    ("Mia", true),
    ("Jack", false),
    ("Emma", true),
    ("Leo", false),
    ("Nina", true),
    ("Max", false),
    ("Sara", true),
    ("Paul", false),
    ("Ruth", true),
    ("Omar", false),
    ("Julia", true),
    ("Ivan", false),
    ("Kate", true),
    ("Luis", false),
    ("Maya", true),
    ("Noah", false),
    ("Rosa", true),
    ("David", false),
    ("Helen", true),
    ("Peter", false),
    ("Lucy", true),
    ("Adam", false),
    ("Grace", true),
];

/// Small things one has many of.
const ITEMS: [&str; 20] = [
    "marbles",
    "stickers",
    "pencils",
    "coins",
    "shells",
    "stamps",
    "cards",
    "buttons",
    "beads",
    "nuts",
    "stones",
    "crayons",
    "candies",
    "balloons",
    "erasers",
    "ribbons",
    "badges",
    "tickets",
    "postcards",
    "blocks",
];

const FRUIT: [&str; 10] = [
    "apples", "pears", "plums", "lemons", "peaches", "oranges", "cherries", "figs", "limes",
    "mangos",
];

/// What things are kept in: one and many.
const BOXES: [(&str, &str); 6] = [
    ("box", "boxes"),
    ("bag", "bags"),
    ("jar", "jars"),
    ("basket", "baskets"),
    ("tin", "tins"),
    ("drawer", "drawers"),
];

/// What a shop sells: one and many.
const GOODS: [(&str, &str); 12] = [
    ("ball", "balls"),
    ("book", "books"),
    ("cap", "caps"),
    ("kite", "kites"),
    ("lamp", "lamps"),
    ("mug", "mugs"),
    ("scarf", "scarves"),
    ("toy", "toys"),
    ("puzzle", "puzzles"),
    ("plant", "plants"),
    ("shirt", "shirts"),
    ("clock", "clocks"),
];

/// One choice of words: what each slot of a template stands for.
#[derive(Debug, Clone)]
pub(crate) struct Cast {
    slots: Vec<(&'static str, &'static str)>,
}

impl Cast {
    /// Draws three people and the things they have.
    pub(crate) fn draw(random: &mut Random) -> Self {
        let mut people = NAMES;
        random.shuffle(&mut people);
        let (one, many) = BOXES[random.below(BOXES.len())];
        let (good, goods) = GOODS[random.below(GOODS.len())];
        let mut slots = vec![
            ("A", people[0].0),
            ("B", people[1].0),
            ("C", people[2].0),
            ("item", random.pick(&ITEMS)),
            ("fruit", random.pick(&FRUIT)),
            ("box", one),
            ("boxes", many),
            ("good", good),
            ("goods", goods),
        ];
        slots.extend(if people[0].1 {
            [("he", "she"), ("He", "She"), ("his", "her")]
        } else {
            [("he", "he"), ("He", "He"), ("his", "his")]
        });
        Self { slots }
    }

    /// Puts these words, and `numbers`, into a template's slots in braces.
    pub(crate) fn fill(&self, template: &str, numbers: &[(char, i64)]) -> Option<String> {
        let mut text = String::with_capacity(template.len() + 64);
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            let (slot, after) = after.split_once('}')?;
            text.push_str(before);
            let mut letters = slot.chars();
            let letter = letters.next()?;
            let number = numbers
                .iter()
                .find(|(name, _)| *name == letter && letters.as_str().is_empty());
            match number {
                Some((_, number)) => text.push_str(&number.to_string()),
                None => text.push_str(self.slots.iter().find(|(name, _)| *name == slot)?.1),
            }
            rest = after;
        }
        text.push_str(rest);
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_filled_and_unknown_ones_refused() {
        let cast = Cast::draw(&mut Random::new(1, ""));
        let text = cast.fill("{A} and {B}: {a} {item}.", &[('a', 7)]).unwrap();
        assert!(text.contains(": 7 ") && !text.contains('{'), "{text}");
        assert_eq!(cast.fill("{nothing}", &[]), None);
        assert_eq!(cast.fill("{A", &[]), None);
    }
}
