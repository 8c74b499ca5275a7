//! One JSON value on standard output, from inside the sandbox.

use std::io::Write;

use serde::Serialize;

/// Writes a value and a line's end; gives the exit code.
#[cfg_attr(
    not(target_os = "linux"),
    expect(dead_code, reason = "nothing is launched")
)]
pub(crate) fn write_json(value: &impl Serialize) -> Result<u8, String> {
    let mut line = serde_json::to_vec(value).map_err(|e| e.to_string())?;
    line.push(b'\n');
    let mut out = std::io::stdout().lock();
    out.write_all(&line)
        .and_then(|()| out.flush())
        .map_err(|e| format!("standard output: {e}"))?;
    Ok(0)
}
