//! The network, and sockets of others.

use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use autodidact_sandbox::Layer;

use crate::attempt::{CALLS, canary, refused, tried};
use crate::common::can_run;

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
