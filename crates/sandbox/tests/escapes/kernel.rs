//! Powers and interfaces of the kernel, and what is left lying about.

use std::io::Read;

use autodidact_sandbox::Layer;

use crate::attempt::{CALLS, FILES, canary, refused};
use crate::common::{self, can_run, code, observe, policy, sandbox, wrong};

#[test]
fn becomes_the_superuser() {
    refused(CALLS, "os.setuid(0)\nreturn 'escaped'");
    refused(CALLS, "os.setgid(0)\nreturn 'escaped'");
    refused(CALLS, "os.setgroups([0])\nreturn 'escaped'");
}

#[test]
fn has_no_capability() {
    refused(
        &[Layer::Capabilities],
        "head = struct.pack('Ii', 0x20080522, 0)\ndata = ctypes.create_string_buffer(24)\nctypes.CDLL(None).capget(head, data)\nreturn 'refused' if not any(data.raw) else 'escaped'",
    );
}

#[test]
fn mounts_and_changes_the_root() {
    refused(CALLS, "return call(165, 40, b'none', b'/', b'tmpfs', 0, 0)");
    refused(CALLS, "return call(155, 41, b'.', b'.')");
    refused(CALLS, "os.chroot('/')\nreturn 'escaped'");
}

#[test]
fn makes_and_joins_namespaces() {
    refused(CALLS, "return call(272, 97, 0x10000000)");
    refused(CALLS, "return call(308, 268, 0, 0)");
    // clone(CLONE_NEWUSER | SIGCHLD) and clone3.
    refused(CALLS, "return call(56, 220, 0x10000000 | 17, 0, 0, 0, 0)");
    refused(CALLS, "return call(435, 435, 0, 0)");
}

#[test]
fn uses_io_uring() {
    refused(
        CALLS,
        "return call(425, 425, 1, ctypes.create_string_buffer(120))",
    );
}

#[test]
fn uses_bpf() {
    refused(CALLS, "return call(321, 280, 0, 0, 0)");
}

#[test]
fn uses_the_keyrings() {
    refused(CALLS, "return call(250, 219, 0, -3, 0)");
    refused(CALLS, "return call(248, 217, b'user', b'a', b'b', 1, -3)");
}

#[test]
fn uses_perf_events() {
    refused(CALLS, "return call(298, 241, 0, 0, -1, -1, 0)");
}

#[test]
fn uses_other_calls_that_reach_far() {
    // userfaultfd, personality, open_by_handle_at, swapoff, reboot, init_module, kexec_load.
    for (x86, arm) in [
        (323, 282),
        (135, 92),
        (304, 265),
        (168, 225),
        (169, 142),
        (175, 105),
        (246, 104),
    ] {
        refused(
            CALLS,
            &format!("return call({x86}, {arm}, 0xffff, 0, 0, 0)"),
        );
    }
}

#[test]
fn calls_by_the_other_names_of_x32() {
    if std::env::consts::ARCH == "x86_64" {
        // getpid and socket of the x32 interface.
        refused(CALLS, "return call(0x40000000 + 39, 0)");
        refused(CALLS, "return call(0x40000000 + 41, 0, 2, 1, 0)");
    }
}

#[test]
fn types_into_the_terminal() {
    // TIOCSTI and TIOCLINUX.
    refused(
        CALLS,
        "import fcntl\nfcntl.ioctl(0, 0x5412, b'x')\nreturn 'escaped'",
    );
    refused(
        CALLS,
        "import fcntl\nfcntl.ioctl(2, 0x541C, b'x')\nreturn 'escaped'",
    );
}

#[test]
fn raises_its_own_limits() {
    refused(
        &Layer::ALL,
        "import resource\ntry:\n    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)\nexcept ValueError as error:\n    return 'refused ' + str(error)\nreturn 'escaped'",
    );
}

/// Needs no layer: the environment is made from nothing.
#[test]
fn finds_keys_in_the_environment() {
    if !can_run() {
        return;
    }
    let mut surroundings = common::surroundings();
    let planted = ("OPENAI_API_KEY".to_owned(), "sk-planted".to_owned());
    surroundings.environment.push(planted);
    let with_key = autodidact_sandbox::Sandbox::new(surroundings);
    let program = "import os\ndef attempt():\n    return sorted(os.environ)";
    let gold = "assert attempt() == ['HOME', 'LANG', 'PYTHONHASHSEED', 'PYTHONSAFEPATH', 'TMPDIR']";
    let found = with_key.verify_code(gold, program, &policy());
    assert!(found.verdict.is_right(), "{}", found.how);
}

/// Needs no layer: our part closes what was left open before the code runs.
#[test]
fn reads_from_descriptors_left_open() {
    if !can_run() {
        return;
    }
    let (_directory, file) = canary();
    let file = std::fs::File::open(file).unwrap();
    // Unlike the first one, a duplicate stays open in programs that are started.
    let left_open = nix::unistd::dup(&file).unwrap();
    let program = "import os, stat\ndef attempt():\n    found = []\n    for fd in range(3, 4096):\n        try:\n            kind = os.fstat(fd).st_mode\n        except OSError:\n            continue\n        if not stat.S_ISFIFO(kind):\n            found.append((fd, oct(kind)))\n    return found";
    assert_eq!(observe(program), "[]");
    let mut text = String::new();
    std::fs::File::from(left_open)
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "the secret");
}

#[test]
fn crashes_the_interpreter() {
    if !can_run() {
        return;
    }
    let found = code(
        "assert f() == 1",
        "import ctypes\ndef f():\n    return ctypes.string_at(0)",
    );
    wrong(&found, "the code's process ended");
    let found = code("assert f() == 1", "import os\ndef f():\n    os.abort()");
    wrong(&found, "the code's process ended");
}

/// Two answers never see each other's files.
#[test]
fn leaves_a_message_for_the_next() {
    if !can_run() {
        return;
    }
    let program = "import os\ndef attempt():\n    seen = []\n    for place in {os.getcwd(), os.environ['TMPDIR'], '/dev/shm', '/tmp'}:\n        name = os.path.join(place, 'message')\n        seen.append(os.path.exists(name))\n        try:\n            open(name, 'w').close()\n        except OSError:\n            pass\n    return any(seen)";
    let layers = sandbox().layers().unwrap();
    observe(program);
    let second = observe(program);
    if FILES.iter().any(|layer| layers.holds(*layer)) {
        assert_eq!(second, "False");
    } else {
        common::tell(&format!(
            "this machine has none of {FILES:?}; seen: {second}"
        ));
    }
    let _ = std::fs::remove_file("/tmp/message");
    let _ = std::fs::remove_file("/dev/shm/message");
}
