//! Buffers that files are read into.
//!
//! They begin on a page, as what they are filled from does: some processors copy many times slower to an address a few
//! bytes further into its page than the source is into its own, which is where large allocations begin. Those of a pool
//! are used again, so that a chunk that was sent costs neither fresh pages nor zeroing.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// What the start of a buffer is a multiple of.
const PAGE_BYTES: usize = 4096;

/// Bytes on a page's boundary.
pub(super) struct Buffer {
    /// The bytes, somewhere within: moving this does not move them.
    room: Vec<u8>,
    start: usize,
    length: usize,
}

impl Buffer {
    /// A buffer of `length` zeros.
    pub(super) fn new(length: usize) -> Buffer {
        if length == 0 {
            return Buffer { room: Vec::new(), start: 0, length };
        }
        let room = vec![0; length + PAGE_BYTES];
        // Not finding it is allowed, and only slower.
        let start = Some(room.as_ptr().align_offset(PAGE_BYTES)).filter(|start| *start < PAGE_BYTES).unwrap_or(0);
        Buffer { room, start, length }
    }

    /// Bytes that it could hold.
    fn capacity(&self) -> usize {
        self.room.len().saturating_sub(PAGE_BYTES)
    }

    /// Makes it `length` bytes long; what it holds then is anything.
    pub(super) fn resize(&mut self, length: usize) {
        if length > self.capacity() {
            *self = Buffer::new(length);
        }
        self.length = length;
    }

    /// The bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.room[self.start..self.start + self.length]
    }

    /// The bytes, to be filled.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.room[self.start..self.start + self.length]
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.bytes()
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer").field("length", &self.length).finish_non_exhaustive()
    }
}

/// Buffers of one length that wait to be used again.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    idle: Arc<Mutex<Vec<Buffer>>>,
    length: usize,
    idle_max: usize,
}

impl Pool {
    /// A pool of buffers of `length` bytes that keeps at most `idle_max` of them.
    pub(super) fn new(length: usize, idle_max: usize) -> Pool {
        Pool { idle: Arc::default(), length, idle_max }
    }

    /// Bytes of each buffer.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// A buffer that holds anything.
    pub(super) fn take(&self) -> Pooled {
        let buffer = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Pooled { buffer: buffer.unwrap_or_else(|| Buffer::new(self.length)), pool: self.clone() }
    }
}

/// A buffer that returns to its pool.
#[derive(Debug)]
pub(super) struct Pooled {
    buffer: Buffer,
    pool: Pool,
}

impl Pooled {
    /// All of it, to be filled.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        self.buffer.bytes_mut()
    }

    /// Its first `length` bytes; it returns to its pool when they are no longer used.
    pub(super) fn freeze(self, length: usize) -> Bytes {
        Bytes::from_owner(self).slice(..length)
    }
}

impl AsRef<[u8]> for Pooled {
    fn as_ref(&self) -> &[u8] {
        self.buffer.bytes()
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        let mut idle = self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.pool.idle_max {
            idle.push(std::mem::replace(&mut self.buffer, Buffer::new(0)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Buffer, PAGE_BYTES, Pool};

    #[test]
    fn a_buffer_begins_on_a_page_whatever_its_length_was_before() {
        let mut buffer = Buffer::new(10);
        for length in [0, 1, 4096, 100_000, 7] {
            buffer.resize(length);
            assert_eq!(buffer.bytes().len(), length);
            if length > 0 {
                assert_eq!(buffer.bytes().as_ptr() as usize % PAGE_BYTES, 0, "{length} bytes");
            }
        }
    }

    #[test]
    fn a_pool_uses_buffers_again_once_nobody_looks_at_them() {
        let pool = Pool::new(100, 1);
        let mut first = pool.take();
        first.bytes_mut().fill(1);
        let place = first.bytes_mut().as_ptr();
        let sent = first.freeze(60);
        let part = sent.slice(10..20);
        drop(sent);

        let second = pool.take().freeze(100);
        assert_ne!(second.as_ptr(), place, "a part of the first is still in use");
        assert_eq!(part, [1; 10].as_slice());
        drop(part);

        let third = pool.take().freeze(100);
        assert_eq!(third.as_ptr(), place);
        drop((second, third));
        assert_eq!(pool.idle.lock().unwrap().len(), 1, "no more are kept than the pool is told to");
    }
}
