//! Buffers that copies run fast into.
//!
//! On many processors, AMD's above all, copying is several times slower where the target lies just behind the source in
//! its page, and that is where `malloc` puts every large allocation: 16 bytes behind the start of a page, while the
//! kernel's pages are copied from their start. The measuring side must not pay for that now and then.

use std::ops::{Deref, DerefMut};

/// Bytes of a page.
const PAGE_BYTES: usize = 4096;

/// Where in its page a buffer begins: far from either end.
const OFFSET_BYTES: usize = 1024;

/// A buffer of bytes.
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    length: usize,
}

impl Buffer {
    /// A buffer of this length.
    pub(crate) fn new(length: usize) -> Buffer {
        let bytes = vec![0; length + 2 * PAGE_BYTES];
        let start = bytes.as_ptr().align_offset(PAGE_BYTES) % PAGE_BYTES + OFFSET_BYTES;
        Buffer { bytes, start, length }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.start..self.start + self.length]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + self.length]
    }
}
