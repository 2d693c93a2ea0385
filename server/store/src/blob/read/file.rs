//! Reading files by position.
//!
//! Warm pages are read in the calling thread with `RWF_NOWAIT`, cold ones on the blocking pool, so that a disk that has
//! to seek never stalls a web worker. No memory mapping: a truncated file would be a SIGBUS.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use futures::Stream;
use rustix::io::{Errno, ReadWriteFlags, preadv2};

/// Bytes handed out at a time: small enough for many readers, large enough to be cheap.
const CHUNK_BYTES: usize = 256 * 1024;

/// An open file.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    file: Arc<File>,
}

impl Reader {
    pub(super) fn new(file: File) -> Self {
        Reader { file: Arc::new(file) }
    }

    /// The bytes from `start` up to, not including, `end`.
    pub(super) fn stream(self, start: u64, end: u64) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        futures::stream::try_unfold((self, start), move |(reader, at)| async move {
            if at >= end {
                return Ok(None);
            }
            let length = CHUNK_BYTES.min(usize::try_from(end - at).unwrap_or(CHUNK_BYTES));
            let chunk = reader.read_at(at, length).await?;
            let next = at + chunk.len() as u64;
            Ok(Some((chunk, (reader, next))))
        })
    }

    /// At least one and at most `length` bytes at `offset`.
    async fn read_at(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        let mut buffer = vec![0; length];
        let warm = preadv2(&*self.file, &mut [IoSliceMut::new(&mut buffer)], offset, ReadWriteFlags::NOWAIT);
        let read = match warm {
            Ok(read) => read,
            // EAGAIN: not in memory. EOPNOTSUPP: a filesystem without the flag.
            Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::INTR) => {
                let file = Arc::clone(&self.file);
                let cold = tokio::task::spawn_blocking(move || {
                    let read = file.read_at(&mut buffer, offset)?;
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
        buffer.truncate(read);
        Ok(Bytes::from(buffer))
    }
}
