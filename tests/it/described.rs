//! The OpenAPI document against the hub that serves it: requests made up from it, and the page that shows it.

mod made_up;
mod page;

use acervo::app::settings::{self, Change, Terms};
use acervo::app::{identity, repos};
use acervo_core::gate::GateMode;
use acervo_core::{Caller, RepoKind, Visibility};
use acervo_store::db::principals::PrincipalKind;
use acervo_tests::test_hub::TestHub;

use crate::serve::{alone, commit};

/// A hub with repositories of every kind: open, private, gated, and one whose settings may change.
async fn seeded() -> TestHub {
    let hub = alone().await;
    identity::create_user(hub.hub(), &Caller::System, "ana", PrincipalKind::Person, None).await.unwrap();
    let header = br#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#;
    let shard = [&(header.len() as u64).to_le_bytes()[..], header, b"!"].concat();
    let card: &[u8] = b"---\nlicense: mit\nlanguage: gn\n---\n# Tiny\n";
    let files = [
        ("README.md", card),
        ("config.json", b"{\"model_type\": \"llama\"}"),
        ("docs/\u{f1}and\u{fa}.txt", b"text"),
        ("empty.txt", b""),
        ("weights.bin", b"weights of a model"),
        ("model.safetensors.index.json", br#"{"metadata": {}, "weight_map": {"a": "model-1.safetensors"}}"#),
        ("model-1.safetensors", shard.as_slice()),
    ];
    for kind in RepoKind::ALL {
        for name in ["acme/tiny", "acme/asks", "acme/scratch"] {
            commit(&hub, (kind, name, Visibility::Public), &files).await;
        }
        commit(&hub, (kind, "acme/secret", Visibility::Private), &files).await;
        let repo = repos::find(hub.hub(), &Caller::System, kind, "acme/asks").await.unwrap().into_repo();
        let terms = Terms::Put("For research alone.".to_owned());
        let change = Change { gate: Some(GateMode::Manual), terms, ..Change::default() };
        settings::change(hub.hub(), &Caller::System, &repo, &change).await.unwrap();
    }
    hub
}
