//! The bound on work: every step pays before it computes.

/// Why a step gave up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The answer costs more than a comparison may cost.
    Budget(&'static str),
    /// The text is not mathematics this reader knows.
    Unreadable(String),
    /// The value does not exist: division by zero, the logarithm of zero.
    Undefined(&'static str),
    /// The value exists, but this step cannot work with it.
    Unsupported(&'static str),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Budget(what) => write!(f, "{what} exceed the budget of a comparison"),
            Self::Unreadable(what) => write!(f, "{what}"),
            Self::Undefined(what) => write!(f, "{what} has no value"),
            Self::Unsupported(what) => write!(f, "no exact method for {what}"),
        }
    }
}

/// The result of a step.
pub(super) type Step<T> = Result<T, Trouble>;

/// Longest answer that is read, in bytes; longer ones are only compared as text.
pub(super) const MAX_LENGTH: usize = 8_192;
/// Most digits of a number.
pub(super) const MAX_DIGITS: usize = 4_096;
/// Deepest nesting of brackets, fractions and powers.
pub(super) const MAX_DEPTH: usize = 64;
/// Most nodes in the tree of one answer.
pub(super) const MAX_NODES: usize = 8_192;
/// Largest exact integer, in bits.
pub(super) const MAX_BITS: u64 = 65_536;
/// Highest precision of an interval, in bits after the point.
pub(super) const MAX_PRECISION: u64 = 16_384;
/// Operations of one comparison; one is about a word-sized multiplication (a nanosecond).
const MAX_OPERATIONS: u64 = 5_000_000;

/// Counts operations down.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    left: u64,
    spent_before: u64,
}

impl Budget {
    /// A full budget.
    pub(super) fn new() -> Self {
        Self {
            left: MAX_OPERATIONS,
            spent_before: 0,
        }
    }

    /// Pays for `operations`, or fails for good.
    pub(super) fn pay(&mut self, operations: u64) -> Step<()> {
        match self.left.checked_sub(operations) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(Trouble::Budget("the operations")),
        }
    }

    /// Pays for the product of two integers of these sizes in bits.
    pub(super) fn pay_product(&mut self, a: u64, b: u64) -> Step<()> {
        self.pay(24 + (a / 64 + 1) * (b / 64 + 1))
    }

    /// What has been paid so far.
    pub(super) fn spent(&self) -> u64 {
        self.spent_before + (MAX_OPERATIONS - self.left)
    }

    /// Starts a step that may cost at most `share` of what is left; returns the rest.
    pub(super) fn split(&mut self, share: u64) -> Self {
        let part = (self.left / share.max(1)).min(self.left);
        self.left -= part;
        Self {
            left: part,
            spent_before: MAX_OPERATIONS - part - self.left,
        }
    }

    /// Puts back what a step did not use.
    pub(super) fn give_back(&mut self, part: &Self) {
        self.left += part.left;
    }
}
