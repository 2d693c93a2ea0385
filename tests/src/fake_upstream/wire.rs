//! HTTP/1.1 by hand: requests in, answers out, with faults on the bytes.
//!
//! A framework repairs exactly what this server has to be able to break (it corrects lengths, buffers before a
//! dropped connection, answers where nothing should be answered), hence no framework here. Bodies are in memory;
//! request bodies must state their length.

use std::io;

use bytes::{Bytes, BytesMut};
use percent_encoding::percent_decode_str;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const HEAD_BYTES_MAX: usize = 64 << 10;
const REQUEST_BODY_BYTES_MAX: usize = 16 << 20;

/// A parsed request.
pub(super) struct Request {
    pub(super) method: String,
    /// Path and query as sent.
    pub(super) target: String,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub(super) body: Bytes,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    pub(super) fn raw_query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    /// Path segments as sent; a doubled or trailing slash makes none.
    pub(super) fn segments(&self) -> Vec<&str> {
        self.path().split('/').filter(|segment| !segment.is_empty()).collect()
    }

    /// Every value of a query parameter, `name[]` included.
    pub(super) fn all(&self, name: &str) -> Vec<String> {
        let pairs = form(self.raw_query().unwrap_or_default());
        pairs.into_iter().filter(|(key, _)| key == name).map(|(_, value)| value).collect()
    }

    pub(super) fn one(&self, name: &str) -> Option<String> {
        self.all(name).into_iter().next()
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.one(name).is_some_and(|value| truth(&value))
    }
}

/// An answer; the body of one to `HEAD` gives the length only.
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Bytes,
    /// Where in its file the body begins; `None` when the body is not file content.
    pub(super) file_offset: Option<u64>,
}

impl Response {
    pub(super) fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new(), file_offset: None }
    }

    pub(super) fn json(status: u16, value: &serde_json::Value) -> Self {
        Self::new(status).header("Content-Type", "application/json; charset=utf-8").text(value.to_string())
    }

    pub(super) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(super) fn text(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(key, _)| key == name)
    }
}

/// What may go wrong with the bytes of one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyFault {
    Cut(u64),
    Truncate(u64),
    Extend(u64),
    Flip(u64),
    Stall(u64),
    /// In pieces of so many bytes, each handed to the network by itself.
    Drip(u64),
}

impl BodyFault {
    /// Whether the fault would change anything about this answer to a `GET`.
    pub(super) fn applies_to(self, answer: &Response) -> bool {
        let length = answer.body.len() as u64;
        match self {
            BodyFault::Cut(at) | BodyFault::Truncate(at) | BodyFault::Stall(at) => at < length,
            BodyFault::Drip(piece) => piece > 0 && piece < length,
            BodyFault::Extend(by) => by > 0,
            BodyFault::Flip(at) => {
                let start = answer.file_offset.unwrap_or_default();
                at >= start && at - start < length
            }
        }
    }
}

/// How an answer goes out.
pub(super) struct Plan {
    pub(super) claimed_length: usize,
    /// The body's parts; the sender stalls or yields between them.
    pub(super) parts: Vec<Bytes>,
    pub(super) close: bool,
}

impl Plan {
    pub(super) fn new(answer: &Response, fault: Option<BodyFault>) -> Self {
        let body = answer.body.clone();
        let clamp = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(body.len());
        let whole = |parts: Vec<Bytes>| Self { claimed_length: body.len(), parts, close: false };
        match fault {
            None => whole(vec![body.clone()]),
            Some(BodyFault::Cut(at)) => Self { close: true, ..whole(vec![body.slice(..clamp(at))]) },
            Some(BodyFault::Truncate(at)) => Self { claimed_length: clamp(at), ..whole(vec![body.slice(..clamp(at))]) },
            Some(BodyFault::Extend(by)) => {
                let mut longer = body.to_vec();
                longer.resize(body.len() + usize::try_from(by).unwrap_or_default(), b'x');
                Self { claimed_length: longer.len(), ..whole(vec![longer.into()]) }
            }
            Some(BodyFault::Flip(at)) => {
                let mut flipped = body.to_vec();
                let at = clamp(at - answer.file_offset.unwrap_or_default());
                if let Some(byte) = flipped.get_mut(at) {
                    *byte ^= 0xff;
                }
                whole(vec![flipped.into()])
            }
            Some(BodyFault::Stall(at)) => whole(vec![body.slice(..clamp(at)), body.slice(clamp(at)..)]),
            Some(BodyFault::Drip(piece)) => whole(pieces(&body, clamp(piece))),
        }
    }
}

/// Reads one request; `None` when the client has closed the connection in between.
pub(super) async fn read_request(stream: &mut TcpStream, buffer: &mut BytesMut) -> io::Result<Option<Request>> {
    let end = loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if buffer.len() > HEAD_BYTES_MAX {
            return Err(invalid("request head too long"));
        }
        if stream.read_buf(buffer).await? == 0 {
            return if buffer.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
    };
    let head = buffer.split_to(end + 4);
    let head = std::str::from_utf8(&head).map_err(|_| invalid("request head is not UTF-8"))?;
    let mut lines = head.trim_end().split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some("HTTP/1.1")) = (words.next(), words.next(), words.next()) else {
        return Err(invalid("no HTTP/1.1 request line"));
    };
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut request = Request { method: method.to_owned(), target: target.to_owned(), headers, body: Bytes::new() };
    if request.header("transfer-encoding").is_some() {
        return Err(invalid("request body without a length"));
    }
    let length: usize = request.header("content-length").and_then(|text| text.parse().ok()).unwrap_or_default();
    if length > REQUEST_BODY_BYTES_MAX {
        return Err(invalid("request body too long"));
    }
    while buffer.len() < length {
        if stream.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    request.body = buffer.split_to(length).freeze();
    Ok(Some(request))
}

/// Writes the status line and headers.
pub(super) async fn write_head(stream: &mut TcpStream, answer: &Response, plan: &Plan) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {} {}\r\n", answer.status, reason(answer.status));
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if answer.status != 304 {
        head.push_str(&format!("Content-Length: {}\r\n", plan.claimed_length));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await
}

/// A body in pieces of `size` bytes; the last may be shorter.
fn pieces(body: &Bytes, size: usize) -> Vec<Bytes> {
    (0..body.len()).step_by(size.max(1)).map(|at| body.slice(at..body.len().min(at + size))).collect()
}

/// Writes a piece of a body.
pub(super) async fn write_chunk(stream: &mut TcpStream, chunk: &[u8]) -> io::Result<()> {
    stream.write_all(chunk).await
}

/// Pairs of a query or form body; `name[]` counts as `name`.
pub(super) fn form(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(&name.replace('+', " "));
            (name.strip_suffix("[]").unwrap_or(&name).to_owned(), decode(&value.replace('+', " ")))
        })
        .collect()
}

/// Percent-decodes once; a plus stays a plus.
pub(super) fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Booleans as the various clients write them.
pub(super) fn truth(text: &str) -> bool {
    text.eq_ignore_ascii_case("true") || text == "1"
}

fn invalid(text: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        206 => "Partial Content",
        302 => "Found",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        416 => "Range Not Satisfiable",
        429 => "Too Many Requests",
        503 => "Service Unavailable",
        _ => "Status",
    }
}
