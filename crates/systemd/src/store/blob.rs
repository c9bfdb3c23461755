//! A few bytes in a memory file that a killed writer cannot spoil.
//!
//! ```text
//! 0         magic "HOSTLERB", u64 capacity           all numbers little-endian
//! 16        copy A: u64 sequence, u32 length, u32 CRC-32 of sequence, length and bytes, then the bytes
//! 32 + c    copy B: the same                         c: capacity
//! ```
//!
//! A write goes over the older copy, the bytes first and its head last; a reader takes the newest copy whose checksum is
//! right. So whenever the writer dies, the copy before is whole. The size is fixed by seals: pages that were never
//! written take no memory, so that a generous capacity costs nothing.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, ftruncate, memfd_create};
use rustix::io::{Errno, pread, pwrite, retry_on_intr};
use thiserror::Error;

const MAGIC: [u8; 8] = *b"HOSTLERB";
const FILE_HEAD: u64 = 16;
const COPY_HEAD: u64 = 16;

/// No blob is larger; a file that claims it is not ours.
const MOST: u64 = 64 * 1024 * 1024;

/// A file in memory that holds one value. One process writes it at a time.
#[derive(Debug)]
pub struct Blob {
    file: OwnedFd,
    capacity: u64,
    /// Of the newest copy; 0 when there is none.
    sequence: u64,
    /// Where the newest copy is: 0 or 1.
    newest: u64,
}

