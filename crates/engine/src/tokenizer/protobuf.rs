//! `tokenizer.model`: SentencePiece's `ModelProto`, of which few fields matter here
//! (`sentencepiece_model.proto`).

use super::bytes::{SPACE, Spelling};
use super::encoder::{Encoder, SpacePrefix};
use super::hub::HubTokens;
use super::sentencepiece::Sentencepiece;
use super::tokenizer::{Tokenizer, Vocabulary};
use super::vocabulary::{Kind, SpecialIds};
use super::whole::WholeToken;
use crate::EngineError;

/// `TrainerSpec.ModelType.BPE`.
const BPE: u64 = 2;

/// The fields of a model file.
#[derive(Debug)]
struct Proto {
    tokens: Vec<(String, Kind)>,
    scores: Vec<f32>,
    model_type: u64,
    bos: u32,
    eos: u32,
    /// A space goes before every text.
    prefix: bool,
    /// Runs of spaces become one.
    remove_spaces: bool,
    /// Characters are replaced by others first.
    replaces: bool,
}

impl Tokenizer {
    /// Reads a `tokenizer.model`, with the tokens that `tokenizer_config.json` adds. Tokens beyond
    /// `rows` are left out.
    pub(crate) fn from_sentencepiece(
        bytes: &[u8],
        hub: &HubTokens,
        rows: usize,
    ) -> Result<Self, EngineError> {
        let mut proto = Proto::read(bytes, rows)
            .map_err(|problem| EngineError::Tokenizer(format!("`tokenizer.model`: {problem}")))?;
        proto.check()?;
        let mut stripping = Vec::new();
        for token in hub.added.iter().filter(|t| (t.id as usize) < rows) {
            let kind = if token.special {
                Kind::Control
            } else {
                Kind::UserDefined
            };
            let at = token.id as usize;
            if at >= proto.tokens.len() {
                proto.tokens.resize(at + 1, (String::new(), Kind::Unused));
            }
            proto.tokens[at] = (token.text.clone(), kind);
            stripping.push(WholeToken {
                text: token.text.clone(),
                id: token.id,
                strip_left: token.strip_left,
                strip_right: token.strip_right,
            });
        }
        proto.scores.resize(proto.tokens.len(), 0.0);
        for (text, kind) in &mut proto.tokens {
            // A text is searched for these before its spaces are spelled another way.
            if *kind == Kind::UserDefined {
                *text = text.replace(SPACE, " ");
            }
        }
        let special = proto.special_ids(hub);
        let tokens: Vec<(&str, Kind)> =
            proto.tokens.iter().map(|(t, k)| (t.as_str(), *k)).collect();
        let model = Sentencepiece::new(tokens.iter().copied(), proto.scores);
        Self::new(Vocabulary {
            encoder: Encoder::Sentencepiece(Box::new(model)),
            tokens,
            spelling: Spelling::Sentencepiece,
            prefix: if proto.prefix {
                SpacePrefix::EVERYWHERE
            } else {
                SpacePrefix::default()
            },
            stripping,
            special,
        })
    }
}

impl Proto {
    /// Reads at most `rows` pieces: a piece of two bytes takes more than that in memory.
    fn read(bytes: &[u8], rows: usize) -> Result<Self, String> {
        let mut proto = Self {
            tokens: Vec::new(),
            scores: Vec::new(),
            model_type: 1,
            bos: 1,
            eos: 2,
            prefix: true,
            remove_spaces: true,
            replaces: false,
        };
        for field in Fields(bytes) {
            match field? {
                (1, Field::Bytes(piece)) if proto.tokens.len() < rows => proto.piece(piece)?,
                (2, Field::Bytes(trainer)) => proto.trainer(trainer)?,
                (3, Field::Bytes(normalizer)) => proto.normalizer(normalizer)?,
                _ => {}
            }
        }
        Ok(proto)
    }

    fn piece(&mut self, bytes: &[u8]) -> Result<(), String> {
        let (mut text, mut score, mut kind) = (String::new(), 0.0, Kind::Normal);
        for field in Fields(bytes) {
            match field? {
                (1, Field::Bytes(piece)) => {
                    text = String::from_utf8(piece.to_vec())
                        .map_err(|_| "a piece is not UTF-8".to_owned())?;
                }
                (2, Field::Four(bits)) => score = f32::from_bits(bits),
                (3, Field::Number(number)) => kind = Kind::from_number(number),
                _ => {}
            }
        }
        if !score.is_finite() {
            return Err(format!("the score of `{text}` is no number"));
        }
        self.tokens.push((text, kind));
        self.scores.push(score);
        Ok(())
    }

    fn trainer(&mut self, bytes: &[u8]) -> Result<(), String> {
        for field in Fields(bytes) {
            match field? {
                (3, Field::Number(model_type)) => self.model_type = model_type,
                (41, Field::Number(id)) => self.bos = id as u32,
                (42, Field::Number(id)) => self.eos = id as u32,
                _ => {}
            }
        }
        Ok(())
    }

    fn normalizer(&mut self, bytes: &[u8]) -> Result<(), String> {
        for field in Fields(bytes) {
            match field? {
                (2, Field::Bytes(map)) => self.replaces = !map.is_empty(),
                (3, Field::Number(on)) => self.prefix = on != 0,
                (4, Field::Number(on)) => self.remove_spaces = on != 0,
                _ => {}
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), EngineError> {
        let problem = if self.model_type != BPE {
            "is no BPE model"
        } else if self.replaces {
            "replaces characters"
        } else if self.remove_spaces {
            "removes spaces"
        } else {
            return Ok(());
        };
        Err(EngineError::Unsupported(format!(
            "`tokenizer.model` {problem}; save the tokenizer with transformers, which also writes `tokenizer.json`"
        )))
    }

    fn special_ids(&self, hub: &HubTokens) -> SpecialIds {
        let find = |text: &Option<String>| {
            let text = text.as_deref()?;
            let at = self.tokens.iter().position(|(t, _)| t == text)?;
            u32::try_from(at).ok()
        };
        let known = |id: &u32| (*id as usize) < self.tokens.len();
        let end = find(&hub.end)
            .into_iter()
            .chain(hub.end_ids.iter().copied());
        SpecialIds {
            bos: find(&hub.bos).or(Some(self.bos)).filter(known),
            add_bos: hub.add_bos.unwrap_or(true),
            end: end.chain([self.eos]).filter(known).collect(),
        }
    }
}

/// A value of the wire format.
enum Field<'a> {
    Number(u64),
    Four(u32),
    Bytes(&'a [u8]),
    Other,
}

/// Walks over the fields of a message: number and value, or what is wrong, which is the last item.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Field<'a>), String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(
            field.ok_or_else(|| "it is truncated or damaged, or no SentencePiece model".to_owned()),
        )
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Option<(u64, Field<'a>)> {
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Field::Number(self.varint()?),
            1 => self.take(8).map(|_| Field::Other)?,
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Field::Bytes(self.take(length)?)
            }
            5 => Field::Four(u32::from_le_bytes(*self.take(4)?.first_chunk()?)),
            _ => return None,
        };
        Some((key >> 3, value))
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self.take(1)?.first()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}
