//! The shared memory itself: a sealed memfd, mapped whole, and typed views of its parts.
//!
//! All casts from bytes to atomics are here. Every view is computed from the [`Layout`] that this process made or checked itself;
//! nothing that stands in the memory is ever used as an offset.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::mm::{MapFlags, ProtFlags};
use rustix::time::{ClockId, clock_gettime};

use crate::bell::Bell;
use crate::layout::{Config, HALF_PAGE, Header, Layout, MAGIC};
use crate::queue::Queue;
use crate::slot::Slot;
use crate::staff::{Staff, ThreadEntry, Worker};
use crate::sync::AtomicU64;

/// CLOCK_MONOTONIC in nanoseconds: the same in every process of the machine.
pub fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// A mapping of the exchange.
#[derive(Debug)]
pub(crate) struct Memory {
    base: NonNull<u8>,
    fd: OwnedFd,
    pub(crate) config: Config,
    pub(crate) layout: Layout,
}

// SAFETY: the mapping is shared memory made for concurrent use; everything in it is reached as atomics or by raw copies.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    /// Makes new memory, all zero, sealed against a change of its size.
    pub(crate) fn create(config: Config) -> io::Result<Self> {
        config.check().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let layout = Layout::of(&config);
        let fd = rustix::fs::memfd_create("hostler-exchange", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        rustix::fs::ftruncate(&fd, layout.total as u64)?;
        rustix::fs::fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        let memory = Self { base: map(&fd, layout.total)?, fd, config, layout };
        // SAFETY: the header is the first page of a fresh mapping that nobody else has.
        unsafe { memory.base.cast::<Header>().write(Header { magic: MAGIC, config }) };
        Ok(memory)
    }

    /// Maps memory that the router made.
    pub(crate) fn attach(fd: OwnedFd) -> io::Result<Self> {
        let invalid =
            |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("not an exchange of this version: {what}"));
        let size = rustix::fs::fstat(&fd)?.st_size as usize;
        if size < size_of::<Header>() {
            return Err(invalid("too small"));
        }
        let base = map(&fd, size)?;
        // SAFETY: the mapping is at least a header long, and any bytes are a valid `Header`.
        let header = unsafe { base.cast::<Header>().read() };
        if header.magic != MAGIC {
            return Err(invalid("another layout"));
        }
        header.config.check().map_err(|error| invalid(&error.to_string()))?;
        let layout = Layout::of(&header.config);
        if layout.total != size {
            return Err(invalid("size and configuration differ"));
        }
        Ok(Self { base, fd, config: header.config, layout })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// `count` values of `T`, from `offset`.
    ///
    /// `T` must consist of atomics only, so that any bytes are valid and sharing is sound.
    fn view<T>(&self, offset: usize, count: usize) -> &[T] {
        debug_assert!(offset + count * size_of::<T>() <= self.layout.total && offset.is_multiple_of(align_of::<T>()));
        // SAFETY: the layout places the range inside the mapping.
        let start = unsafe { self.base.add(offset) };
        // SAFETY: in bounds and aligned by the layout, and of atomics, which any bytes are valid for.
        unsafe { std::slice::from_raw_parts(start.cast::<T>().as_ptr(), count) }
    }

    pub(crate) fn queue(&self) -> Queue<'_> {
        let counters: &[AtomicU64] = self.view(self.layout.queue, 32);
        Queue { head: &counters[0], tail: &counters[16], ring: self.view(self.layout.ring, self.layout.ring_length) }
    }

    /// When everything must have stopped, in nanoseconds; 0 for never.
    pub(crate) fn stop_by(&self) -> &AtomicU64 {
        let counters: &[AtomicU64] = self.view(self.layout.queue, 32);
        &counters[31]
    }

    /// The bell of a router thread.
    pub(crate) fn bell(&self, thread: u32) -> Option<Bell<'_>> {
        (thread < self.config.router_threads).then(|| self.bell_at(thread))
    }

    /// The bell of a worker's event loop.
    pub(crate) fn worker_bell(&self, worker: u16) -> Option<Bell<'_>> {
        let worker = u32::from(worker);
        (worker < self.config.workers).then(|| self.bell_at(self.config.router_threads + worker))
    }

    fn bell_at(&self, place: u32) -> Bell<'_> {
        let at = self.layout.bells + place as usize * self.layout.bell_size;
        let summary = at + 128;
        Bell {
            sleeping: &self.view(at, 1)[0],
            summary: self.view(summary, self.layout.summary_words),
            news: self.view(summary + self.layout.summary_words * 8, self.layout.news_words),
        }
    }

    pub(crate) fn staff(&self) -> Staff<'_> {
        Staff { workers: self.view::<Worker>(self.layout.workers, self.config.workers as usize) }
    }

    /// The threads of one worker; none for a worker out of range.
    pub(crate) fn threads(&self, worker: u16) -> &[ThreadEntry] {
        if u32::from(worker) >= self.config.workers {
            return &[];
        }
        let each = self.config.threads as usize;
        self.view(self.layout.threads + usize::from(worker) * each * size_of::<ThreadEntry>(), each)
    }

    pub(crate) fn slots(&self) -> &[Slot] {
        self.view(self.layout.slots, self.config.slots as usize)
    }

    /// Where the area of a slot begins. `slot` must be in range.
    fn area(&self, slot: u32) -> NonNull<u8> {
        assert!(slot < self.config.slots, "a slot number was not checked");
        // SAFETY: in range by the assertion, and the layout has an area for each slot.
        unsafe { self.base.add(self.layout.areas + slot as usize * self.layout.area_size) }
    }

    /// The area for the head of a request. A head stands at its end, see [`Bytes::write_end`].
    pub(crate) fn head(&self, slot: u32) -> Bytes {
        self.part(slot, HALF_PAGE, self.config.head_size)
    }

    pub(crate) fn response_ring(&self, slot: u32) -> Bytes {
        self.part(slot, HALF_PAGE + self.config.head_size as usize, self.config.response_ring)
    }

    pub(crate) fn request_ring(&self, slot: u32) -> Bytes {
        let before = HALF_PAGE + self.config.head_size as usize + self.config.response_ring as usize;
        self.part(slot, before, self.config.request_ring)
    }

    /// A part of a slot's area, as the layout places it.
    fn part(&self, slot: u32, offset: usize, size: u32) -> Bytes {
        debug_assert!(offset + size as usize <= self.layout.area_size);
        // SAFETY: the layout makes an area as large as all its parts together.
        let start = unsafe { self.area(slot).add(offset) };
        Bytes { start, size: size as usize }
    }

    /// Gives the pages of a slot's area back to the system; they read as zero after.
    pub(crate) fn discard(&self, slot: u32) -> io::Result<()> {
        let offset = self.layout.areas + slot as usize * self.layout.area_size;
        rustix::fs::fallocate(
            &self.fd,
            rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE,
            offset as u64,
            self.layout.area_size as u64,
        )?;
        Ok(())
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `map` with this size, and every view borrows from `self`.
        let _unmapped = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.layout.total) };
    }
}

