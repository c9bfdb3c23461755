//! Owned descriptors from bare numbers, without `unsafe`.
//!
//! A number is sent through a socket pair of our own (SCM_RIGHTS, unix(7)) and arrives as an owned, close-on-exec
//! duplicate. pidfd_getfd(2) would do as well, but it is in systemd's group `@debug`, which `SystemCallFilter=@system-service`
//! forbids; opening `/proc/self/fd/N` does not work for sockets.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{ControlMessage, MsgFlags, UnixAddr, sendmsg};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketFlags, SocketType, recvmsg, socketpair,
};

use super::ReceiveError;

/// Moves descriptors `first`, `first + 1`, … to other numbers.
pub(crate) fn adopt(first: u32, count: usize) -> Result<Vec<OwnedFd>, ReceiveError> {
    let pair = socketpair(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
        .map_err(|error| system(first, "no socket pair can be made to move it", error.into()))?;
    let numbers: Vec<u32> = (first..).take(count).collect();
    // New descriptors get the lowest free numbers. If the pair got one of those that were passed, that one was not open.
    let lowest = pair.0.as_raw_fd().min(pair.1.as_raw_fd()).unsigned_abs();
    if numbers.contains(&lowest) {
        return Err(ReceiveError::NotOpen { number: lowest, count });
    }
    let moved = numbers.iter().map(|number| duplicate(&pair, *number, count)).collect::<Result<Vec<_>, _>>()?;
    for number in &numbers {
        // The duplicates are there; a number that cannot be closed costs a descriptor and nothing else.
        let _ = nix::unistd::close(number.cast_signed());
    }
    Ok(moved)
}

fn duplicate(pair: &(OwnedFd, OwnedFd), number: u32, count: usize) -> Result<OwnedFd, ReceiveError> {
    let numbers = [number.cast_signed()];
    let rights = [ControlMessage::ScmRights(&numbers)];
    sendmsg::<UnixAddr>(pair.0.as_raw_fd(), &[IoSlice::new(b"x")], &rights, MsgFlags::MSG_NOSIGNAL, None).map_err(
        |error| match error {
            nix::errno::Errno::EBADF => ReceiveError::NotOpen { number, count },
            error => system(number, "it cannot be moved (sendmsg)", error.into()),
        },
    )?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(&pair.1, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)
        .map_err(|error| system(number, "it cannot be moved (recvmsg)", error.into()))?;
    let received = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    // The kernel drops a descriptor silently when the process may have no more.
    received.ok_or_else(|| {
        system(number, "it cannot be moved", std::io::Error::other("the limit of open files is reached (LimitNOFILE=)"))
    })
}

fn system(number: u32, action: &'static str, source: std::io::Error) -> ReceiveError {
    ReceiveError::System { number, action, source }
}
