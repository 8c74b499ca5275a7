//! Cuts a body that arrives in pieces into events, wherever the pieces happen to end.

use crate::wire::Framing;

/// More than any provider sends at once; what is longer is not kept.
const LARGEST_EVENT: usize = 10 * 1024 * 1024;

/// One server-sent event, or one line of JSON lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    /// The `event:` field; empty if there was none.
    pub(super) name: String,
    /// The `data:` lines, joined by line feeds.
    pub(super) data: String,
}

/// An event is larger than 10 MB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLarge;

/// Decodes by the rules of the HTML standard, "Interpreting an event stream", or line by line. What
/// was not ended by a blank line (or a line's end) when the body ends is not an event.
#[derive(Debug)]
pub(super) struct Events {
    framing: Framing,
    buffer: Vec<u8>,
    /// Where the line under way begins in `buffer`.
    start: usize,
    /// Up to here there is no line's end.
    scanned: usize,
    /// The last line ended in a carriage return, whose line feed may be still to come.
    after_return: bool,
    first_line: bool,
    name: String,
    data: Option<String>,
}

impl Events {
    pub(super) fn new(framing: Framing) -> Self {
        Self {
            framing,
            buffer: Vec::new(),
            start: 0,
            scanned: 0,
            after_return: false,
            first_line: true,
            name: String::new(),
            data: None,
        }
    }

    /// Takes the next piece of the body.
    pub(super) fn push(&mut self, piece: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.scanned -= self.start;
            self.start = 0;
        }
        self.buffer.extend_from_slice(piece);
    }

    /// The next complete event; `None` until more of the body is there.
    pub(super) fn next(&mut self) -> Result<Option<Event>, TooLarge> {
        while let Some((from, to)) = self.line() {
            let text = String::from_utf8_lossy(&self.buffer[from..to]);
            let mut line = text.as_ref();
            if std::mem::take(&mut self.first_line) {
                line = line.strip_prefix('\u{feff}').unwrap_or(line);
            }
            let event = match self.framing {
                Framing::Sse => field(line, &mut self.name, &mut self.data)?,
                Framing::JsonLines => whole_line(line)?,
            };
            if event.is_some() {
                return Ok(event);
            }
        }
        if self.buffer.len() - self.start > LARGEST_EVENT {
            return Err(TooLarge);
        }
        Ok(None)
    }

    /// The next complete line, as a range of `buffer`.
    fn line(&mut self) -> Option<(usize, usize)> {
        if self.after_return && self.start < self.buffer.len() {
            self.after_return = false;
            if self.buffer[self.start] == b'\n' {
                self.start += 1;
            }
        }
        self.scanned = self.scanned.max(self.start);
        let end = self.buffer[self.scanned..]
            .iter()
            .position(|&byte| byte == b'\n' || byte == b'\r');
        let Some(end) = end.map(|at| at + self.scanned) else {
            self.scanned = self.buffer.len();
            return None;
        };
        let from = self.start;
        self.after_return = self.buffer[end] == b'\r';
        self.start = end + 1;
        Some((from, end))
    }
}

fn field(
    line: &str,
    name: &mut String,
    data: &mut Option<String>,
) -> Result<Option<Event>, TooLarge> {
    if line.is_empty() {
        let name = std::mem::take(name);
        return Ok(data.take().map(|data| Event { name, data }));
    }
    let (field, value) = line.split_once(':').unwrap_or((line, ""));
    let value = value.strip_prefix(' ').unwrap_or(value);
    match field {
        "data" => match data {
            None => *data = Some(value.to_owned()),
            Some(data) => {
                if data.len() + value.len() > LARGEST_EVENT {
                    return Err(TooLarge);
                }
                data.push('\n');
                data.push_str(value);
            }
        },
        "event" => value.clone_into(name),
        // A comment has an empty field; `id` and `retry` are for browsers.
        _ => {}
    }
    if data.as_ref().is_some_and(|data| data.len() > LARGEST_EVENT) {
        return Err(TooLarge);
    }
    Ok(None)
}

fn whole_line(line: &str) -> Result<Option<Event>, TooLarge> {
    let line = line.trim();
    if line.len() > LARGEST_EVENT {
        return Err(TooLarge);
    }
    Ok((!line.is_empty()).then(|| Event {
        name: String::new(),
        data: line.to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(framing: Framing, pieces: &[&[u8]]) -> Vec<(String, String)> {
        let mut events = Events::new(framing);
        let mut found = Vec::new();
        for piece in pieces {
            events.push(piece);
            while let Some(event) = events.next().unwrap() {
                found.push((event.name, event.data));
            }
        }
        found
    }

    fn pair(name: &str, data: &str) -> (String, String) {
        (name.to_owned(), data.to_owned())
    }

    #[test]
    fn every_line_end_comment_and_field_of_the_standard_is_read() {
        let body = "\u{feff}: ping\r\nevent: a\r\ndata: one\r\ndata:two\r\n\r\nid: 7\ndata\n\n\
                    event: lost\n\ndata:  x\r\rdata: [DONE]\n\ndata: cut\n";
        assert_eq!(
            decode(Framing::Sse, &[body.as_bytes()]),
            [
                pair("a", "one\ntwo"),
                pair("", ""),
                pair("", " x"),
                pair("", "[DONE]")
            ]
        );
    }

    #[test]
    fn json_lines_skip_blank_lines_and_leave_a_cut_one() {
        assert_eq!(
            decode(Framing::JsonLines, &[b"{\"a\":1}\r\n\n {\"b\":2}\n{\"c\""]),
            [pair("", "{\"a\":1}"), pair("", "{\"b\":2}")]
        );
    }

    #[test]
    fn an_endless_event_is_refused() {
        let mut events = Events::new(Framing::Sse);
        let piece = vec![b'x'; 1 << 20];
        let refused = (0..12).any(|_| {
            events.push(&piece);
            events.next().is_err()
        });
        assert!(refused, "12 MB without a line's end");
        let mut events = Events::new(Framing::Sse);
        let line = [b"data:".as_slice(), &piece, b"\n"].concat();
        let refused = (0..12).any(|_| {
            events.push(&line);
            events.next().is_err()
        });
        assert!(refused, "12 MB of data lines");
    }

    proptest! {
        #[test]
        fn the_places_where_pieces_end_do_not_matter(
            lines in prop::collection::vec("(data|event|id|): ?[a-zé漢😀:]{0,6}|", 0..20),
            ends in prop::collection::vec(0_usize..3, 20),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
            json in any::<bool>(),
        ) {
            let framing = if json { Framing::JsonLines } else { Framing::Sse };
            let mut body = String::new();
            for (line, end) in lines.iter().zip(ends) {
                body.push_str(line);
                body.push_str(["\n", "\r\n", "\r"][end]);
            }
            let body = body.as_bytes();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for cut in cuts.into_iter().chain([body.len()]) {
                pieces.push(&body[from..cut]);
                from = cut;
            }
            prop_assert_eq!(decode(framing, &pieces), decode(framing, &[body]));
        }

        #[test]
        fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
            decode(Framing::Sse, &[&body]);
            decode(Framing::JsonLines, &[&body]);
        }
    }
}
