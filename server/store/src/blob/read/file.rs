//! Reading files by position.
//!
//! Warm pages are read in the calling thread with `RWF_NOWAIT`, cold ones on the blocking pool, so that a disk that has
//! to seek never stalls a web worker. No memory mapping: a truncated file would be a SIGBUS.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use futures::Stream;
use rustix::fs::{Advice, fadvise};
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use super::super::buffer::Pool;

/// Bytes handed out at a time: large enough to be cheap, and small enough for the web server's write buffer, which
/// actix-http keeps up to 128 KiB and grows by doubling.
const CHUNK_BYTES: usize = 60 * 1024;

/// Bytes that the kernel is asked to read ahead where a reader finds the next ones missing.
const AHEAD_BYTES: u64 = 4 * 1024 * 1024;

/// Chunks that wait to be filled again: 8 MB.
const IDLE_CHUNKS_MAX: usize = 128;

/// The buffers of one store's readers.
pub(in crate::blob) fn chunks() -> Pool {
    Pool::new(CHUNK_BYTES, IDLE_CHUNKS_MAX)
}

/// An open file.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    file: Arc<File>,
    chunks: Pool,
}

impl Reader {
    pub(super) fn new(file: File, chunks: Pool) -> Self {
        Reader { file: Arc::new(file), chunks }
    }

    /// The bytes from `start` up to, not including, `end`.
    pub(super) fn stream(self, start: u64, end: u64) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        futures::stream::try_unfold((self, start), move |(reader, at)| async move {
            if at >= end {
                return Ok(None);
            }
            let longest = reader.chunks.length();
            let length = longest.min(usize::try_from(end - at).unwrap_or(longest));
            let chunk = reader.read_at(at, length, end).await?;
            let next = at + chunk.len() as u64;
            Ok(Some((chunk, (reader, next))))
        })
    }

    /// At least one and at most `length` bytes at `offset`; the reader goes on to `end`.
    async fn read_at(&self, offset: u64, length: usize, end: u64) -> io::Result<Bytes> {
        let mut buffer = self.chunks.take();
        let wanted = &mut buffer.bytes_mut()[..length];
        let warm = preadv2(&*self.file, &mut [IoSliceMut::new(wanted)], offset, ReadWriteFlags::NOWAIT);
        let read = match warm {
            Ok(read) => read,
            // EAGAIN: not in memory. EOPNOTSUPP: a filesystem without the flag.
            Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::INTR) => {
                let file = Arc::clone(&self.file);
                let cold = tokio::task::spawn_blocking(move || {
                    let ahead = NonZeroU64::new(AHEAD_BYTES.min(end - offset));
                    // A filesystem that takes no advice is only slower.
                    let _ = fadvise(&*file, offset, ahead, Advice::WillNeed);
                    let read = file.read_at(&mut buffer.bytes_mut()[..length], offset)?;
                    Ok::<_, io::Error>((buffer, read))
                });
                let read;
                (buffer, read) = cold.await.map_err(io::Error::other)??;
                read
            }
            Err(error) => return Err(error.into()),
        };
        if read == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the blob is shorter than its recorded size"));
        }
        Ok(buffer.freeze(read))
    }
}
