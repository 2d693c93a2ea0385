//! The two listeners and their connections: log, faults, answer, bytes, in this order.

use std::io;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::BytesMut;
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::faults::{Faults, Instead, Subject};
use super::log::{Log, Origin, Recorded};
use super::state::{Caller, Context, State};
use super::wire::{self, BodyFault, Plan, Request, Response};
use super::{cdn, routes};

/// Bytes written at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// What the handle and the serving thread share.
pub(super) struct Shared {
    pub(super) hub_url: String,
    pub(super) cdn_url: String,
    pub(super) state: Mutex<State>,
    pub(super) faults: Faults,
    pub(super) log: Log,
}

impl Shared {
    pub(super) fn new(hub_url: String, cdn_url: String, state: State) -> Self {
        Self { hub_url, cdn_url, state: Mutex::new(state), faults: Faults::new(), log: Log::default() }
    }
}

/// Serves until told to stop. Open connections are dropped with the runtime, stalled ones included.
pub(super) async fn serve(shared: Arc<Shared>, hub: TcpListener, cdn: TcpListener, mut stop: watch::Receiver<bool>) {
    let listeners = (tokio::net::TcpListener::from_std(hub), tokio::net::TcpListener::from_std(cdn));
    let (Ok(hub), Ok(cdn)) = listeners else { return };
    loop {
        let (accepted, origin) = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            accepted = hub.accept() => (accepted, Origin::Hub),
            accepted = cdn.accept() => (accepted, Origin::Cdn),
        };
        let Ok((stream, _)) = accepted else { continue };
        let shared = shared.clone();
        tokio::spawn(async move {
            // The client went away or broke the protocol; either way the connection is over.
            let _ = connection(&shared, origin, stream).await;
        });
    }
}

async fn connection(shared: &Shared, origin: Origin, mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = BytesMut::new();
    while let Some(request) = wire::read_request(&mut stream, &mut buffer).await? {
        if !exchange(shared, origin, &request, &mut stream).await? {
            break;
        }
    }
    Ok(())
}

/// One request and its answer; `false` when the connection ends here.
async fn exchange(shared: &Shared, origin: Origin, request: &Request, stream: &mut TcpStream) -> io::Result<bool> {
    shared.log.pass().await;
    let (caller, text) = {
        let state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        (state.caller(request.header("authorization")), subject_text(&state, origin, request))
    };
    let entry = shared.log.begin(record(origin, request, &caller));
    let subject = Subject { origin, method: &request.method, target: &request.target, text };
    let answer = match shared.faults.instead(&subject) {
        Some(Instead::Drop) => return Ok(false),
        Some(Instead::Answer(answer)) => answer,
        None => {
            if let Some(repo) = shared.faults.becomes(&subject) {
                shared.state.lock().unwrap_or_else(PoisonError::into_inner).replace(repo);
            }
            let mut answer = true_answer(shared, origin, request, &caller);
            shared.faults.spoil(&subject, &mut answer);
            answer
        }
    };
    let answer = finish(request, origin, answer);
    let reading = request.method == "GET";
    let fault = if reading { shared.faults.body(&subject, &answer) } else { None };
    let plan = Plan::new(&answer, fault);
    entry.set_status(answer.status);
    wire::write_head(stream, &answer, &plan).await?;
    if request.method != "HEAD" && answer.status != 304 {
        for (index, part) in plan.parts.iter().enumerate() {
            match fault {
                Some(fault @ BodyFault::Stall(_)) if index > 0 => shared.faults.stall(&subject, fault).await,
                Some(BodyFault::Drip(_)) => tokio::task::yield_now().await,
                _ => {}
            }
            for chunk in part.chunks(CHUNK_BYTES) {
                shared.log.pass().await;
                // Before the bytes are written, so that a client that holds them also finds them counted.
                entry.count(chunk.len());
                wire::write_chunk(stream, chunk).await?;
            }
        }
    }
    let asked_to_close = request.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    Ok(!plan.close && !asked_to_close)
}

fn true_answer(shared: &Shared, origin: Origin, request: &Request, caller: &Caller) -> Response {
    let state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
    let context =
        Context { state: &state, caller, faults: &shared.faults, hub_url: &shared.hub_url, cdn_url: &shared.cdn_url };
    match origin {
        Origin::Hub => routes::answer(&context, request),
        Origin::Cdn => cdn::answer(&context, request),
    }
}

/// Headers that every answer of a server has.
fn finish(request: &Request, origin: Origin, answer: Response) -> Response {
    match origin {
        Origin::Hub => {
            let id = request.header("x-amzn-trace-id").unwrap_or("Root=1-00000000-fixture").to_owned();
            answer.header("X-Powered-By", "huggingface-moon").header("X-Request-Id", id).header("Vary", "Origin")
        }
        Origin::Cdn => answer.header("Server", "AmazonS3").header("X-Cache", "Miss from cloudfront"),
    }
}

fn subject_text(state: &State, origin: Origin, request: &Request) -> String {
    let mut text = wire::decode(&request.target);
    if origin == Origin::Cdn {
        for path in state.paths_of(cdn::object_of(request)) {
            text.push('\n');
            text.push_str(&path);
        }
    }
    text
}

fn record(origin: Origin, request: &Request, caller: &Caller) -> Recorded {
    let user = match caller {
        Caller::Known { user, .. } => Some(user.clone()),
        Caller::Anonymous | Caller::Stranger => None,
    };
    Recorded {
        origin,
        method: request.method.clone(),
        path_and_query: request.target.clone(),
        range: request.header("range").map(str::to_owned),
        had_authorization: request.header("authorization").is_some(),
        user,
        user_agent: request.header("user-agent").map(str::to_owned),
        status: 0,
        bytes_sent: 0,
    }
}
