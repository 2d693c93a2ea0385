//! Bodies that end before they are complete.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use s3s::stream::{ByteStream, DynByteStream, RemainingLength};
use s3s::{Body, StdError};

use super::Cut;

/// A body that breaks off after so many bytes.
pub(super) struct CutShort {
    whole: Body,
    left: u64,
}

impl CutShort {
    /// The first `bytes` of a body, then an error; the length it claims stays.
    pub(super) fn body(whole: Body, bytes: u64) -> Body {
        let short: DynByteStream = Box::pin(CutShort { whole, left: bytes });
        Body::from(short)
    }
}

impl Stream for CutShort {
    type Item = Result<Bytes, StdError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.left == 0 {
            return Poll::Ready(Some(Err(Box::new(Cut))));
        }
        let polled = Pin::new(&mut self.whole).poll_next(cx);
        polled.map_ok(|mut chunk| {
            chunk.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
            self.left -= chunk.len() as u64;
            chunk
        })
    }
}

impl ByteStream for CutShort {
    fn remaining_length(&self) -> RemainingLength {
        self.whole.remaining_length()
    }
}
