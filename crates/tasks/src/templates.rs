//! The stories of the task `word-problems`.
//!
//! In `plan` the letters a to d are drawn and x, y, z worked out, in this order. The first six of
//! each list are the ones a short few-shot prompt shows: all operations, each in another story.

/// A story with slots, the working behind it, and the working in words.
#[derive(Debug)]
pub(crate) struct Template {
    pub name: &'static str,
    pub plan: &'static str,
    pub question: &'static str,
    pub solution: &'static str,
}

const fn template(
    name: &'static str,
    plan: &'static str,
    question: &'static str,
    solution: &'static str,
) -> Template {
    Template {
        name,
        plan,
        question,
        solution,
    }
}

/// Two steps: levels 1 to 3.
pub(crate) static TWO_STEPS: [Template; 30] = [
    template(
        "buy-give",
        "x=a+b y=x-c",
        "{A} has {a} {item} and buys {b} more. Then {he} gives {c} {item} to {B}. How many {item} does {A} have left?",
        "{A} has {a} + {b} = {x} {item}. {He} gives {c} away, so {x} - {c} = {y} are left.",
    ),
    template(
        "boxes-and-loose",
        "x=a*b y=x+c",
        "{A} has {a} {boxes} with {b} {item} in each, and {c} loose {item}. How many {item} does {A} have in all?",
        "The {boxes} hold {a} * {b} = {x} {item}. With the loose ones there are {x} + {c} = {y} {item}.",
    ),
    template(
        "share-give",
        "x=a/b y=x-c",
        "{A} and some friends share {a} {item} equally among {b} children. {A} then gives {c} of {his} {item} to {B}. How many {item} does {A} have left?",
        "Each child gets {a} / {b} = {x} {item}. {A} gives {c} away, so {x} - {c} = {y} are left.",
    ),
    template(
        "together-pack",
        "x=a+b y=x/c",
        "{A} has {a} {item} and {B} has {b}. They pack them all into {c} {boxes}, the same number in each. How many {item} are in each {box}?",
        "Together they have {a} + {b} = {x} {item}. Each {box} holds {x} / {c} = {y} {item}.",
    ),
    template(
        "pay-change",
        "x=a*b y=c-x",
        "{A} buys {a} {goods} for {b} dollars each and pays with {c} dollars. How many dollars does {he} get back?",
        "The {goods} cost {a} * {b} = {x} dollars. {A} gets {c} - {x} = {y} dollars back.",
    ),
    template(
        "lose-times",
        "x=a-b y=x*c",
        "{A} has {a} {item} and loses {b} of them. {B} has {c} times as many {item} as {A} has now. How many {item} does {B} have?",
        "{A} has {a} - {b} = {x} {item} left. {B} has {x} * {c} = {y} {item}.",
    ),
    template(
        "bus",
        "x=a-b y=x+c",
        "There are {a} people on a bus. At a stop, {b} people get off and {c} people get on. How many people are on the bus now?",
        "After {b} people get off, there are {a} - {b} = {x} people. Then {c} get on, so there are {x} + {c} = {y} people.",
    ),
    template(
        "pages-left",
        "x=a*b y=c-x",
        "A book has {c} pages. {A} reads {a} pages a day for {b} days. How many pages are left to read?",
        "{A} reads {a} * {b} = {x} pages. That leaves {c} - {x} = {y} pages.",
    ),
    template(
        "more-than",
        "x=a+b y=a+x",
        "{A} picks {a} {fruit}. {B} picks {b} more than {A}. How many {fruit} do they pick together?",
        "{B} picks {a} + {b} = {x} {fruit}. Together they pick {a} + {x} = {y} {fruit}.",
    ),
    template(
        "fewer-than",
        "x=a-b y=a+x",
        "{A} collects {a} {item}. {B} collects {b} fewer than {A}. How many {item} do they collect together?",
        "{B} collects {a} - {b} = {x} {item}. Together they have {a} + {x} = {y} {item}.",
    ),
    template(
        "times-together",
        "x=a*b y=a+x",
        "{A} has {a} {item}. {B} has {b} times as many. How many {item} do they have together?",
        "{B} has {a} * {b} = {x} {item}. Together they have {a} + {x} = {y} {item}.",
    ),
    template(
        "times-difference",
        "x=a*b y=x-a",
        "{A} finds {a} {item}. {B} finds {b} times as many. How many more {item} does {B} find than {A}?",
        "{B} finds {a} * {b} = {x} {item}. That is {x} - {a} = {y} more than {A}.",
    ),
    template(
        "wage-tip",
        "x=a*b y=x+c",
        "{A} earns {a} dollars an hour and works for {b} hours. Then {he} gets a tip of {c} dollars. How many dollars does {A} have in all?",
        "{A} earns {a} * {b} = {x} dollars. With the tip {he} has {x} + {c} = {y} dollars.",
    ),
    template(
        "save-weeks",
        "x=a-b y=x/c",
        "{A} wants a {good} that costs {a} dollars and already has {b} dollars. {He} saves {c} dollars every week. How many weeks does {he} need?",
        "{A} still needs {a} - {b} = {x} dollars. Saving {c} a week takes {x} / {c} = {y} weeks.",
    ),
    template(
        "chairs",
        "x=a*b y=x-c",
        "A hall has {a} rows with {b} chairs in each row. {c} chairs are broken. How many chairs are not broken?",
        "There are {a} * {b} = {x} chairs. Without the broken ones there are {x} - {c} = {y} chairs.",
    ),
    template(
        "bake-pack",
        "x=a*b y=x/c",
        "{A} bakes {a} trays of cookies with {b} cookies on each tray. {He} puts {c} cookies into each bag. How many bags does {he} fill?",
        "{A} bakes {a} * {b} = {x} cookies. They fill {x} / {c} = {y} bags.",
    ),
    template(
        "eat-share",
        "x=a-b y=x/c",
        "{A} picks {a} {fruit} and eats {b} of them. {He} shares the rest equally among {c} friends. How many {fruit} does each friend get?",
        "There are {a} - {b} = {x} {fruit} left. Each friend gets {x} / {c} = {y} {fruit}.",
    ),
    template(
        "unit-price",
        "x=a/b y=x*c",
        "{b} {goods} cost {a} dollars. How many dollars do {c} {goods} cost?",
        "One {good} costs {a} / {b} = {x} dollars. So {c} {goods} cost {x} * {c} = {y} dollars.",
    ),
    template(
        "rope",
        "x=a/b y=x+c",
        "{A} cuts a rope of {a} meters into {b} equal pieces. {He} ties {c} meters of string to one piece. How many meters long is it now?",
        "Each piece is {a} / {b} = {x} meters long. With the string it is {x} + {c} = {y} meters long.",
    ),
    template(
        "run-daily",
        "x=a+b y=x*c",
        "Every day {A} runs {a} kilometers in the morning and {b} kilometers in the evening. How many kilometers does {he} run in {c} days?",
        "{A} runs {a} + {b} = {x} kilometers a day. In {c} days {he} runs {x} * {c} = {y} kilometers.",
    ),
    template(
        "temperature",
        "x=a+b y=x-c",
        "In the morning it is {a} degrees. By noon it gets {b} degrees warmer, and by night it falls by {c} degrees. How many degrees is it at night?",
        "At noon it is {a} + {b} = {x} degrees. At night it is {x} - {c} = {y} degrees.",
    ),
    template(
        "stock",
        "x=a-b y=x-c",
        "A shop has {a} {goods}. It sells {b} {goods} on Monday and {c} on Tuesday. How many {goods} are left?",
        "After Monday there are {a} - {b} = {x} {goods}. After Tuesday there are {x} - {c} = {y} {goods}.",
    ),
    template(
        "three-people",
        "x=a+b y=x+c",
        "{A} has {a} {item}, {B} has {b} and {C} has {c}. How many {item} do the three have together?",
        "{A} and {B} have {a} + {b} = {x} {item}. With {C} there are {x} + {c} = {y} {item}.",
    ),
    template(
        "share-twice",
        "x=a/b y=x/c",
        "{A} puts {a} {item} into {b} {boxes}, the same number in each. Then {c} children share one {box} equally. How many {item} does each child get?",
        "Each {box} holds {a} / {b} = {x} {item}. Each child gets {x} / {c} = {y} {item}.",
    ),
    template(
        "shelves",
        "x=a*b y=x*c",
        "A store has {a} shelves with {b} {boxes} on each shelf. Each {box} holds {c} {item}. How many {item} are there?",
        "There are {a} * {b} = {x} {boxes}. They hold {x} * {c} = {y} {item}.",
    ),
    template(
        "sale",
        "x=a-b y=c-x",
        "A {good} costs {a} dollars, but today it is {b} dollars cheaper. {A} pays with {c} dollars. How many dollars does {he} get back?",
        "Today the {good} costs {a} - {b} = {x} dollars. {A} gets {c} - {x} = {y} dollars back.",
    ),
    template(
        "two-goods",
        "x=a+b y=c-x",
        "{A} has {c} dollars. {He} buys a pen for {a} dollars and a {good} for {b} dollars. How many dollars does {A} have left?",
        "{A} spends {a} + {b} = {x} dollars. {He} has {c} - {x} = {y} dollars left.",
    ),
    template(
        "piles",
        "x=a/b y=a-x",
        "{A} sorts {a} {item} into {b} equal piles and gives one pile to {B}. How many {item} does {A} keep?",
        "Each pile has {a} / {b} = {x} {item}. {A} keeps {a} - {x} = {y} {item}.",
    ),
    template(
        "won-back",
        "x=a-b y=x+c",
        "{A} has {a} {item}. {He} loses {b} of them to {B} and then wins {c} from {C}. How many {item} does {A} have now?",
        "After losing there are {a} - {b} = {x} {item}. After winning there are {x} + {c} = {y} {item}.",
    ),
    template(
        "garden",
        "x=a+b y=x/c",
        "{A} plants {a} red and {b} white roses in {c} rows, the same number in each row. How many roses are in each row?",
        "There are {a} + {b} = {x} roses. Each row has {x} / {c} = {y} roses.",
    ),
];

