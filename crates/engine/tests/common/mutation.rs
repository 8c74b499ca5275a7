//! Ways of damaging a file, drawn from a seed.

use super::Draw;

/// One damage.
#[derive(Debug, Clone)]
pub enum Mutation {
    /// Keeps the first bytes.
    Truncate(usize),
    /// Flips a bit.
    Flip { at: usize, bit: u8 },
    /// Writes bytes over what is there: a byte, or an integer that is extreme.
    Overwrite { at: usize, bytes: Vec<u8> },
    /// Replaces a number in decimal digits, as JSON holds them.
    Digits { at: usize, text: String },
    /// Takes bytes out.
    Delete { at: usize, length: usize },
    /// Puts a copy of bytes elsewhere.
    Duplicate {
        from: usize,
        length: usize,
        to: usize,
    },
    /// Overwrites bytes with a piece of another file.
    Splice { at: usize, bytes: Vec<u8> },
}

/// Integers that break arithmetic: zero, one, the ends of every width, and their neighbours.
pub const EXTREMES: [u64; 14] = [
    0,
    1,
    2,
    0x7f,
    0xff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    1 << 62,
    u64::MAX >> 1,
    u64::MAX - 31,
    u64::MAX,
];

impl Mutation {
    /// A damage to a file of `length` bytes whose first `header` bytes matter most.
    pub fn draw(draw: &mut Draw, bytes: &[u8], header: usize, other: &[u8]) -> Self {
        let length = bytes.len();
        let place = |draw: &mut Draw| {
            let within = if draw.below(8) > 0 { header } else { length };
            draw.below(within.max(1))
        };
        let at = place(draw);
        match draw.below(16) {
            0 => Self::Truncate(draw.below(length + 1)),
            1..=3 => Self::Flip {
                at,
                bit: draw.below(8) as u8,
            },
            4 | 5 => Self::Overwrite {
                at,
                bytes: vec![[0, 1, 0x7f, 0x80, 0xff, draw.bits() as u8][draw.below(6)]],
            },
            6..=9 => Self::integer(draw, at, length),
            10 | 11 => Self::digits(draw, bytes, at),
            12 => Self::Delete {
                at,
                length: 1 + draw.below(40),
            },
            13 => Self::Duplicate {
                from: place(draw),
                length: 1 + draw.below(200),
                to: at,
            },
            _ => {
                let from = draw.below(other.len());
                let length = (1 + draw.below(64)).min(other.len() - from);
                Self::Splice {
                    at,
                    bytes: other[from..from + length].to_vec(),
                }
            }
        }
    }

    /// An extreme integer of some width, or one near the length of the file.
    fn integer(draw: &mut Draw, at: usize, length: usize) -> Self {
        let value = match draw.below(4) {
            0 => (length as u64)
                .wrapping_add(draw.bits() % 65)
                .wrapping_sub(32),
            1 => draw.bits() % 64,
            _ => EXTREMES[draw.below(EXTREMES.len())],
        };
        let width = [1, 2, 4, 8][draw.below(4)];
        Self::Overwrite {
            at,
            bytes: value.to_le_bytes()[..width].to_vec(),
        }
    }

    /// Another number in place of the digits that follow.
    fn digits(draw: &mut Draw, bytes: &[u8], at: usize) -> Self {
        let found = bytes[at..].iter().position(u8::is_ascii_digit);
        let text = match draw.below(6) {
            0 => "-1".to_owned(),
            1 => "1e999".to_owned(),
            2 => "0.5".to_owned(),
            3 => (draw.bits() % 1000).to_string(),
            _ => EXTREMES[draw.below(EXTREMES.len())].to_string(),
        };
        Self::Digits {
            at: at + found.unwrap_or(0),
            text,
        }
    }

    /// Damages the bytes.
    pub fn apply(&self, bytes: &mut Vec<u8>) {
        let end = bytes.len();
        match self {
            Self::Truncate(length) => bytes.truncate(*length),
            Self::Flip { at, bit } => {
                if let Some(byte) = bytes.get_mut(*at) {
                    *byte ^= 1 << bit;
                }
            }
            Self::Overwrite { at, bytes: new } | Self::Splice { at, bytes: new } => {
                for (old, new) in bytes.iter_mut().skip(*at).zip(new) {
                    *old = *new;
                }
            }
            Self::Digits { at, text } => {
                let from = (*at).min(end);
                let digits = bytes[from..].iter().take_while(|b| b.is_ascii_digit());
                let to = from + digits.count();
                bytes.splice(from..to, text.bytes());
            }
            Self::Delete { at, length } => {
                let from = (*at).min(end);
                bytes.drain(from..(from + length).min(end));
            }
            Self::Duplicate { from, length, to } => {
                let from = (*from).min(end);
                let piece = bytes[from..(from + length).min(end)].to_vec();
                let to = (*to).min(end);
                bytes.splice(to..to, piece);
            }
        }
    }
}
