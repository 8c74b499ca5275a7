//! The system calls that Python and SQLite need, and no other.
//!
//! A list of what is allowed: a call that a later kernel brings is refused until somebody adds it.
//! Nothing here starts a process, opens a socket, traces, mounts, or changes who one is.

use std::collections::BTreeMap;

use libc::{
    SYS_accept4, SYS_brk, SYS_clock_getres, SYS_clock_gettime, SYS_clock_nanosleep, SYS_clone,
    SYS_clone3, SYS_close, SYS_close_range, SYS_dup, SYS_dup3, SYS_epoll_create1, SYS_epoll_ctl,
    SYS_epoll_pwait, SYS_eventfd2, SYS_execve, SYS_exit, SYS_exit_group, SYS_faccessat,
    SYS_faccessat2, SYS_fallocate, SYS_fchdir, SYS_fchmod, SYS_fchmodat, SYS_fcntl, SYS_fdatasync,
    SYS_flock, SYS_fstat, SYS_fstatfs, SYS_fsync, SYS_ftruncate, SYS_futex, SYS_get_robust_list,
    SYS_getcwd, SYS_getdents64, SYS_getegid, SYS_geteuid, SYS_getgid, SYS_getgroups, SYS_getitimer,
    SYS_getpgid, SYS_getpid, SYS_getppid, SYS_getpriority, SYS_getrandom, SYS_getresgid,
    SYS_getresuid, SYS_getrlimit, SYS_getrusage, SYS_getsid, SYS_getsockname, SYS_getsockopt,
    SYS_gettid, SYS_gettimeofday, SYS_getuid, SYS_ioctl, SYS_kill, SYS_lseek, SYS_madvise,
    SYS_membarrier, SYS_mincore, SYS_mkdirat, SYS_mmap, SYS_mprotect, SYS_mremap, SYS_msync,
    SYS_munmap, SYS_nanosleep, SYS_newfstatat, SYS_openat, SYS_pipe2, SYS_ppoll, SYS_prctl,
    SYS_pread64, SYS_preadv, SYS_prlimit64, SYS_pselect6, SYS_pwrite64, SYS_read, SYS_readlinkat,
    SYS_readv, SYS_recvfrom, SYS_renameat2, SYS_restart_syscall, SYS_rseq, SYS_rt_sigaction,
    SYS_rt_sigpending, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_rt_sigsuspend,
    SYS_rt_sigtimedwait, SYS_sched_getaffinity, SYS_sched_getparam, SYS_sched_getscheduler,
    SYS_sched_yield, SYS_sendto, SYS_set_robust_list, SYS_set_tid_address, SYS_setitimer,
    SYS_shutdown, SYS_sigaltstack, SYS_socketpair, SYS_statfs, SYS_statx, SYS_sysinfo, SYS_tgkill,
    SYS_times, SYS_umask, SYS_uname, SYS_unlinkat, SYS_utimensat, SYS_wait4, SYS_waitid, SYS_write,
    SYS_writev,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter,
};

/// Allowed with any arguments.
const ALLOWED: &[libc::c_long] = &[
    SYS_accept4,
    SYS_brk,
    SYS_clock_getres,
    SYS_clock_gettime,
    SYS_clock_nanosleep,
    // Refused by the other filter, with the error that makes the C library try `clone`.
    SYS_clone3,
    SYS_close,
    SYS_close_range,
    SYS_dup,
    SYS_dup3,
    SYS_epoll_create1,
    SYS_epoll_ctl,
    SYS_epoll_pwait,
    SYS_eventfd2,
    SYS_execve,
    SYS_exit,
    SYS_exit_group,
    SYS_faccessat,
    SYS_faccessat2,
    SYS_fallocate,
    SYS_fchdir,
    SYS_fchmod,
    SYS_fchmodat,
    SYS_fdatasync,
    SYS_flock,
    SYS_fstat,
    SYS_fstatfs,
    SYS_fsync,
    SYS_ftruncate,
    SYS_futex,
    SYS_get_robust_list,
    SYS_getcwd,
    SYS_getdents64,
    SYS_getegid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getgroups,
    SYS_getitimer,
    SYS_getpgid,
    SYS_getpid,
    SYS_getppid,
    SYS_getpriority,
    SYS_getrandom,
    SYS_getresgid,
    SYS_getresuid,
    SYS_getrlimit,
    SYS_getrusage,
    SYS_getsid,
    SYS_getsockname,
    SYS_getsockopt,
    SYS_gettid,
    SYS_gettimeofday,
    SYS_getuid,
    SYS_lseek,
    SYS_madvise,
    SYS_membarrier,
    SYS_mincore,
    SYS_mkdirat,
    SYS_mmap,
    SYS_mprotect,
    SYS_mremap,
    SYS_msync,
    SYS_munmap,
    SYS_nanosleep,
    SYS_newfstatat,
    SYS_openat,
    SYS_pipe2,
    SYS_ppoll,
    SYS_pread64,
    SYS_preadv,
    SYS_pselect6,
    SYS_pwrite64,
    SYS_read,
    SYS_readlinkat,
    SYS_readv,
    SYS_recvfrom,
    SYS_renameat2,
    SYS_restart_syscall,
    SYS_rseq,
    SYS_rt_sigaction,
    SYS_rt_sigpending,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_rt_sigsuspend,
    SYS_rt_sigtimedwait,
    SYS_sched_getaffinity,
    SYS_sched_getparam,
    SYS_sched_getscheduler,
    SYS_sched_yield,
    SYS_set_robust_list,
    SYS_set_tid_address,
    SYS_setitimer,
    SYS_shutdown,
    SYS_sigaltstack,
    SYS_statfs,
    SYS_statx,
    SYS_sysinfo,
    SYS_times,
    SYS_umask,
    SYS_uname,
    SYS_unlinkat,
    SYS_utimensat,
    SYS_wait4,
    SYS_waitid,
    SYS_write,
    SYS_writev,
];