/// Why a blob cannot be had or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BlobError {
    /// What came from the store is something else.
    #[error("the stored file is not a blob of Hostler: {0}")]
    Foreign(&'static str),
    /// The value does not fit.
    #[error("a value of {length} bytes does not fit into a stored file for {capacity}")]
    TooLarge {
        /// Of the value, in bytes.
        length: usize,
        /// In bytes.
        capacity: u64,
    },
    /// The system refused something.
    #[error("{action} the stored file: {source}")]
    System {
        /// What was tried.
        action: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

impl Blob {
    /// A new, empty blob for values of up to `capacity` bytes, at most 64 MiB. `label` is for `/proc`.
    ///
    /// # Errors
    /// No file can be had, or `capacity` is too large.
    pub fn create(label: &str, capacity: u64) -> Result<Self, BlobError> {
        if capacity > MOST {
            return Err(BlobError::TooLarge {
                length: usize::try_from(capacity).unwrap_or(usize::MAX),
                capacity: MOST,
            });
        }
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        // A kernel before 6.3 does not know the flag that forbids execution.
        let file = match memfd_create(label, flags | MemfdFlags::NOEXEC_SEAL) {
            Err(Errno::INVAL) => memfd_create(label, flags),
            other => other,
        }
        .map_err(system("creating"))?;
        ftruncate(&file, size(capacity)).map_err(system("sizing"))?;
        let mut head = [0; FILE_HEAD as usize];
        head[..8].copy_from_slice(&MAGIC);
        head[8..].copy_from_slice(&capacity.to_le_bytes());
        write_at(&file, &head, 0)?;
        fcntl_add_seals(&file, SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL).map_err(system("sealing"))?;
        Ok(Self { file, capacity, sequence: 0, newest: 0 })
    }

    /// A blob that came back from the store, and its value; none when nothing whole was written yet.
    ///
    /// # Errors
    /// The file is not a blob, or cannot be read.
    pub fn open(file: OwnedFd) -> Result<(Self, Option<Vec<u8>>), BlobError> {
        let seals = fcntl_get_seals(&file).map_err(|_| BlobError::Foreign("it has no seals"))?;
        if !seals.contains(SealFlags::GROW | SealFlags::SHRINK) {
            return Err(BlobError::Foreign("its size is not sealed"));
        }
        let mut head = [0; FILE_HEAD as usize];
        if !read_at(&file, &mut head, 0)? || head[..8] != MAGIC {
            return Err(BlobError::Foreign("it begins otherwise"));
        }
        let capacity = number(&head[8..16]);
        let found = u64::try_from(fstat(&file).map_err(system("looking at"))?.st_size).unwrap_or(0);
        if capacity > MOST || found != size(capacity) {
            return Err(BlobError::Foreign("its size is not what it says"));
        }
        let mut blob = Self { file, capacity, sequence: 0, newest: 0 };
        let mut value = None;
        for copy in [0, 1] {
            if let Some((sequence, bytes)) = blob.read_copy(copy)?
                && sequence > blob.sequence
            {
                (blob.sequence, blob.newest, value) = (sequence, copy, Some(bytes));
            }
        }
        Ok((blob, value))
    }

    /// Writes a value in place of the former one.
    ///
    /// # Errors
    /// It does not fit, or the file cannot be written; the former value stays.
    pub fn write(&mut self, value: &[u8]) -> Result<(), BlobError> {
        let too_large = || BlobError::TooLarge { length: value.len(), capacity: self.capacity };
        if value.len() as u64 > self.capacity {
            return Err(too_large());
        }
        let length = u32::try_from(value.len()).map_err(|_| too_large())?;
        let (sequence, copy) = (self.sequence + 1, 1 - self.newest);
        let at = self.place(copy);
        write_at(&self.file, value, at + COPY_HEAD)?;
        write_at(&self.file, &copy_head(sequence, length, value), at)?;
        (self.sequence, self.newest) = (sequence, copy);
        Ok(())
    }

    /// How many bytes a value may have.
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    fn place(&self, copy: u64) -> u64 {
        FILE_HEAD + copy * (COPY_HEAD + self.capacity)
    }

    /// A copy with its sequence, if it is whole.
    fn read_copy(&self, copy: u64) -> Result<Option<(u64, Vec<u8>)>, BlobError> {
        let at = self.place(copy);
        let mut head = [0; COPY_HEAD as usize];
        read_at(&self.file, &mut head, at)?;
        let (sequence, length) = (number(&head[..8]), number(&head[8..12]));
        if sequence == 0 || length > self.capacity {
            return Ok(None);
        }
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        read_at(&self.file, &mut bytes, at + COPY_HEAD)?;
        let whole = u32::try_from(length).is_ok_and(|length| copy_head(sequence, length, &bytes) == head);
        Ok(whole.then_some((sequence, bytes)))
    }
}

/// For the store.
impl AsFd for Blob {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

fn size(capacity: u64) -> u64 {
    FILE_HEAD + 2 * (COPY_HEAD + capacity)
}

fn copy_head(sequence: u64, length: u32, bytes: &[u8]) -> [u8; COPY_HEAD as usize] {
    let mut head = [0; COPY_HEAD as usize];
    head[..8].copy_from_slice(&sequence.to_le_bytes());
    head[8..12].copy_from_slice(&length.to_le_bytes());
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(&head[..12]);
    checksum.update(bytes);
    head[12..].copy_from_slice(&checksum.finalize().to_le_bytes());
    head
}

/// Up to eight bytes as a little-endian number.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Returns false when the file ends before.
fn read_at(file: &OwnedFd, mut bytes: &mut [u8], mut at: u64) -> Result<bool, BlobError> {
    while !bytes.is_empty() {
        let read = retry_on_intr(|| pread(file, &mut *bytes, at)).map_err(system("reading"))?;
        if read == 0 {
            return Ok(false);
        }
        bytes = &mut bytes[read..];
        at += read as u64;
    }
    Ok(true)
}

fn write_at(file: &OwnedFd, mut bytes: &[u8], mut at: u64) -> Result<(), BlobError> {
    while !bytes.is_empty() {
        let written = retry_on_intr(|| pwrite(file, bytes, at)).map_err(system("writing"))?;
        bytes = &bytes[written..];
        at += written as u64;
    }
    Ok(())
}

fn system(action: &'static str) -> impl Fn(Errno) -> BlobError {
    move |error| BlobError::System { action, source: error.into() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn again(blob: &Blob) -> (Blob, Option<Vec<u8>>) {
        Blob::open(blob.file.try_clone().unwrap()).unwrap()
    }

    #[test]
    fn the_newest_value_comes_back() {
        let mut blob = Blob::create("test", 100).unwrap();
        assert_eq!(again(&blob).1, None);
        for value in ["one", "", "three"] {
            blob.write(value.as_bytes()).unwrap();
            assert_eq!(again(&blob).1.unwrap(), value.as_bytes());
        }
        let (mut taken, _) = again(&blob);
        taken.write(&[7; 100]).unwrap();
        assert_eq!(again(&blob).1.unwrap(), [7; 100]);
        assert!(matches!(taken.write(&[7; 101]), Err(BlobError::TooLarge { length: 101, capacity: 100 })));
    }

    proptest! {
        /// The writer dies after any number of bytes, or writes nonsense over the copy it was about to write.
        #[test]
        fn a_torn_write_leaves_the_former_value(old in proptest::collection::vec(any::<u8>(), 0..64),
                                                new in proptest::collection::vec(any::<u8>(), 0..64),
                                                body in 0..64usize, head in 0..16usize) {
            let mut blob = Blob::create("test", 64).unwrap();
            blob.write(b"oldest of all").unwrap();
            blob.write(&old).unwrap();
            let at = blob.place(1 - blob.newest);
            write_at(&blob.file, &new[..body.min(new.len())], at + COPY_HEAD).unwrap();
            if body >= new.len() {
                let whole = copy_head(blob.sequence + 1, new.len() as u32, &new);
                write_at(&blob.file, &whole[..head], at).unwrap();
                // The last bytes may be right by chance.
                let mut found = [0; COPY_HEAD as usize];
                read_at(&blob.file, &mut found, at).unwrap();
                prop_assume!(found != whole);
            }
            prop_assert_eq!(again(&blob).1.unwrap(), old);
        }

        #[test]
        fn any_file_is_opened_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), ours: bool) {
            let file = memfd_create("test", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
            if ours {
                ftruncate(&file, size(50)).unwrap();
                write_at(&file, &bytes[..bytes.len().min(148)], 0).unwrap();
                write_at(&file, &MAGIC, 0).unwrap();
                write_at(&file, &50u64.to_le_bytes(), 8).unwrap();
            } else {
                write_at(&file, &bytes, 0).unwrap();
            }
            fcntl_add_seals(&file, SealFlags::GROW | SealFlags::SHRINK).unwrap();
            prop_assert_eq!(Blob::open(file).is_ok(), ours);
        }
    }

    #[test]
    fn other_files_are_refused_with_the_reason() {
        let error = Blob::open(rustix::pipe::pipe().unwrap().0).unwrap_err().to_string();
        assert_eq!(error, "the stored file is not a blob of Hostler: it has no seals");
        let file = memfd_create("test", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        assert!(matches!(Blob::open(file), Err(BlobError::Foreign("its size is not sealed"))));
        assert!(matches!(Blob::create("test", MOST + 1), Err(BlobError::TooLarge { .. })));
    }
}
