//! A root directory of its own: Python and libraries, read-only, and a small scratch directory.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{chdir, pivot_root};

use crate::launch::order::{Job, Order};

/// Where the launcher finds itself in the new root.
pub(super) const LAUNCHER: &str = "/launcher";
/// The only place that can be written to; it lives in memory.
pub(super) const SCRATCH: &str = "/scratch";
/// Bytes and files of the scratch directory.
const SCRATCH_OPTIONS: &str = "size=16m,nr_inodes=1024,mode=700";
/// Directories of libraries that programs name by themselves.
pub(super) const LIBRARIES: [&str; 6] = [
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/etc/ld.so.cache",
];

/// Moves this process into a root built on the order's directory.
pub(super) fn enter(order: &Order, launcher: &Path) -> Result<String, String> {
    let new = order.directory.as_path();
    let nothing: Option<&str> = None;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(nothing, "/", nothing, private, nothing)
        .map_err(|e| format!("mounts cannot be made private: {}", e.desc()))?;
    let kept = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    let options = Some("size=1m,mode=755");
    mount(Some("tmpfs"), new, Some("tmpfs"), kept, options)
        .map_err(|e| format!("a file system in memory cannot be mounted: {}", e.desc()))?;
    let built = fill(order, launcher, new).and_then(|()| switch(new));
    if built.is_err() {
        // Back to what was there; the process goes on in the old root.
        let _ = umount2(new, MntFlags::MNT_DETACH);
    }
    built.map(|()| "Python and libraries read-only, 16 MB of scratch space".to_owned())
}

fn fill(order: &Order, launcher: &Path, new: &Path) -> Result<(), String> {
    for path in visible(&order.job, launcher) {
        let target = inside(new, &path);
        if fs::symlink_metadata(&target).is_ok() {
            continue;
        }
        let link = fs::symlink_metadata(&path).is_ok_and(|m| m.is_symlink());
        if link {
            let to = fs::read_link(&path).map_err(|e| told(&path, &e))?;
            make_parent(&target)?;
            symlink(to, &target).map_err(|e| told(&path, &e))?;
        } else if path.exists() {
            show(&path, &target)?;
        }
    }
    show(launcher, &inside(new, Path::new(LAUNCHER)))?;
    let scratch = inside(new, Path::new(SCRATCH));
    fs::create_dir(&scratch).map_err(|e| told(&scratch, &e))?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(
        Some("tmpfs"),
        &scratch,
        Some("tmpfs"),
        flags,
        Some(SCRATCH_OPTIONS),
    )
    .map_err(|e| format!("scratch space cannot be mounted: {}", e.desc()))
}

/// Paths that are shown in the new root, parents before children.
fn visible(job: &Job, launcher: &Path) -> BTreeSet<PathBuf> {
    let mut paths: BTreeSet<PathBuf> = LIBRARIES.iter().map(PathBuf::from).collect();
    paths.extend(mapped().into_iter().filter(|path| path != launcher));
    if let Job::Python {
        executable,
        readable,
        ..
    } = job
    {
        paths.insert(executable.clone());
        paths.extend(readable.iter().cloned());
    }
    paths
}

/// The files this program was loaded from.
fn mapped() -> Vec<PathBuf> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let file = |line: &str| {
        let path = line.find('/').and_then(|at| line.get(at..))?;
        (!path.ends_with("(deleted)")).then(|| PathBuf::from(path))
    };
    maps.lines().filter_map(file).collect()
}

fn inside(new: &Path, path: &Path) -> PathBuf {
    new.join(path.strip_prefix("/").unwrap_or(path))
}

fn make_parent(target: &Path) -> Result<(), String> {
    let parent = target.parent().unwrap_or(target);
    fs::create_dir_all(parent).map_err(|e| told(parent, &e))
}

/// Mounts a file or directory into the new root, read-only.
fn show(path: &Path, target: &Path) -> Result<(), String> {
    make_parent(target)?;
    if path.is_dir() {
        fs::create_dir_all(target).map_err(|e| told(target, &e))?;
    } else {
        fs::write(target, b"").map_err(|e| told(target, &e))?;
    }
    let nothing: Option<&str> = None;
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some(path), target, nothing, flags, nothing)
        .map_err(|e| format!("{} cannot be mounted: {}", path.display(), e.desc()))?;
    let flags = MsFlags::MS_REMOUNT
        | MsFlags::MS_BIND
        | MsFlags::MS_RDONLY
        | MsFlags::MS_NOSUID
        | MsFlags::MS_NODEV;
    mount(nothing, target, nothing, flags, nothing)
        .map_err(|e| format!("{} cannot be made read-only: {}", path.display(), e.desc()))
}

/// Makes `new` the root and lets go of the old one.
fn switch(new: &Path) -> Result<(), String> {
    let nothing: Option<&str> = None;
    let step = |what: &str, result: nix::Result<()>| {
        result.map_err(|e| format!("the root cannot be changed ({what}): {}", e.desc()))
    };
    step("chdir", chdir(new))?;
    step("pivot_root", pivot_root(".", "."))?;
    step("umount", umount2(".", MntFlags::MNT_DETACH))?;
    step("chdir", chdir("/"))?;
    let flags = MsFlags::MS_REMOUNT
        | MsFlags::MS_BIND
        | MsFlags::MS_RDONLY
        | MsFlags::MS_NOSUID
        | MsFlags::MS_NODEV;
    step("remount", mount(nothing, "/", nothing, flags, nothing))
}

fn told(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}