/// What older names these have on x86-64.
#[cfg(target_arch = "x86_64")]
const OLDER: &[libc::c_long] = &[
    libc::SYS_access,
    libc::SYS_alarm,
    libc::SYS_arch_prctl,
    libc::SYS_chmod,
    libc::SYS_dup2,
    libc::SYS_epoll_create,
    libc::SYS_epoll_wait,
    libc::SYS_getdents,
    libc::SYS_getpgrp,
    libc::SYS_lstat,
    libc::SYS_mkdir,
    libc::SYS_open,
    libc::SYS_pause,
    libc::SYS_pipe,
    libc::SYS_poll,
    libc::SYS_readlink,
    libc::SYS_rename,
    libc::SYS_rmdir,
    libc::SYS_select,
    libc::SYS_stat,
    libc::SYS_time,
    libc::SYS_unlink,
];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[libc::c_long] = &[];

/// Questions to a descriptor that are harmless; writing into a terminal's input is not among them.
#[allow(clippy::unnecessary_cast, reason = "musl has another type")]
const IOCTLS: [u64; 5] = [
    libc::TCGETS as u64,
    libc::TIOCGWINSZ as u64,
    libc::FIOCLEX as u64,
    libc::FIONBIO as u64,
    libc::FIONREAD as u64,
];

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Applies the list to this process and whatever it executes.
pub(super) fn apply() -> Result<String, String> {
    let told = |e: &dyn std::fmt::Display| format!("the filter is refused: {e}");
    let not_there = filter(
        [(SYS_clone3, Vec::new())].into(),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::ENOSYS as u32),
    )?;
    let allowed = filter(
        rules().map_err(|e| told(&e))?,
        SeccompAction::Errno(libc::EPERM as u32),
        SeccompAction::Allow,
    )?;
    apply_filter(&not_there).map_err(|e| told(&e))?;
    apply_filter(&allowed).map_err(|e| told(&e))?;
    Ok(format!(
        "{} system calls allowed",
        ALLOWED.len() + OLDER.len()
    ))
}

fn filter(rules: Rules, others: SeccompAction, these: SeccompAction) -> Result<BpfProgram, String> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH)
        .map_err(|_| "there is no filter for this processor".to_owned())?;
    SeccompFilter::new(rules, others, these, architecture)
        .and_then(TryInto::try_into)
        .map_err(|e| format!("the filter cannot be built: {e}"))
}

fn rules() -> Result<Rules, seccompiler::BackendError> {
    use SeccompCmpArgLen::{Dword, Qword};
    let argument = |at, length, op, value| {
        SeccompCondition::new(at, length, op, value).map(|condition| vec![condition])
    };
    let equal = |at, value| argument(at, Dword, SeccompCmpOp::Eq, value);
    let own = u64::from(std::process::id());
    let mut rules: Rules = ALLOWED
        .iter()
        .chain(OLDER)
        .map(|call| (*call, Vec::new()))
        .collect();
    let thread = libc::CLONE_THREAD as u64;
    let conditions = [
        // Threads, not processes.
        (
            SYS_clone,
            argument(0, Qword, SeccompCmpOp::MaskedEq(thread), thread)?,
        ),
        (SYS_kill, equal(0, own)?),
        (SYS_tgkill, equal(0, own)?),
        (SYS_prctl, equal(0, libc::PR_SET_NAME as u64)?),
        (SYS_prlimit64, argument(2, Qword, SeccompCmpOp::Eq, 0)?),
        // Without an address: a pair of sockets that asyncio wakes itself with.
        (SYS_sendto, argument(4, Qword, SeccompCmpOp::Eq, 0)?),
        (SYS_socketpair, equal(0, libc::AF_UNIX as u64)?),
    ];
    for (call, condition) in conditions {
        rules
            .entry(call)
            .or_default()
            .push(SeccompRule::new(condition)?);
    }
    for request in IOCTLS {
        let rule = SeccompRule::new(equal(1, request)?)?;
        rules.entry(SYS_ioctl).or_default().push(rule);
    }
    // Not F_SETOWN and F_SETSIG, which send signals to others.
    let fcntl = [
        libc::F_DUPFD,
        libc::F_DUPFD_CLOEXEC,
        libc::F_GETFD,
        libc::F_SETFD,
        libc::F_GETFL,
        libc::F_SETFL,
        libc::F_GETLK,
        libc::F_SETLK,
        libc::F_GETPIPE_SZ,
    ];
    for command in fcntl {
        let rule = SeccompRule::new(equal(1, command as u64)?)?;
        rules.entry(SYS_fcntl).or_default().push(rule);
    }
    Ok(rules)
}
