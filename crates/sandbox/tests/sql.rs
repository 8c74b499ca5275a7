//! Kind `sql`: queries against gold's query on gold's tables.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod common;

use std::time::{Duration, Instant};

use common::{cannot_tell, right, sandbox, short, sql, wrong};

const SCHEMA: &str = "CREATE TABLE pets (name TEXT, kind TEXT, age INTEGER, weight REAL);
INSERT INTO pets VALUES ('Rex', 'dog', 3, 20.5), ('Tom', 'cat', 5, 4.25), ('Kit', 'cat', 1, 2.0), ('Kit', 'cat', 1, 2.0);";

fn gold(query: &str) -> String {
    serde_json::json!({ "schema": SCHEMA, "query": query }).to_string()
}

#[test]
fn the_same_rows_in_any_order_are_right() {
    let gold = gold("SELECT name, age FROM pets WHERE kind = 'cat'");
    let found = sql(
        &gold,
        "Cats are asked for:\n```sql\nSELECT name, age FROM pets WHERE kind LIKE 'CAT' ORDER BY age DESC;\n```\n",
    );
    right(&found);
    assert!(
        found.how.contains("the same 3 rows in any order"),
        "{}",
        found.how
    );
    let expected = "SELECT name, age FROM pets WHERE kind LIKE 'CAT' ORDER BY age DESC;";
    assert_eq!(found.extracted.as_deref(), Some(expected));
    // Names of columns make no difference; their order and number do.
    right(&sql(
        &gold,
        "SELECT name AS n, age * 1.0 FROM pets WHERE kind = 'cat'",
    ));
    wrong(
        &sql(&gold, "SELECT age, name FROM pets WHERE kind = 'cat'"),
        "other values",
    );
    wrong(
        &sql(&gold, "SELECT name FROM pets WHERE kind = 'cat'"),
        "1 columns instead of 2",
    );
    // A multiset, not a set.
    wrong(
        &sql(
            &gold,
            "SELECT DISTINCT name, age FROM pets WHERE kind = 'cat'",
        ),
        "2 rows instead of 3",
    );
}

#[test]
fn order_counts_where_gold_orders() {
    let gold = gold("SELECT name FROM pets ORDER BY age, name");
    right(&sql(&gold, "SELECT name FROM pets ORDER BY age"));
    wrong(
        &sql(&gold, "SELECT name FROM pets ORDER BY age DESC"),
        "compared in order",
    );
    let free = serde_json::json!({ "schema": SCHEMA, "query": "SELECT name FROM pets ORDER BY age", "ordered": false });
    right(&sql(
        &free.to_string(),
        "SELECT name FROM pets ORDER BY name",
    ));
}

#[test]
fn values_compare_by_value() {
    let gold = gold("SELECT avg(weight), NULL, x'00ff', sum(age) FROM pets");
    right(&sql(
        &gold,
        "SELECT sum(weight) / count(*), NULL, x'00FF', total(age) FROM pets",
    ));
    wrong(
        &sql(&gold, "SELECT avg(weight), '', x'00ff', sum(age) FROM pets"),
        "other values",
    );
    wrong(
        &sql(&gold, "SELECT avg(weight), NULL, x'00ff', '10' FROM pets"),
        "other values",
    );
}

#[test]
fn gold_may_be_one_text_that_ends_with_the_query() {
    let gold = format!("{SCHEMA}\nSELECT count(*) FROM pets;");
    right(&sql(&gold, "SELECT 4"));
    wrong(&sql(&gold, "SELECT 5"), "other values");
}

#[test]
fn queries_that_fail_are_wrong() {
    let gold = gold("SELECT name FROM pets");
    wrong(&sql(&gold, "SELECT nam FROM pets"), "no such column");
    wrong(&sql(&gold, "SELEC name"), "syntax error");
    wrong(
        &sql(&gold, "SELECT name FROM pets; SELECT 1"),
        "another statement",
    );
    cannot_tell(&sql(&gold, "```sql\n```"), "no query");
}

#[test]
fn queries_only_read() {
    let gold = gold("SELECT name FROM pets");
    let outside = tempfile::tempdir().unwrap();
    let file = outside.path().join("x.db");
    let file = file.to_str().unwrap();
    for query in [
        "INSERT INTO pets VALUES ('a', 'b', 1, 1)",
        "INSERT INTO pets VALUES ('a', 'b', 1, 1) RETURNING name",
        "DELETE FROM pets RETURNING name",
        "UPDATE pets SET name = 'x'",
        "DROP TABLE pets",
        "CREATE TABLE x (a)",
        "CREATE TEMP TABLE x (a)",
        "PRAGMA writable_schema = 1",
        "PRAGMA table_info(pets)",
        "SELECT * FROM pragma_table_info('pets')",
        "ATTACH ':memory:' AS other",
        &format!("ATTACH '{file}' AS other"),
        &format!("VACUUM INTO '{file}'"),
        "SELECT load_extension('x')",
        "SELECT writefile('x', 'y')",
        "BEGIN",
        "EXPLAIN SELECT load_extension('x')",
        "",
        ";",
        "-- nothing",
    ] {
        let found = sql(&gold, query);
        assert!(!found.verdict.is_right(), "{query}: {}", found.how);
    }
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn queries_without_end_are_stopped() {
    let gold = gold("SELECT name FROM pets");
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)";
    let started = Instant::now();
    let ask = |query: &str| sandbox().verify_sql(&gold, query, &short());
    wrong(
        &ask(&format!("{endless} SELECT max(i) FROM n")),
        "interrupted",
    );
    wrong(&ask(&format!("{endless} SELECT i FROM n")), "too many rows");
    let memory = ask(&format!(
        "{endless} SELECT group_concat(i || hex(zeroblob(1000))) FROM n"
    ));
    assert!(!memory.verdict.is_right(), "{}", memory.how);
    let sorted = ask(&format!(
        "{endless} SELECT hex(randomblob(100000)) FROM n ORDER BY 1"
    ));
    assert!(!sorted.verdict.is_right(), "{}", sorted.how);
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[test]
fn unusable_gold_cannot_be_told() {
    cannot_tell(&sql("{\"schema\": 1}", "SELECT 1"), "cannot be read");
    cannot_tell(
        &sql(&gold("SELECT nothing"), "SELECT 1"),
        "gold's query fails",
    );
    cannot_tell(&sql("CREATE TABLE t (a);", "SELECT 1"), "holds no query");
    cannot_tell(
        &sql(
            "CREATE TABLE t (a); ATTACH 'x.db' AS y; SELECT 1",
            "SELECT 1",
        ),
        "tables cannot be made",
    );
    cannot_tell(&sql(&gold("DELETE FROM pets"), "SELECT 1"), "gold's query");
}
