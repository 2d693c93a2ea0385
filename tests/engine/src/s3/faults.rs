//! What the S3 server does wrong on order: which fault meets which request, how often, and the proof that it did.
//!
//! Every request passes `Faults::pass` on its way to the true service and back.

mod cut;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, StatusCode, Uri};
use s3s::service::S3Service;
use s3s::{Body, HttpRequest, HttpResponse};
use tokio::sync::watch;

use self::cut::CutShort;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    /// An error in place of the answer, and nothing is done.
    Refuse(StatusCode, &'static str),
    /// As above, but after the service has done what was asked.
    Forget(StatusCode, &'static str),
    /// The multipart upload that the request is about is gone, for this request and all later ones.
    LoseMultipart,
    /// So many bytes of the request's body are taken, then the connection ends and nothing is done.
    CutUpload(u64),
    /// So many bytes of the answer's body are sent, then the connection ends.
    CutDownload(u64),
}

/// One order: an effect, whom it meets, and how often (once unless told otherwise).
#[derive(Clone, Debug)]
pub struct Fault {
    effect: Effect,
    on: String,
    method: Option<Method>,
    skip: u32,
    left: Option<u32>,
}

impl Fault {
    fn new(effect: Effect) -> Fault {
        Fault { effect, on: String::new(), method: None, skip: 0, left: Some(1) }
    }

    /// Answers 500 `InternalError`.
    pub fn internal_error() -> Fault {
        Fault::new(Effect::Refuse(StatusCode::INTERNAL_SERVER_ERROR, "InternalError"))
    }

    /// Answers 503 `ServiceUnavailable`.
    pub fn unavailable() -> Fault {
        Fault::new(Effect::Refuse(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable"))
    }

    /// Answers 503 `SlowDown`.
    pub fn slow_down() -> Fault {
        Fault::new(Effect::Refuse(StatusCode::SERVICE_UNAVAILABLE, "SlowDown"))
    }

    /// Does what was asked, and answers 500 `InternalError` all the same.
    pub fn done_but_internal_error() -> Fault {
        Fault::new(Effect::Forget(StatusCode::INTERNAL_SERVER_ERROR, "InternalError"))
    }

    /// Forgets the multipart upload that the request met is about: it and all later ones find `NoSuchUpload`.
    pub fn lose_multipart() -> Fault {
        Fault::new(Effect::LoseMultipart).on("uploadId=")
    }

    /// Takes `bytes` of a request's body, then ends the connection; nothing is stored.
    pub fn cut_upload_after(bytes: u64) -> Fault {
        Fault::new(Effect::CutUpload(bytes)).method(Method::PUT)
    }

    /// Sends `bytes` of an object, then ends the connection.
    pub fn cut_download_after(bytes: u64) -> Fault {
        Fault::new(Effect::CutDownload(bytes)).method(Method::GET)
    }

    /// Only requests whose path and query hold `text`, as in `partNumber=2`, `?uploads`, or a part of a key.
    #[must_use]
    pub fn on(mut self, text: &str) -> Fault {
        self.on = text.to_owned();
        self
    }

    /// Only requests with this method.
    #[must_use]
    pub fn method(mut self, method: Method) -> Fault {
        self.method = Some(method);
        self
    }

    /// Lets the first `count` matches pass.
    #[must_use]
    pub fn after(mut self, count: u32) -> Fault {
        self.skip = count;
        self
    }

    /// Strikes this many times.
    #[must_use]
    pub fn times(mut self, count: u32) -> Fault {
        self.left = Some(count);
        self
    }

    /// Strikes every time.
    #[must_use]
    pub fn always(mut self) -> Fault {
        self.left = None;
        self
    }

    fn meets(&self, method: &Method, target: &str) -> bool {
        self.left != Some(0) && self.method.as_ref().is_none_or(|meant| meant == method) && target.contains(&self.on)
    }
}

/// A fault that struck.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fired {
    /// What went wrong, for messages.
    pub fault: String,
    /// The method of the request met.
    pub method: String,
    /// The target of the request met.
    pub path_and_query: String,
}

#[derive(Debug, Default)]
struct State {
    ordered: Vec<Fault>,
    fired: Vec<Fired>,
    /// Ids of multipart uploads that were lost.
    lost: HashSet<String>,
}

#[derive(Debug)]
struct Shared {
    /// Where the server keeps everything, for faults that make it forget.
    root: PathBuf,
    state: Mutex<State>,
    count: watch::Sender<usize>,
}

/// The faults of one server; clones share them.
#[derive(Clone, Debug)]
pub struct Faults {
    shared: Arc<Shared>,
}

impl Faults {
    pub(super) fn new(root: PathBuf) -> Faults {
        Faults { shared: Arc::new(Shared { root, state: Mutex::default(), count: watch::Sender::new(0) }) }
    }

    /// Orders a fault; of several that fit, the first ordered strikes.
    pub fn order(&self, fault: Fault) {
        self.state(|state| state.ordered.push(fault));
    }

    /// Withdraws every fault; what has fired stays on record, and what was lost stays lost.
    pub fn clear(&self) {
        self.state(|state| state.ordered.clear());
    }

    /// The faults that struck, in order.
    pub fn fired(&self) -> Vec<Fired> {
        self.state(|state| state.fired.clone())
    }

    /// Waits until `count` faults have struck since the start.
    pub async fn wait_fired(&self, count: usize) {
        // Fails only when the sender is gone, which `self` holds.
        let _ = self.shared.count.subscribe().wait_for(|fired| *fired >= count).await;
    }

    /// Serves one request. An error closes its connection without an answer.
    pub(super) async fn pass(&self, request: HttpRequest, service: &S3Service) -> Result<HttpResponse, Cut> {
        let upload = upload_of(request.uri());
        let effect = self.strike(request.method(), request.uri(), upload.as_deref());
        if let Some(upload) = upload.filter(|upload| self.state(|state| state.lost.contains(upload))) {
            self.forget_parts(&upload);
            drain(request.into_body(), u64::MAX).await;
            return Ok(refusal(StatusCode::NOT_FOUND, "NoSuchUpload"));
        }
        match effect {
            Some(Effect::Refuse(status, code)) => {
                // As servers do who want the connection to be used again.
                drain(request.into_body(), u64::MAX).await;
                Ok(refusal(status, code))
            }
            Some(Effect::CutUpload(bytes)) => {
                drain(request.into_body(), bytes).await;
                Err(Cut)
            }
            Some(Effect::Forget(status, code)) => {
                service.call(request).await.map_err(|_| Cut)?;
                Ok(refusal(status, code))
            }
            Some(Effect::CutDownload(bytes)) => {
                let answer = service.call(request).await.map_err(|_| Cut)?;
                Ok(answer.map(|body| CutShort::body(body, bytes)))
            }
            Some(Effect::LoseMultipart) | None => service.call(request).await.map_err(|_| Cut),
        }
    }

    /// The effect of the first order that fits, which strikes once more.
    fn strike(&self, method: &Method, uri: &Uri, upload: Option<&str>) -> Option<Effect> {
        let target = uri.path_and_query().map(ToString::to_string).unwrap_or_default();
        let effect = self.state(|state| {
            let State { ordered, fired, lost } = state;
            let fault = ordered.iter_mut().find_map(|fault| {
                let meets = fault.meets(method, &target);
                if meets && fault.skip > 0 {
                    fault.skip -= 1;
                    return None;
                }
                meets.then_some(fault)
            })?;
            fault.left = fault.left.map(|left| left - 1);
            let (name, method) = (format!("{:?}", fault.effect), method.to_string());
            fired.push(Fired { fault: name, method, path_and_query: target });
            if let (Effect::LoseMultipart, Some(upload)) = (fault.effect, upload) {
                lost.insert(upload.to_owned());
            }
            Some(fault.effect)
        })?;
        self.shared.count.send_modify(|count| *count += 1);
        Some(effect)
    }

    /// Removes what the service keeps of a lost upload, so that nobody finds it left over.
    fn forget_parts(&self, upload: &str) {
        for entry in std::fs::read_dir(&self.shared.root).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().contains(upload) {
                // Another request to the same upload may have been faster.
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }

    fn state<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.shared.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The multipart upload that a request is about.
fn upload_of(uri: &Uri) -> Option<String> {
    uri.query()?.split('&').find_map(|pair| pair.strip_prefix("uploadId=")).map(str::to_owned)
}

/// Reads a body up to `bytes` or its end.
async fn drain(mut body: Body, bytes: u64) {
    let mut read = 0;
    while read < bytes
        && let Some(Ok(chunk)) = body.next().await
    {
        read += chunk.len() as u64;
    }
}

/// An error as S3 words it.
fn refusal(status: StatusCode, code: &str) -> HttpResponse {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>ordered by the test</Message>\
         <RequestId>0000000000000000</RequestId></Error>"
    );
    let mut answer = HttpResponse::new(Body::from(text));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    answer
}

/// The connection was cut.
#[derive(Debug)]
pub struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection was cut on order")
    }
}

impl std::error::Error for Cut {}
