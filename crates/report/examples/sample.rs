//! Writes the page of a made-up run, to look at it:
//! `cargo run -p autodidact-report --example sample -- page.html 5`

#[path = "../tests/common/mod.rs"]
mod common;

fn main() -> std::io::Result<()> {
    let mut args = std::env::args().skip(1);
    let path = args.next().unwrap_or_else(|| "page.html".to_owned());
    let loops = args.next().and_then(|n| n.parse().ok()).unwrap_or(5);
    std::fs::write(path, autodidact_report::render(&common::sample(loops)))
}
