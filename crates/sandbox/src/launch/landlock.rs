//! Landlock: what may be read and written, whatever the file permissions say.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};

/// Older kernels take what they know of this.
const WANTED: ABI = ABI::V6;

/// Lets this process read `readable`, do everything in `writable`, and reach neither TCP nor
/// abstract sockets nor other processes.
pub(super) fn apply(readable: &[PathBuf], writable: Option<&Path>) -> Result<String, String> {
    let status = restrict(readable, writable).map_err(|e| e.to_string())?;
    match status {
        RulesetStatus::FullyEnforced => Ok("files, TCP, abstract sockets, signals".to_owned()),
        RulesetStatus::PartiallyEnforced => Ok("files; this kernel knows a part only".to_owned()),
        RulesetStatus::NotEnforced => Err("this kernel does not have it, or it is off".to_owned()),
    }
}

fn restrict(readable: &[PathBuf], writable: Option<&Path>) -> Result<RulesetStatus, RulesetError> {
    let ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(WANTED))?
        .handle_access(AccessNet::from_all(WANTED))?
        .scope(Scope::from_all(WANTED))?
        .create()?;
    let mut ruleset = ruleset;
    for path in readable {
        ruleset = allow(ruleset, path, AccessFs::from_read(WANTED))?;
    }
    if let Some(path) = writable {
        let all = AccessFs::from_all(WANTED) & !AccessFs::Execute;
        ruleset = allow(ruleset, path, all)?;
    }
    Ok(ruleset.restrict_self()?.ruleset)
}

fn allow(
    ruleset: RulesetCreated,
    path: &Path,
    access: landlock::BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    // A path that is not there needs no rule.
    let Ok(opened) = PathFd::new(path) else {
        return Ok(ruleset);
    };
    let access = if path.is_dir() {
        access
    } else {
        access & AccessFs::from_file(WANTED)
    };
    ruleset.add_rule(PathBeneath::new(opened, access))
}