/// Three steps: level 4.
pub(crate) static THREE_STEPS: [Template; 8] = [
    template(
        "boxes-loose-give",
        "x=a*b y=x+c z=y-d",
        "{A} has {a} {boxes} with {b} {item} in each, and {c} loose {item}. {He} gives {d} {item} to {B}. How many {item} does {A} have left?",
        "The {boxes} hold {a} * {b} = {x} {item}. With the loose ones there are {x} + {c} = {y}. After giving {d} away, {y} - {d} = {z} {item} are left.",
    ),
    template(
        "buy-eat-share",
        "x=a+b y=x-c z=y/d",
        "{A} has {a} {fruit} and picks {b} more. {He} eats {c} of them and shares the rest equally among {d} friends. How many {fruit} does each friend get?",
        "{A} has {a} + {b} = {x} {fruit}. After eating some, {x} - {c} = {y} are left. Each friend gets {y} / {d} = {z} {fruit}.",
    ),
    template(
        "two-kinds",
        "x=a*b y=c*d z=x+y",
        "{A} buys {a} pens for {b} dollars each and {c} {goods} for {d} dollars each. How many dollars does {he} pay in all?",
        "The pens cost {a} * {b} = {x} dollars. The {goods} cost {c} * {d} = {y} dollars. Together that is {x} + {y} = {z} dollars.",
    ),
    template(
        "share-add-times",
        "x=a/b y=x+c z=y*d",
        "{A} splits {a} {item} equally into {b} {boxes} and then puts {c} more into each {box}. How many {item} are in {d} of these {boxes}?",
        "Each {box} gets {a} / {b} = {x} {item}. With the new ones each has {x} + {c} = {y}. In {d} {boxes} there are {y} * {d} = {z} {item}.",
    ),
    template(
        "lose-times-add",
        "x=a-b y=x*c z=y+d",
        "{A} has {a} {item} and loses {b}. {B} has {c} times as many as {A} has now, and finds {d} more. How many {item} does {B} have?",
        "{A} has {a} - {b} = {x} {item} left. {B} first has {x} * {c} = {y} and then {y} + {d} = {z} {item}.",
    ),
    template(
        "bake-burn-pack",
        "x=a*b y=x-c z=y/d",
        "{A} bakes {a} trays with {b} cookies each. {c} cookies burn. {He} packs the rest into bags of {d}. How many bags does {he} fill?",
        "{A} bakes {a} * {b} = {x} cookies. Without the burnt ones there are {x} - {c} = {y}. They fill {y} / {d} = {z} bags.",
    ),
    template(
        "times-together-from",
        "x=a*b y=a+x z=c-y",
        "{A} needs {c} {item}. {He} has {a} and {B}, who has {b} times as many, gives all of them to {A}. How many {item} are still missing?",
        "{B} has {a} * {b} = {x} {item}. Together there are {a} + {x} = {y}. So {c} - {y} = {z} {item} are missing.",
    ),
    template(
        "spend-twice",
        "x=a+b y=c-x z=y-d",
        "{A} has {c} dollars. {He} buys a pen for {a} dollars, a {good} for {b} dollars and lunch for {d} dollars. How many dollars are left?",
        "The pen and the {good} cost {a} + {b} = {x} dollars. That leaves {c} - {x} = {y} dollars. After lunch {y} - {d} = {z} dollars are left.",
    ),
];
