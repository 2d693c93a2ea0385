//! A public hub in miniature, on two ports of this machine: the hub itself and the storage host it redirects to.
//!
//! It serves [`RepoFixture`]s with the wire behaviour of the public hub, keeps a log of what it was asked, and
//! misbehaves on order. It shares no code with what it tests. It owns a thread with a runtime of its own, so many
//! can live in one process and none depends on the caller's runtime. There are no clocks and no sleeps in it.
//!
//! The hub listens as `127.0.0.1`, storage as `localhost`: clients see two hostnames, as they do in public.

mod api;
mod cdn;
mod faults;
mod listing;
mod log;
pub(crate) mod objects;
mod resolve;
mod routes;
mod server;
mod state;
#[cfg(test)]
mod tests;
mod wire;

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;

use acervo_test_engine::{Authority, Relay};
use anyhow::Context as _;
use tokio::sync::watch;

pub use self::faults::{Fault, Fired};
pub use self::log::{Origin, Recorded};
use self::server::Shared;
use self::state::State;
use crate::fixture::{CommitDraft, RepoFixture};

/// A running fake hub; stops when dropped.
pub struct FakeUpstream {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
    /// What ends TLS in front of the hub and of storage.
    _relays: Option<[Relay; 2]>,
}

impl FakeUpstream {
    /// Starts a hub with these repositories on two free ports.
    pub async fn start(repos: Vec<RepoFixture>) -> anyhow::Result<Self> {
        Self::launch(repos, None)
    }

    /// Starts a hub that is reached over TLS alone, storage included, with certificates of this authority.
    pub async fn start_encrypted(repos: Vec<RepoFixture>, authority: &Authority) -> anyhow::Result<Self> {
        Self::launch(repos, Some(authority))
    }

    fn launch(repos: Vec<RepoFixture>, authority: Option<&Authority>) -> anyhow::Result<Self> {
        let listen = || -> anyhow::Result<(TcpListener, SocketAddr)> {
            let listener = TcpListener::bind(("127.0.0.1", 0)).context("bind a port of the loopback interface")?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        let ((hub, hub_address), (cdn, cdn_address)) = (listen()?, listen()?);
        let relays = authority.map(|authority| [hub_address, cdn_address].map(|to| Relay::encrypted(to, authority)));
        let (hub_url, cdn_url) = match &relays {
            Some([hub, cdn]) => (hub.url("127.0.0.1"), cdn.url("localhost")),
            None => (format!("http://{hub_address}"), format!("http://localhost:{}", cdn_address.port())),
        };
        let shared = Arc::new(Shared::new(hub_url, cdn_url, State { repos, ..State::default() }));
        let (stop, stopped) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let serving = shared.clone();
        let thread = std::thread::Builder::new()
            .name("fake-upstream".to_owned())
            .spawn(move || runtime.block_on(server::serve(serving, hub, cdn, stopped)))?;
        Ok(Self { shared, stop, thread: Some(thread), _relays: relays })
    }

    /// The hub's base URL, for `HF_ENDPOINT` and the like.
    pub fn endpoint(&self) -> String {
        self.shared.hub_url.clone()
    }

    /// The storage host's base URL; its hostname differs from the hub's.
    pub fn cdn_endpoint(&self) -> String {
        self.shared.cdn_url.clone()
    }

    /// Stops serving and waits until every connection is closed.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // A panic of the server was already printed; a stopping test has nothing to add.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }

    /// Adds a repository.
    pub fn add(&self, repo: RepoFixture) {
        self.change(|state| state.repos.push(repo));
    }

    /// Removes a repository by its address: `ns/name`, `datasets/ns/name`, `spaces/ns/name`.
    pub fn remove(&self, address: &str) {
        self.change(|state| {
            let index = position(state, address);
            state.repos.remove(index);
        });
    }

    /// Changes a repository (see [`Self::remove`] for addresses); requests see it before or after, never halfway.
    pub fn with_repo<T>(&self, address: &str, edit: impl FnOnce(&mut RepoFixture) -> T) -> T {
        self.change(|state| {
            let index = position(state, address);
            edit(&mut state.repos[index])
        })
    }

    /// Puts a commit on `main` and returns its id.
    pub fn push_commit(&self, address: &str, title: &str, edit: impl FnOnce(CommitDraft) -> CommitDraft) -> String {
        self.with_repo(address, |repo| repo.push_commit(title, edit))
    }

    /// A copy of a repository as it is now.
    pub fn repo(&self, address: &str) -> RepoFixture {
        self.with_repo(address, |repo| repo.clone())
    }

    /// Makes a token known as this user's. Any other token, unless a repository names it, is refused with 401.
    pub fn token(&self, token: &str, user: &str) {
        self.change(|state| state.tokens.insert(token.to_owned(), user.to_owned()));
    }

    /// Forces this page size on every paged answer.
    pub fn page_size(&self, items: usize) {
        self.change(|state| state.page_size = Some(items));
    }

    /// Sends readers of regular files through a relative redirect to `/api/resolve-cache`.
    pub fn resolve_cache(&self, on: bool) {
        self.change(|state| state.resolve_cache = on);
    }

    /// Makes every signed storage address given out so far expire.
    pub fn expire_signatures(&self) {
        self.change(|state| state.signature_epoch += 1);
    }

    /// Orders a fault; of several that fit, the first ordered strikes.
    pub fn fault(&self, fault: Fault) {
        self.shared.faults.order(fault);
    }

    /// Withdraws every fault; what has fired stays on record.
    pub fn clear_faults(&self) {
        self.shared.faults.clear();
    }

    /// The faults that struck, in order.
    pub fn fired(&self) -> Vec<Fired> {
        self.shared.faults.fired()
    }

    /// Waits until `count` faults have struck since the start; a stall counts when it is reached.
    pub async fn wait_fired(&self, count: usize) {
        // Fails only when the sender is gone, which `self` holds.
        let _ = self.shared.faults.watch().wait_for(|fired| *fired >= count).await;
    }

    /// Lets every answer that is stalled now go on.
    pub fn release_stalled(&self) {
        self.release_stalled_on("");
    }

    /// Lets those answers go on that are stalled now and whose requests are known by `text`, as in [`Fault::on`].
    pub fn release_stalled_on(&self, text: &str) {
        self.shared.faults.released.send_modify(|released| released.push(text.to_owned()));
    }

    /// Every request so far, in order of arrival.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.log.all()
    }

