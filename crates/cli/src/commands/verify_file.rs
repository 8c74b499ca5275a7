//! `verify FILE`: a verdict for every line, in order, on all cores.
//!
//! A reader deals chunks of lines to threads in turn, and a writer takes verdicts from them in the same
//! turn, so that the order holds and no more than a few chunks are in memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use autodidact_core::{Answer, Problem, ProblemId, Split, Verification, VerifyKind};
use autodidact_star::Checker;
use autodidact_verify::{Line, LineVerdict, Policies};

use crate::failure::Failure;
use crate::printer::Printer;

/// Lines that are verified at once by one thread, at most.
const CHUNK_LINES: usize = 256;
/// Bytes of these lines, about.
const CHUNK_BYTES: usize = 1 << 20;
/// The longest line, in bytes.
const LONGEST_LINE: u64 = 16 << 20;
/// Chunks that wait for each thread, and for the writer.
const WAITING: usize = 2;

/// A line of the file with its number, or why it cannot be read.
type Numbered = (u64, Result<String, String>);

/// How lines are verified.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// For lines that name no kind.
    pub(crate) kind: VerifyKind,
    pub(crate) policies: Policies,
    pub(crate) checker: Checker,
}

/// How many lines had which verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    right: u64,
    wrong: u64,
    cannot_tell: u64,
    unreadable: u64,
}

impl Counts {
    fn add(&mut self, verdict: &LineVerdict) {
        match verdict.verdict {
            _ if verdict.unreadable => self.unreadable += 1,
            "right" => self.right += 1,
            "wrong" => self.wrong += 1,
            _ => self.cannot_tell += 1,
        }
    }

    fn merge(&mut self, other: Self) {
        self.right += other.right;
        self.wrong += other.wrong;
        self.cannot_tell += other.cannot_tell;
        self.unreadable += other.unreadable;
    }
}

/// Verifies a file, or standard input for `-`. Fails with [`Failure::No`] if a line cannot be read.
pub(crate) fn execute(path: &Path, rules: &Rules, printer: &Printer) -> Result<(), Failure> {
    let failed = |source| Failure::Read {
        path: path.to_owned(),
        source,
    };
    let input: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).map_err(failed)?)
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let counts = verify_all(input, rules, threads, &|text| printer.lines(text)).map_err(failed)?;
    let Counts {
        right,
        wrong,
        cannot_tell,
        unreadable,
    } = counts;
    let mut told = format!("{right} right, {wrong} wrong, {cannot_tell} undecided");
    if unreadable > 0 {
        told += &format!("; {unreadable} lines could not be read and say so");
    }
    printer.note(&told);
    if unreadable > 0 {
        return Err(Failure::No);
    }
    Ok(())
}

fn verify_all(
    input: impl Read,
    rules: &Rules,
    threads: usize,
    write: &(dyn Fn(&str) -> io::Result<()> + Sync),
) -> io::Result<Counts> {
    std::thread::scope(|scope| {
        let mut lanes: Vec<SyncSender<Vec<Numbered>>> = Vec::new();
        let mut results: Vec<Receiver<(String, Counts)>> = Vec::new();
        for _ in 0..threads.max(1) {
            let (lines, work) = sync_channel::<Vec<Numbered>>(WAITING);
            let (done, verdicts) = sync_channel(WAITING);
            scope.spawn(move || {
                for chunk in work {
                    // The writer is gone only after a failure, which it reports itself.
                    if done.send(verify_chunk(chunk, rules)).is_err() {
                        break;
                    }
                }
            });
            lanes.push(lines);
            results.push(verdicts);
        }
        let writer = scope.spawn(move || {
            let mut counts = Counts::default();
            // The first lane that has ended is where the file has.
            for lane in results.iter().cycle() {
                let Ok((text, counted)) = lane.recv() else {
                    break;
                };
                write(&text)?;
                counts.merge(counted);
            }
            Ok(counts)
        });
        let read = deal(BufReader::with_capacity(1 << 16, input), &lanes);
        drop(lanes);
        let written = writer
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the thread that writes verdicts ended")));
        match written {
            // Whoever read the verdicts has seen enough.
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(Counts::default()),
            written => read.and(written),
        }
    })
}

/// Reads all lines and deals them out; ends early if nobody takes them any more.
fn deal(mut reader: impl BufRead, lanes: &[SyncSender<Vec<Numbered>>]) -> io::Result<()> {
    let mut number = 0;
    for lane in lanes.iter().cycle() {
        let mut chunk = Vec::new();
        let mut bytes = 0;
        let mut ended = false;
        while chunk.len() < CHUNK_LINES && bytes < CHUNK_BYTES {
            let Some(line) = next_line(&mut reader)? else {
                ended = true;
                break;
            };
            number += 1;
            bytes += line.as_ref().map_or(0, String::len);
            if line.as_ref().is_ok_and(|line| line.trim().is_empty()) {
                continue;
            }
            chunk.push((number, line));
        }
        if lane.send(chunk).is_err() || ended {
            return Ok(());
        }
    }
    Ok(())
}

