//! Inside the sandbox: a database in memory, gold's query, and the candidate's query.

use std::io::Read;
use std::time::{Duration, Instant};

use autodidact_core::VerifyLimits;
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::{Batch, Connection, Statement};

use super::compare::{Cell, Rows, orders, same};
use super::verify::{Gold, Question, Reply};
use crate::write_json;

/// Rows of a result.
const MOST_ROWS: usize = 100_000;
/// Steps of SQLite's machine between two looks at the clock.
const STEPS: i32 = 1000;
/// Bytes of a text, a blob or a row.
const LONGEST: i32 = 16 << 20;
/// Functions that reach out of the database.
const REACHING: [&str; 6] = [
    "load_extension",
    "readfile",
    "writefile",
    "edit",
    "fts3_tokenizer",
    "fsdir",
];

/// Answers the question on standard input.
pub(crate) fn serve(limits: &VerifyLimits) -> Result<u8, String> {
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .read_to_string(&mut text)
        .map_err(|e| format!("standard input: {e}"))?;
    let question: Question =
        serde_json::from_str(&text).map_err(|e| format!("the question cannot be read: {e}"))?;
    let reply = match prepare(&question.gold, limits) {
        Ok((database, gold)) => {
            write_json(&Reply::GoldRan)?;
            judge(&database, &gold, &question.candidate, limits)
        }
        Err(reason) => Reply::CannotTell(reason),
    };
    write_json(&reply)
}

/// What gold's query gives.
struct Expected {
    rows: Rows,
    columns: usize,
    ordered: bool,
}

fn prepare(gold: &Gold, limits: &VerifyLimits) -> Result<(Connection, Expected), String> {
    let unusable = |e: rusqlite::Error| format!("gold's tables cannot be made: {e}");
    let database = Connection::open_in_memory().map_err(unusable)?;
    let heap = i64::from(limits.memory_mb) << 20;
    database
        .pragma_update(None, "hard_heap_limit", heap)
        .map_err(unusable)?;
    for (limit, value) in [
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_LENGTH, LONGEST),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ] {
        database.set_limit(limit, value).map_err(unusable)?;
    }
    database.authorizer(Some(may_make)).map_err(unusable)?;
    budget(&database, limits).map_err(unusable)?;
    let last = run_statements(&database, &gold.schema).map_err(unusable)?;
    let query = gold.query.clone().or(last);
    let query = query.ok_or("gold holds no query")?;
    database.authorizer(Some(may_read)).map_err(unusable)?;
    let (rows, columns) = rows(&database, &query, limits).map_err(|e| match e {
        Refusal::Database(e) => format!("gold's query fails: {e}"),
        Refusal::Other(e) => format!("gold's query {e}"),
    })?;
    let ordered = gold.ordered.unwrap_or_else(|| orders(&query));
    let expected = Expected {
        rows,
        columns,
        ordered,
    };
    Ok((database, expected))
}

/// Runs statements; a query among them is not run, and the last one is given back.
fn run_statements(database: &Connection, text: &str) -> rusqlite::Result<Option<String>> {
    let mut batch = Batch::new(database, text);
    let mut last = None;
    while let Some(mut statement) = batch.next()? {
        if statement.column_count() > 0 && statement.readonly() {
            last = statement.expanded_sql();
        } else {
            statement.raw_execute()?;
        }
    }
    Ok(last)
}

fn judge(database: &Connection, gold: &Expected, candidate: &str, limits: &VerifyLimits) -> Reply {
    let (rows, columns) = match rows(database, candidate, limits) {
        Ok(found) => found,
        Err(Refusal::Database(e)) => return Reply::Wrong(format!("the query fails: {e}")),
        Err(Refusal::Other(e)) => return Reply::Wrong(format!("the query {e}")),
    };
    let counted = |n: usize| format!("{n} row{}", if n == 1 { "" } else { "s" });
    if columns != gold.columns {
        let (one, other) = (columns, gold.columns);
        return Reply::Wrong(format!("{one} columns instead of {other}"));
    }
    if rows.len() != gold.rows.len() {
        let (one, other) = (counted(rows.len()), gold.rows.len());
        return Reply::Wrong(format!("{one} instead of {other}"));
    }
    let how = if gold.ordered {
        "in order"
    } else {
        "in any order"
    };
    let count = counted(rows.len());
    if same(rows, gold.rows.clone(), gold.ordered) {
        Reply::Right(format!("the same {count} {how}"))
    } else {
        Reply::Wrong(format!("other values in {count} (compared {how})"))
    }
}

enum Refusal {
    Database(rusqlite::Error),
    Other(&'static str),
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

/// Runs one query that only reads.
fn rows(
    database: &Connection,
    query: &str,
    limits: &VerifyLimits,
) -> Result<(Rows, usize), Refusal> {
    budget(database, limits)?;
    let mut batch = Batch::new(database, query);
    let mut statement: Statement<'_> = batch.next()?.ok_or(Refusal::Other("is empty"))?;
    if !statement.readonly() || statement.column_count() == 0 {
        return Err(Refusal::Other("is not one that reads"));
    }
    if !matches!(batch.next(), Ok(None)) {
        return Err(Refusal::Other("is followed by another statement"));
    }
    let columns = statement.column_count();
    let mut found = Vec::new();
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        if found.len() == MOST_ROWS {
            return Err(Refusal::Other("gives too many rows"));
        }
        let cells = (0..columns).map(|at| row.get_ref(at).map(Cell::from));
        found.push(cells.collect::<Result<Vec<Cell>, _>>()?);
    }
    Ok((found, columns))
}

/// Interrupts what runs on after the time that is allowed from now.
fn budget(database: &Connection, limits: &VerifyLimits) -> rusqlite::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(u64::from(limits.seconds));
    database.progress_handler(STEPS, Some(move || Instant::now() > deadline))
}

/// What gold's statements may do: make tables and fill them, and nothing outside.
fn may_make(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Attach { .. }
        | AuthAction::Detach { .. }
        | AuthAction::Pragma { .. }
        | AuthAction::CreateVtable { .. }
        | AuthAction::Unknown { .. } => Authorization::Deny,
        AuthAction::Function { function_name } => may_call(function_name),
        _ => Authorization::Allow,
    }
}

/// What a query may do: read.
fn may_read(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => {
            Authorization::Allow
        }
        AuthAction::Function { function_name } => may_call(function_name),
        _ => Authorization::Deny,
    }
}

fn may_call(name: &str) -> Authorization {
    if REACHING.contains(&name.to_lowercase().as_str()) {
        Authorization::Deny
    } else {
        Authorization::Allow
    }
}
