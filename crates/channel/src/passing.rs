//! Messages with descriptors beside them (`SCM_RIGHTS`, `unix(7)`).

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};

use crate::{Channel, MAX_PACKET, pack};

/// The most descriptors beside one message: the kernel's own limit (`SCM_MAX_FD`).
pub const MAX_DESCRIPTORS: usize = 253;

impl Channel {
    /// Sends one message with descriptors beside it, at most [`MAX_DESCRIPTORS`]; the peer receives both or nothing.
    ///
    /// # Errors
    /// As [`Channel::send`]; [`io::ErrorKind::InvalidInput`] for too many descriptors.
    pub fn send_with<M: Serialize>(&self, message: &M, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let packet = pack(message)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "more descriptors than one message may carry"));
        }
        sendmsg(&self.socket, &[IoSlice::new(&packet)], &mut ancillary, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// Receives one message and the descriptors beside it, close-on-exec; `None` at the end of the stream.
    ///
    /// # Errors
    /// As [`Channel::receive`]. [`io::ErrorKind::Other`] when descriptors were lost because this process may open no more.
    pub fn receive_with<M: for<'de> Deserialize<'de>>(&self) -> io::Result<Option<(M, Vec<OwnedFd>)>> {
        let mut packet = vec![0; MAX_PACKET];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut into = [IoSliceMut::new(&mut packet)];
        let received = recvmsg(&self.socket, &mut into, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
        let mut descriptors = Vec::new();
        for beside in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(passed) = beside {
                descriptors.extend(passed);
            }
        }
        if received.bytes == 0 {
            return Ok(None);
        }
        if received.flags.contains(ReturnFlags::CTRUNC) {
            return Err(io::Error::other("descriptors were lost: the process may open no more (ulimit -n)"));
        }
        Ok(Some((serde_json::from_slice(&packet[..received.bytes])?, descriptors)))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::fd::AsFd;

    use super::*;
    use crate::{FromWorker, ToWorker};

    #[test]
    fn descriptors_arrive_with_their_message_and_no_other() {
        let (ours, theirs) = Channel::pair().unwrap();
        let theirs = Channel::from_fd(theirs);
        let (mut reading, writing) = io::pipe().unwrap();
        let fork = ToWorker::Fork { worker: 3, age: 7 };
        ours.send(&ToWorker::Stop).unwrap();
        ours.send_with(&fork, &[writing.as_fd(), writing.as_fd()]).unwrap();
        drop(writing);

        let (message, none) = theirs.receive_with::<ToWorker>().unwrap().unwrap();
        assert_eq!((message, none.len()), (ToWorker::Stop, 0));
        let (message, mut passed) = theirs.receive_with::<ToWorker>().unwrap().unwrap();
        assert_eq!((message, passed.len()), (fork, 2));
        assert!(rustix::io::fcntl_getfd(&passed[0]).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
        let mut end = io::PipeWriter::from(passed.remove(0));
        end.write_all(b"x").unwrap();
        drop((end, passed));
        let mut text = String::new();
        reading.read_to_string(&mut text).unwrap();
        assert_eq!(text, "x");
        drop(ours);
        assert!(theirs.receive_with::<ToWorker>().unwrap().is_none());
    }

    #[test]
    fn a_message_without_descriptors_may_be_received_either_way_and_too_many_are_refused() {
        let (ours, theirs) = Channel::pair().unwrap();
        let theirs = Channel::from_fd(theirs);
        let forked = FromWorker::Forked { worker: 1, pid: 2 };
        theirs.send_with(&forked, &[theirs.as_fd()]).unwrap();
        assert_eq!(ours.receive::<FromWorker>().unwrap(), Some(forked.clone()));
        theirs.send(&forked).unwrap();
        assert_eq!(ours.receive_with::<FromWorker>().unwrap().unwrap().0, forked);
        assert_eq!(ours.receive_with::<FromWorker>().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        let many = vec![ours.as_fd(); MAX_DESCRIPTORS + 1];
        assert_eq!(ours.send_with(&ToWorker::Stop, &many).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