    /// How far clients have come: requests begun and chunks of bodies sent (64 KiB at most), together.
    pub fn steps(&self) -> u64 {
        *self.shared.log.steps.borrow()
    }

    /// Waits until clients have come so far.
    pub async fn wait_steps(&self, count: u64) {
        // Fails only when the sender is gone, which `self` holds.
        let _ = self.shared.log.steps.subscribe().wait_for(|steps| *steps >= count).await;
    }

    /// Holds everything back from this step on; `None` lets it go on.
    pub fn hold_at(&self, step: Option<u64>) {
        self.shared.log.hold.send_replace(step);
    }

    /// Forgets the requests so far.
    pub fn clear_log(&self) {
        self.shared.log.clear();
    }

    /// How many requests brought a token to the storage host, which no client may do.
    pub fn leaked_tokens(&self) -> usize {
        self.requests().iter().filter(|r| r.origin == Origin::Cdn && r.had_authorization).count()
    }

    /// Body bytes of files that both hosts have sent: what a mirror pays for.
    pub fn file_bytes(&self) -> u64 {
        let of_file = |r: &&Recorded| r.origin == Origin::Cdn || r.path_and_query.contains("/resolve");
        self.requests().iter().filter(of_file).filter(|r| matches!(r.status, 200 | 206)).map(|r| r.bytes_sent).sum()
    }

    /// Body bytes the storage host has sent.
    pub fn cdn_bytes(&self) -> u64 {
        self.requests().iter().filter(|r| r.origin == Origin::Cdn).map(|r| r.bytes_sent).sum()
    }

    fn change<T>(&self, edit: impl FnOnce(&mut State) -> T) -> T {
        edit(&mut self.shared.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for FakeUpstream {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // Ends at once: the runtime only has to drop its tasks.
            let _ = thread.join();
        }
    }
}

fn position(state: &State, address: &str) -> usize {
    let Some(index) = state.position(address) else { panic!("no repository `{address}` on the fake hub") };
    index
}
