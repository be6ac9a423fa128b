//! Facts of a connection that the kernel knows, and JavaScript does not.

use napi_derive::napi;

/// The time since the last bytes came in on the connected TCP socket `fd`, ms, as exact as the kernel's ticks are (1 to 10 ms); −1
/// where that can't be known.
#[napi]
#[cfg_attr(test, allow(dead_code, reason = "tests have no module to register it in"))]
pub fn socket_age_ms(fd: i32) -> i32 {
    age_of(fd).map_or(-1, |age_ms| i32::try_from(age_ms).unwrap_or(i32::MAX))
}

/// The beginning of the kernel's `struct tcp_info`; the kernel fills in as much as it is asked for.
#[cfg(target_os = "linux")]
#[repr(C)]
#[derive(Default)]
struct TcpInfo {
    state: u8,
    flags: [u8; 7],
    timeouts_and_sizes: [u32; 4],
    counts: [u32; 5],
    last_data_sent_ms: u32,
    last_ack_sent_ms: u32,
    /// Since the last data came in: also while the connection waited to be accepted, or in another process.
    last_data_received_ms: u32,
}

/// TCP_LISTEN, in the kernel's enumeration of states.
#[cfg(target_os = "linux")]
const LISTEN: u8 = 10;

#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "a system call that the standard library does not offer")]
fn age_of(fd: i32) -> Option<u32> {
    let mut info = TcpInfo::default();
    let mut size = size_of::<TcpInfo>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `size` bytes into `info`, which is that large and valid for any bytes. It keeps
    // neither pointer, and refuses a descriptor that is no TCP socket.
    let status =
        unsafe { libc::getsockopt(fd, libc::IPPROTO_TCP, libc::TCP_INFO, (&raw mut info).cast(), &raw mut size) };
    let known = status == 0 && size as usize == size_of::<TcpInfo>() && info.state != LISTEN;
    known.then_some(info.last_data_received_ms)
}

#[cfg(not(target_os = "linux"))]
fn age_of(_fd: i32) -> Option<u32> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::{
        io::Write,
        net::{TcpListener, TcpStream, UdpSocket},
        os::{fd::AsRawFd, unix::net::UnixStream},
        time::{Duration, Instant},
    };

    use super::age_of;

    #[test]
    fn bytes_grow_older_before_and_after_they_are_accepted() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.write_all(b"x").unwrap();
        let sent = Instant::now();
        while sent.elapsed() < Duration::from_millis(60) {
            std::hint::spin_loop();
        }
        let (accepted, _) = listener.accept().unwrap();
        let age_ms = f64::from(age_of(accepted.as_raw_fd()).unwrap());
        let since_ms = sent.elapsed().as_secs_f64() * 1e3;
        assert!(age_ms >= 50.0 && age_ms <= since_ms + 20.0, "{age_ms} ms, {since_ms} ms after they were sent");
        client.write_all(b"x").unwrap();
        let younger_ms = f64::from(age_of(accepted.as_raw_fd()).unwrap());
        assert!(younger_ms <= sent.elapsed().as_secs_f64() * 1e3 - since_ms + 20.0, "{younger_ms}");
    }

    #[test]
    fn a_descriptor_that_is_no_connection_has_no_age() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (pair, _) = UnixStream::pair().unwrap();
        for fd in [listener.as_raw_fd(), datagrams.as_raw_fd(), pair.as_raw_fd(), -1, i32::MAX] {
            assert_eq!(age_of(fd), None);
        }
    }
}
