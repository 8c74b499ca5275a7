//! Files of others.

use autodidact_sandbox::Layer;

use crate::attempt::{FILES, canary, refused, tried};
use crate::common::can_run;

#[test]
fn reads_the_passwords() {
    refused(FILES, "return open('/etc/passwd').read(20)");
}

#[test]
fn reads_a_file_of_the_user() {
    let (_directory, file) = canary();
    refused(FILES, &format!("return open({file:?}).read()"));
}

#[test]
fn lists_the_directories_of_users() {
    refused(
        FILES,
        "return str(os.listdir('/home') + os.listdir('/root'))",
    );
}

#[test]
fn writes_outside() {
    if !can_run() {
        return;
    }
    let (directory, file) = canary();
    let new = directory.path().join("new");
    let body = format!("open({new:?}, 'w').write('x')\nreturn 'escaped'");
    let (found, _) = tried(FILES, &body);
    // Without any layer the limit of file sizes still keeps every byte out.
    let written = std::fs::read(&new).unwrap_or_default();
    assert!(written.is_empty(), "{found}");
    tried(
        FILES,
        &format!("open({file:?}, 'a').write('x')\nreturn 'escaped'"),
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "the secret");
}

#[test]
fn removes_a_file_of_the_user() {
    if !can_run() {
        return;
    }
    let (_directory, file) = canary();
    let (found, stopped) = tried(FILES, &format!("os.unlink({file:?})\nreturn 'escaped'"));
    assert!(!stopped || file.exists(), "{found}");
}

#[test]
fn follows_a_symbolic_link_out() {
    let (_directory, file) = canary();
    let body = format!(
        "os.chdir(os.environ['TMPDIR'] if os.path.isdir(os.environ['TMPDIR']) else '.')\nos.symlink({file:?}, 'link')\nreturn open('link').read()"
    );
    refused(&[Layer::OwnRoot, Layer::Landlock, Layer::Seccomp], &body);
}

#[test]
fn climbs_out_by_dots() {
    let (_directory, file) = canary();
    let up = "../".repeat(20) + file.to_str().unwrap().trim_start_matches('/');
    refused(FILES, &format!("return open({up:?}).read()"));
}

#[test]
fn reads_the_memory_of_others_in_proc() {
    refused(
        FILES,
        "for name in ('/proc/1/mem', '/proc/%d/mem' % os.getppid()):\n    try:\n        open(name, 'rb').read(1)\n        return 'escaped'\n    except OSError as error:\n        last = error\nraise last",
    );
}

#[test]
fn writes_its_own_memory_through_proc() {
    refused(FILES, "open('/proc/self/mem', 'r+b')\nreturn 'escaped'");
}

#[test]
fn reads_the_environment_of_others_in_proc() {
    if !can_run() {
        return;
    }
    let body = "import glob\nfound = ''\nfor name in glob.glob('/proc/[0-9]*/environ'):\n    try:\n        found += open(name).read()\n    except OSError:\n        pass\nreturn 'refused' if 'CARGO' not in found else 'escaped'";
    refused(FILES, body);
}

#[test]
fn leaves_by_the_root_link_of_proc() {
    refused(FILES, "return str(os.listdir('/proc/1/root/etc')[:1])");
}
