//! What a caller of the client may rely on, against servers that misbehave on order.

mod discovery;
mod ranges;
mod server;
mod transfer;

use acervo_core::CommitOid;

use super::{Client, Config, Secret};

const TOKEN: &str = "hf_ourupstreamtoken";

fn commit() -> CommitOid {
    CommitOid::from_bytes([0xc0; 20])
}

fn config(endpoint: &str) -> Config {
    Config {
        endpoint: endpoint.to_owned(),
        token: Some(Secret::new(TOKEN)),
        retry_base_milliseconds: 1,
        attempts_max: 3,
        ..Config::default()
    }
}

fn client(endpoint: &str) -> Client {
    Client::new(&config(endpoint)).unwrap()
}
