//! Processes, memory, time and disk, without end or of others.

use std::time::{Duration, Instant};

use autodidact_sandbox::Layer;

use crate::attempt::{CALLS, FILES, refused, tried};
use crate::common::{self, can_run, observe, observe_with, sandbox, short, wrong};

#[test]
fn forks_without_end() {
    if !can_run() {
        return;
    }
    let body = "made = 0\nwhile made < 2000:\n    if os.fork() == 0:\n        time.sleep(60)\n    made += 1\nreturn 'escaped'";
    let started = Instant::now();
    let (found, stopped) = tried(CALLS, body);
    assert!(!stopped || found.starts_with("'refused"), "{found}");
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[test]
fn starts_another_program() {
    refused(
        &[Layer::OwnRoot, Layer::Landlock, Layer::Seccomp],
        "import subprocess\nreturn str(subprocess.check_output(['/bin/sh', '-c', 'id']))",
    );
}

#[test]
fn becomes_another_program() {
    refused(
        FILES,
        "os.execv('/bin/sh', ['sh', '-c', 'cat /etc/passwd'])",
    );
}

#[test]
fn runs_a_program_from_memory() {
    refused(
        CALLS,
        "fd = os.memfd_create('x')\nos.write(fd, open(sys.executable, 'rb').read())\nos.execv('/proc/self/fd/%d' % fd, ['x', '-c', ''])",
    );
}

#[test]
fn starts_threads_without_end() {
    if !can_run() {
        return;
    }
    let program = "import threading, time\ndef attempt():\n    made = 0\n    try:\n        while made < 100000:\n            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n            made += 1\n    except (RuntimeError, MemoryError):\n        return 'refused'\n    return 'escaped'";
    let found = observe(program);
    assert!(!found.contains("escaped"), "{found}");
}

#[test]
fn takes_all_memory_at_once() {
    if !can_run() {
        return;
    }
    let found = observe("def attempt():\n    return len(bytearray(4 << 30))");
    assert!(found.contains("MemoryError"), "{found}");
}

#[test]
fn takes_all_memory_bit_by_bit() {
    if !can_run() {
        return;
    }
    let found = observe(
        "def attempt():\n    kept = []\n    while True:\n        kept.append(bytearray(1 << 20))",
    );
    assert!(found.contains("MemoryError"), "{found}");
}

#[test]
fn maps_memory_past_the_limit() {
    refused(
        &Layer::ALL,
        "import mmap\nkept = [mmap.mmap(-1, 64 << 20) for _ in range(64)]\nreturn 'escaped'",
    );
}

#[test]
fn loops_without_end() {
    if !can_run() {
        return;
    }
    let started = Instant::now();
    let found = sandbox().verify_code(
        "assert f() == 1",
        "def f():\n    while True:\n        pass",
        &short(),
    );
    wrong(&found, "no result after 2 s");
    let found = sandbox().verify_code("assert f() == 1", "while True:\n    pass", &short());
    wrong(&found, "no result after 2 s");
    assert!(
        started.elapsed() < Duration::from_secs(12),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn ignores_every_signal() {
    if !can_run() {
        return;
    }
    let program = "import signal, time\ndef attempt():\n    for n in range(1, 65):\n        try:\n            signal.signal(n, signal.SIG_IGN)\n        except (OSError, ValueError):\n            pass\n    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\n    while True:\n        time.sleep(1)";
    let started = Instant::now();
    let found = observe_with(program, &short());
    assert!(found.contains("no result after 2 s"), "{found}");
    assert!(
        started.elapsed() < Duration::from_secs(8),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn leaves_a_daemon_behind() {
    if !can_run() {
        return;
    }
    let name = format!("esc{}", std::process::id());
    let body = format!(
        "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        signal.signal(signal.SIGTERM, signal.SIG_IGN)\n        ctypes.CDLL(None).prctl(15, {name:?}.encode(), 0, 0, 0)\n        for fd in range(64):\n            try:\n                os.close(fd)\n            except OSError:\n                pass\n        time.sleep(600)\n    os._exit(0)\ntime.sleep(0.3)\nreturn 'daemon'"
    );
    tried(CALLS, &body);
    // The outer launcher has ended before the verdict came, and ends what it adopted before that.
    assert_eq!(named(&name), 0, "a daemon is left");
}

/// Processes with a name.
fn named(name: &str) -> usize {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|process| std::fs::read_to_string(process.path().join("comm")).ok())
        .filter(|found| found.trim() == name)
        .count()
}

#[test]
fn leaves_its_process_group() {
    refused(CALLS, "os.setsid()\nreturn 'escaped'");
    refused(CALLS, "os.setpgid(0, 0)\nreturn 'escaped'");
}

#[test]
fn writes_without_end() {
    if !can_run() {
        return;
    }
    let endless = "while True:\n        print('x' * 1000)";
    let found = observe_with(&format!("def attempt():\n    {endless}"), &short());
    assert!(found.contains("writes more than 256 KB"), "{found}");
    let gold = r#"[{"stdin": "", "stdout": "x"}]"#;
    let script = endless.replace("        print", "    print");
    wrong(
        &sandbox().verify_code(gold, &script, &short()),
        "more than 256 KB",
    );
    let found = sandbox().verify_code(gold, &script.replace("))", ")"), &short());
    assert!(!found.verdict.is_right());
}

#[test]
fn gives_an_answer_without_end() {
    if !can_run() {
        return;
    }
    let found = observe_with("def attempt():\n    return 'x' * (10 << 20)", &short());
    assert!(found.contains("writes more than 256 KB"), "{found}");
    let found = observe_with(
        "def attempt():\n    x = []\n    for _ in range(100000):\n        x = [x]\n    return x",
        &short(),
    );
    assert!(found.contains("Error"), "{found}");
}

#[test]
fn fills_the_disk() {
    if !can_run() {
        return;
    }
    let program = "import os\ndef attempt():\n    total, n = 0, 0\n    try:\n        os.chdir(os.environ['TMPDIR'])\n    except OSError:\n        pass\n    failed = 0\n    while failed < 10 and total < 1 << 30:\n        n += 1\n        try:\n            with open('f%d' % n, 'wb', buffering=0) as f:\n                while total < 1 << 30:\n                    total += f.write(bytes(1 << 20))\n        except OSError:\n            failed += 1\n    return total >> 20";
    let megabytes: u64 = observe(program).parse().unwrap();
    assert!(megabytes <= 16, "{megabytes}");
}

#[test]
fn traces_its_parent() {
    // PTRACE_ATTACH, and reading another's memory.
    refused(CALLS, "return call(101, 117, 16, os.getppid(), 0, 0)");
    refused(CALLS, "return call(310, 270, os.getppid(), 0, 0, 0, 0, 0)");
}

#[test]
fn kills_its_parent_and_everybody() {
    let layers = [Layer::Namespaces, Layer::Seccomp];
    if !can_run() {
        return;
    }
    if !layers
        .iter()
        .any(|layer| sandbox().layers().unwrap().holds(*layer))
    {
        common::tell(&format!(
            "skipped: this machine has none of {layers:?}, and the attempt would end the tests"
        ));
        return;
    }
    let own = std::process::id();
    refused(&layers, &format!("os.kill({own}, 9)\nreturn 'escaped'"));
    refused(&layers, "os.kill(os.getppid() or 2, 9)\nreturn 'escaped'");
    refused(CALLS, "os.kill(-1, 9)\nreturn 'escaped'");
    refused(CALLS, "os.killpg(0, 9)\nreturn 'escaped'");
}

#[test]
fn sends_signals_through_descriptors() {
    refused(
        CALLS,
        "import fcntl\nr, w = os.pipe()\nfcntl.fcntl(r, 8, os.getppid() or 1)\nreturn 'escaped'",
    );
    refused(CALLS, "return call(434, 434, os.getpid(), 0)");
}
