//! Which Python there is, and what of the file system it reads.

use std::path::PathBuf;
use std::process::Command;

use serde::Deserialize;

/// Where an interpreter and its parts are.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Python {
    /// The program itself, without symbolic links.
    pub(crate) executable: PathBuf,
    /// Its standard library, and the libraries it has loaded.
    pub(crate) readable: Vec<PathBuf>,
    /// For people.
    pub(crate) version: String,
}

const QUESTION: &str = r#"
import json, os, sys, sysconfig
import ctypes, decimal, math
paths = {os.path.realpath(sysconfig.get_path(n)) for n in ("stdlib", "platstdlib")}
maps = "/proc/self/maps"
if os.path.exists(maps):
    for line in open(maps):
        at = line.find("/")
        if at >= 0 and os.path.isfile(line[at:].strip()):
            paths.add(line[at:].strip())
executable = os.path.realpath(sys.executable)
if sys.version_info < (3, 8):
    sys.exit("Python 3.8 or later is needed")
print(json.dumps({"executable": executable, "readable": sorted(paths), "version": sys.version.split()[0]}))
"#;

/// Asks the interpreter itself. Nothing of a model runs here.
pub(crate) fn find(program: &str, environment: &[(String, String)]) -> Result<Python, String> {
    let output = Command::new(program)
        .args(["-I", "-S", "-c", QUESTION])
        .env_clear()
        .envs(environment.iter().cloned())
        .output()
        .map_err(|e| format!("`{program}` does not start: {e}"))?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        let told = told.lines().last().unwrap_or("it says nothing").to_owned();
        return Err(format!("`{program}` is not a Python that works: {told}"));
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|e| format!("`{program}` does not answer like Python: {e}"))
}
