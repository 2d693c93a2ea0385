//! The server as a whole, over real connections, with repositories committed here.

mod around;
mod contents;
mod paths;

use acervo_core::{Caller, CommitOid, RepoKind, Role, Timestamp, Visibility};
use bytes::Bytes;
use reqwest::{Client, Method, Response};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::app::identity::{self, TokenRequest};
use crate::app::local::{self, NewCommit, NewFile};
use crate::config::Config;
use crate::context::Hub;
use crate::error::HubError;
use crate::http;
use crate::test_home::TestHome;

/// A running hub, on a database and a store that go away with it.
struct Served {
    hub: Hub,
    url: String,
    client: Client,
    shutdown: CancellationToken,
    server: JoinHandle<Result<(), HubError>>,
    _home: TestHome,
}

impl Served {
    async fn start() -> Served {
        Served::start_with(|_| {}).await
    }

    async fn start_with(change: impl FnOnce(&mut Config)) -> Served {
        let home = TestHome::new();
        let mut config = home.config();
        change(&mut config);
        let listener = http::listen("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let hub = Hub::open(config).await.unwrap();
        let shutdown = CancellationToken::new();
        let server = tokio::spawn(http::serve(hub.clone(), listener, shutdown.clone()));
        let client = Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
        Served { hub, url, client, shutdown, server, _home: home }
    }

    /// Commits files, `true` standing for LFS.
    async fn commit(&self, kind: RepoKind, name: &str, to: Visibility, files: &[(&str, &[u8], bool)]) -> CommitOid {
        let file = |(path, bytes, lfs): &(&str, &[u8], bool)| NewFile {
            path: path.parse().unwrap(),
            bytes: Bytes::copy_from_slice(bytes),
            lfs: *lfs,
        };
        let new = NewCommit {
            kind,
            name: name.parse().unwrap(),
            visibility: to,
            files: files.iter().map(file).collect(),
            title: "Add files".to_owned(),
            at: Timestamp::from_millis(1_700_000_000_000),
        };
        local::commit_files(&self.hub, &Caller::System, &new).await.unwrap()
    }

    async fn token(&self, name: &str, role: Role) -> String {
        let request = TokenRequest { name: name.to_owned(), role, user: None, expires_at: None };
        identity::create_token(&self.hub, &Caller::System, &request).await.unwrap().text
    }

    /// A request to a path, written exactly as it goes on the wire.
    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    async fn get(&self, path: &str) -> Response {
        self.ask(Method::GET, path, &[]).await
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.server.await.unwrap().unwrap();
    }
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}
