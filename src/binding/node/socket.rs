//! What the kernel knows of a listening socket, and JavaScript does not.

use napi_derive::napi;

/// Connections that wait to be accepted on the listening socket `fd`; −1 where that can't be known.
#[napi]
#[cfg_attr(test, allow(dead_code, reason = "tests have no module to register it in"))]
pub fn accept_queue_length(fd: i32) -> i32 {
    length_of(fd).map_or(-1, |length| i32::try_from(length).unwrap_or(i32::MAX))
}

/// How the kernel's `struct tcp_info` begins; it fills in as much as it is asked for.
#[cfg(target_os = "linux")]
#[repr(C)]
#[derive(Default)]
struct TcpInfo {
    state: u8,
    flags: [u8; 7],
    timeouts_and_sizes: [u32; 4],
    /// What is not acknowledged; on a listening socket, how many wait to be accepted.
    unacked: u32,
}

/// TCP_LISTEN, in the kernel's enumeration of states.
#[cfg(target_os = "linux")]
const LISTEN: u8 = 10;

#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "a system call that the standard library does not offer")]
fn length_of(fd: i32) -> Option<u32> {
    let mut info = TcpInfo::default();
    let mut size = size_of::<TcpInfo>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `size` bytes into `info`, which is that large and valid for any bytes. It keeps
    // neither pointer, and refuses a descriptor that is no TCP socket.
    let status =
        unsafe { libc::getsockopt(fd, libc::IPPROTO_TCP, libc::TCP_INFO, (&raw mut info).cast(), &raw mut size) };
    (status == 0 && size as usize == size_of::<TcpInfo>() && info.state == LISTEN).then_some(info.unacked)
}

#[cfg(not(target_os = "linux"))]
fn length_of(_fd: i32) -> Option<u32> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::{
        net::{TcpListener, TcpStream},
        os::fd::AsRawFd,
    };

    use super::length_of;

    #[test]
    fn counts_who_waits() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(length_of(listener.as_raw_fd()), Some(0));
        let clients = [TcpStream::connect(address).unwrap(), TcpStream::connect(address).unwrap()];
        assert_eq!(length_of(listener.as_raw_fd()), Some(2));
        let _accepted = listener.accept().unwrap();
        assert_eq!(length_of(listener.as_raw_fd()), Some(1));
        assert_eq!(length_of(clients[0].as_raw_fd()), None, "a connected socket has no such queue");
        assert_eq!(length_of(-1), None);
    }
}