/// The next line without its end; `None` at the end of the file.
fn next_line(reader: &mut impl BufRead) -> io::Result<Option<Result<String, String>>> {
    let mut line = Vec::new();
    let read = reader
        .by_ref()
        .take(LONGEST_LINE + 1)
        .read_until(b'\n', &mut line)?;
    if read == 0 {
        return Ok(None);
    }
    if line.last() != Some(&b'\n') && line.len() as u64 > LONGEST_LINE {
        skip_line(reader)?;
        let reason = format!("it is longer than {LONGEST_LINE} bytes");
        return Ok(Some(Err(reason)));
    }
    while matches!(line.last(), Some(b'\n' | b'\r')) {
        line.pop();
    }
    let text = String::from_utf8(line);
    Ok(Some(text.map_err(|_| "it is not UTF-8".to_owned())))
}

/// Passes over the rest of a line without keeping it.
fn skip_line(reader: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let length = end.map_or(buffer.len(), |end| end + 1);
        reader.consume(length);
        if end.is_some() {
            return Ok(());
        }
    }
}

fn verify_chunk(chunk: Vec<Numbered>, rules: &Rules) -> (String, Counts) {
    let mut text = String::new();
    let mut counts = Counts::default();
    for (number, line) in chunk {
        let verdict = match line.and_then(|line| Line::parse(&line)) {
            Ok(line) => verify_line(line, rules),
            Err(reason) => LineVerdict::unreadable(number, &reason),
        };
        counts.add(&verdict);
        // A verdict is texts only, which JSON can always hold.
        text += &serde_json::to_string(&verdict).unwrap_or_default();
        text.push('\n');
    }
    (text, counts)
}

fn verify_line(mut line: Line, rules: &Rules) -> LineVerdict {
    let kind = line.kind.unwrap_or(rules.kind);
    let id = line.id.take();
    let verification: Verification = if Checker::runs(kind) {
        let problem = Problem {
            id: ProblemId("1".to_owned()),
            question: line.question.unwrap_or_default(),
            gold: Some(Answer(line.gold)),
            choices: line.choices,
            solution: None,
            split: Split::Evaluate,
            meta: std::collections::BTreeMap::new(),
        };
        rules.checker.verify(kind, &problem, &line.candidate)
    } else {
        line.verify(kind, &rules.policies)
    };
    LineVerdict::new(id, verification)
}

/// Where the lines of a command line come from, if it names one place and no candidate.
pub(crate) fn place(first: Option<&String>, second: Option<&String>) -> Option<PathBuf> {
    match (first, second) {
        (Some(file), None) => Some(PathBuf::from(file)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn verdicts(input: &[u8], threads: usize) -> (Vec<String>, Counts) {
        let written = Mutex::new(String::new());
        let rules = Rules {
            kind: VerifyKind::Number,
            policies: Policies::default(),
            checker: Checker::reading(),
        };
        let write = |text: &str| {
            written.lock().unwrap().push_str(text);
            Ok(())
        };
        let counts = verify_all(input, &rules, threads, &write).unwrap();
        let text = written.into_inner().unwrap();
        (text.lines().map(str::to_owned).collect(), counts)
    }

    #[test]
    fn the_order_is_that_of_the_file_on_any_number_of_threads() {
        let line = |n: u32| {
            let answer = if n.is_multiple_of(3) { n } else { n + 1 };
            format!(
                "{{\"id\": \"{n}\", \"gold\": {n}, \"candidate\": \"The answer is {answer}.\"}}\n"
            )
        };
        let input: String = (0..5000).map(line).collect();
        let (one, counts) = verdicts(input.as_bytes(), 1);
        assert_eq!((one.len(), counts.right, counts.wrong), (5000, 1667, 3333));
        for (n, line) in one.iter().enumerate() {
            assert!(line.starts_with(&format!("{{\"id\":\"{n}\"")), "{line}");
        }
        for threads in [2, 3, 7] {
            assert_eq!(verdicts(input.as_bytes(), threads).0, one);
        }
    }

    #[test]
    fn bad_lines_say_so_and_nothing_is_lost() {
        let mut input = b"{\"gold\": 1, \"candidate\": 1}\n\n{\"gold\"\n\xff\xfe\n".to_vec();
        input.extend(vec![b'x'; LONGEST_LINE as usize + 10]);
        input.extend(b"\n{\"gold\": 1, \"candidate\": 2}");
        let (lines, counts) = verdicts(&input, 2);
        assert_eq!(lines.len(), 5, "{lines:?}");
        assert!(lines[0].contains("\"right\""));
        assert!(lines[1].contains("line 3 cannot be read"), "{}", lines[1]);
        assert!(
            lines[2].contains("line 4 cannot be read: it is not UTF-8"),
            "{}",
            lines[2]
        );
        assert!(
            lines[3].contains("line 5 cannot be read: it is longer"),
            "{}",
            lines[3]
        );
        assert!(lines[4].contains("\"wrong\""), "{}", lines[4]);
        assert_eq!((counts.right, counts.wrong, counts.unreadable), (1, 1, 3));
        assert_eq!(verdicts(b"", 2).0.len(), 0);
    }
}
