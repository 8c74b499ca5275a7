//! Attempts to get out of the sandbox, or to harm the machine from inside. Each says which layers
//! stop it; where a machine has none of them, the test prints so and checks what does hold.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod common;

use std::io::Read;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, Instant};

use autodidact_sandbox::Layer;
use common::{can_run, code, observe, observe_with, policy, sandbox, short, wrong};

/// Every layer that keeps files away.
const FILES: &[Layer] = &[Layer::OwnRoot, Layer::Landlock];
const CALLS: &[Layer] = &[Layer::Seccomp];

/// Imports, numbers of system calls, and a function that makes one and names its error.
const PRELUDE: &str = r"
import ctypes, errno, gc, os, platform, signal, socket, struct, sys, time
ARM = platform.machine() == 'aarch64'
def call(x86, arm, *args):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    got = libc.syscall(ctypes.c_long(arm if ARM else x86), *args)
    number = ctypes.get_errno()
    if got == -1:
        name = errno.errorcode[number]
        return 'refused ' + name if name in ('EPERM', 'ENOSYS', 'EACCES') else 'reached ' + name
    return 'escaped'
def attempt():
    try:
        return inner()
    except MemoryError:
        return 'refused MemoryError'
    except OSError as error:
        return 'refused ' + errno.errorcode.get(error.errno, str(error.errno))
";

/// Runs a body of Python that gives a text; true if a layer of `layers` holds here.
fn tried(layers: &[Layer], body: &str) -> (String, bool) {
    let body: Vec<String> = body
        .trim()
        .lines()
        .map(|line| format!("    {line}"))
        .collect();
    let program = format!("{PRELUDE}\ndef inner():\n{}\n", body.join("\n"));
    let found = observe(&program);
    let held = sandbox().layers().unwrap();
    let stopped = layers.iter().any(|layer| held.holds(*layer));
    if !stopped {
        common::tell(&format!(
            "not stopped here: this machine has none of {layers:?}; seen: {found}"
        ));
    }
    (found, stopped)
}

/// The attempt must end in a refusal where one of `layers` holds.
#[track_caller]
fn refused(layers: &[Layer], body: &str) {
    if !can_run() {
        return;
    }
    let (found, stopped) = tried(layers, body);
    if stopped {
        assert!(found.starts_with("'refused"), "{found}");
    }
}

/// A file that everybody on this machine may read, with a secret in it.
fn canary() -> (tempfile::TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let open = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    open(directory.path(), 0o777);
    let file = directory.path().join("secret");
    std::fs::write(&file, "the secret").unwrap();
    open(&file, 0o666);
    (directory, file)
}

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

#[test]
fn connects_by_tcp() {
    if !can_run() {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let body = format!("socket.create_connection(('127.0.0.1', {port}), 1)\nreturn 'escaped'");
    let layers = [Layer::Namespaces, Layer::Landlock, Layer::Seccomp];
    let (found, stopped) = tried(&layers, &body);
    assert!(!stopped || listener.accept().is_err(), "{found}");
    refused(&layers, &body);
}

#[test]
fn listens_on_tcp() {
    refused(
        &[Layer::Landlock, Layer::Seccomp],
        "s = socket.socket()\ns.bind(('127.0.0.1', 0))\nreturn 'escaped'",
    );
}

#[test]
fn sends_by_udp() {
    if !can_run() {
        return;
    }
    let listener = UdpSocket::bind("127.0.0.1:0").unwrap();
    listener
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    let port = listener.local_addr().unwrap().port();
    let body = format!(
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {port}))\nreturn 'escaped'"
    );
    let (found, stopped) = tried(&[Layer::Namespaces, Layer::Seccomp], &body);
    assert!(!stopped || listener.recv(&mut [0; 8]).is_err(), "{found}");
}

#[test]
fn connects_to_a_unix_socket() {
    if !can_run() {
        return;
    }
    let (directory, _) = canary();
    let path = directory.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    listener.set_nonblocking(true).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
    let body = format!("socket.socket(socket.AF_UNIX).connect({path:?})\nreturn 'escaped'");
    let (found, stopped) = tried(&[Layer::OwnRoot, Layer::Seccomp], &body);
    assert!(!stopped || listener.accept().is_err(), "{found}");
}

#[test]
fn opens_a_netlink_or_packet_socket() {
    refused(
        CALLS,
        "try:\n    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)\n    return 'escaped'\nexcept PermissionError:\n    socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)\n    return 'escaped'",
    );
}

#[test]
fn sends_through_a_pair_of_sockets_to_somebody_else() {
    refused(
        CALLS,
        "a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)\na.sendto(b'x', '/dev/log')\nreturn 'escaped'",
    );
}

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