fn map(fd: &OwnedFd, size: usize) -> io::Result<NonNull<u8>> {
    // SAFETY: a new mapping at an address of the kernel's choice.
    let address = unsafe {
        rustix::mm::mmap(std::ptr::null_mut(), size, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, fd, 0)
    }?;
    NonNull::new(address.cast()).ok_or_else(|| io::Error::other("mmap returned null"))
}

/// A range of shared bytes, reached by copies: another process may write to it at any time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bytes {
    start: NonNull<u8>,
    pub(crate) size: usize,
}

impl Bytes {
    /// Copies `from` to `offset`; the range must be inside.
    pub(crate) fn write_at(&self, offset: usize, from: &[u8]) {
        assert!(offset.checked_add(from.len()).is_some_and(|end| end <= self.size), "write outside a slot's area");
        // SAFETY: inside by the assertion; `from` is private memory, so they do not overlap.
        unsafe { self.start.as_ptr().add(offset).copy_from_nonoverlapping(from.as_ptr(), from.len()) }
    }

    /// Copies `from` to the end of the area, into which it must fit.
    pub(crate) fn write_end(&self, from: &[u8]) {
        self.write_at(self.size - from.len().min(self.size), from);
    }

    /// The last `length` bytes, or as many as there are; as [`Bytes::slice`].
    ///
    /// # Safety
    /// As [`Bytes::slice`].
    pub(crate) unsafe fn end<'m>(&self, length: usize) -> &'m [u8] {
        let length = length.min(self.size);
        // SAFETY: the caller's promise.
        unsafe { self.slice(self.size - length, length) }
    }

    /// The bytes from `offset`. They may change while they are looked at: hand them to the kernel, or copy them.
    ///
    /// # Safety
    /// The caller makes sure that the view does not outlive the mapping, and that a change under the reader does no harm.
    pub(crate) unsafe fn slice<'m>(&self, offset: usize, length: usize) -> &'m [u8] {
        assert!(offset.checked_add(length).is_some_and(|end| end <= self.size), "read outside a slot's area");
        // SAFETY: inside by the assertion; the rest is the caller's promise.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().add(offset), length) }
    }

    /// The same, to write to.
    ///
    /// # Safety
    /// As [`Bytes::slice`], and nobody else writes to the range meanwhile.
    pub(crate) unsafe fn slice_mut<'m>(&self, offset: usize, length: usize) -> &'m mut [u8] {
        assert!(offset.checked_add(length).is_some_and(|end| end <= self.size), "write outside a slot's area");
        // SAFETY: inside by the assertion; the rest is the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr().add(offset), length) }
    }

    /// The part of a ring from `cursor`, up to `length` bytes and up to the ring's end: offset and length.
    pub(crate) fn run(&self, cursor: u64, length: usize) -> (usize, usize) {
        let offset = (cursor & (self.size as u64 - 1)) as usize;
        (offset, length.min(self.size - offset))
    }

    /// Writes as a ring, from `cursor`, wrapping once. The caller has checked that there is room.
    pub(crate) fn ring_write(&self, cursor: u64, from: &[u8]) {
        let (offset, first) = self.run(cursor, from.len());
        self.write_at(offset, &from[..first]);
        self.write_at(0, &from[first..]);
    }

    /// Reads as a ring, from `cursor`, wrapping once. The caller has checked that so much is there.
    pub(crate) fn ring_read(&self, cursor: u64, to: &mut [u8]) {
        let (offset, first) = self.run(cursor, to.len());
        let (head, tail) = to.split_at_mut(first);
        // SAFETY: copied at once; whatever is read there is only bytes.
        head.copy_from_slice(unsafe { self.slice(offset, first) });
        // SAFETY: as above.
        tail.copy_from_slice(unsafe { self.slice(0, tail.len()) });
    }
}
