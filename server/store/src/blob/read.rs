//! Reading blobs by position.

use std::fs::File;
use std::io;

use acervo_core::Sha256Digest;
use bytes::Bytes;
use futures::{Stream, StreamExt};

use super::buffer::Pool;
use super::error::BlobError;
use super::objects::{self, Objects};

mod file;

pub(super) use file::chunks;

/// A blob that can be read.
#[derive(Clone, Debug)]
pub struct BlobReader {
    from: From,
    size: u64,
}

/// Where the bytes come from.
#[derive(Clone, Debug)]
enum From {
    File(file::Reader),
    Object(Objects, Sha256Digest),
}

impl BlobReader {
    pub(super) fn file(file: File, size: u64, chunks: &Pool) -> Self {
        BlobReader { from: From::File(file::Reader::new(file, chunks.clone())), size }
    }

    pub(super) fn object(objects: &Objects, sha256: Sha256Digest, size: u64) -> Self {
        BlobReader { from: From::Object(objects.clone(), sha256), size }
    }

    /// Bytes of the whole blob.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The bytes from `start` up to, not including, `end`, in chunks.
    ///
    /// When this returns, the blob is there and has its size; whatever fails later ends the stream early.
    pub async fn stream(
        self,
        start: u64,
        end: u64,
    ) -> Result<impl Stream<Item = io::Result<Bytes>> + Send + 'static, BlobError> {
        let end = end.min(self.size);
        let start = start.min(end);
        Ok(match self.from {
            From::File(reader) => reader.stream(start, end).left_stream(),
            From::Object(objects, sha256) => {
                objects::read(objects, sha256, self.size, start, end).await?.right_stream()
            }
        })
    }
}
