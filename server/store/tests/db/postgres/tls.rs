//! Encrypted connections, and what of the server's certificate is verified.

use std::path::{Path, PathBuf};

use acervo_store::StoreError;
use acervo_store::db::{Database, DatabaseConfig, Tls};
use acervo_test_engine::{Authority, PostgresCluster, Settings};

use super::text;
use crate::support::config;

/// How the connections of a configuration travel, by the server's word.
async fn is_encrypted(config: &DatabaseConfig) -> Result<bool, StoreError> {
    let db = Database::open(config).await?;
    let question = "SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let (writes, reads) = (text(db.writer(), question).await, text(db.reader(), question).await);
    assert_eq!(writes, reads);
    Ok(writes == "true")
}

#[tokio::test]
async fn connections_are_encrypted_and_verified_as_configured() {
    // As the binary does before anything else: another crate of a build may bring a second provider.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (ours, others) = (Authority::new(), Authority::new());
    let certified = ours.certify("DNS:localhost");
    let (ours, others) = (ours.file(), others.file());
    let server = [("ssl", "on"), ("ssl_cert_file", "server.pem"), ("ssl_key_file", "server.key")];
    let settings = Settings {
        server: server.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        files: vec![("server.pem".to_owned(), certified.certificate), ("server.key".to_owned(), certified.key)],
        ..Settings::default()
    };
    let cluster = PostgresCluster::with(&settings);
    let by_address = cluster.create_database("acervo");
    let by_name = by_address.replace("127.0.0.1", "localhost");
    let with = |url: &str, tls: Tls, ca_file: Option<&PathBuf>| DatabaseConfig {
        tls,
        ca_file: ca_file.cloned(),
        ..config(url)
    };

    assert!(!is_encrypted(&with(&by_address, Tls::Disable, None)).await.unwrap());
    assert!(is_encrypted(&with(&by_address, Tls::Prefer, None)).await.unwrap());
    assert!(is_encrypted(&with(&by_address, Tls::Require, None)).await.unwrap());
    assert!(is_encrypted(&with(&by_address, Tls::VerifyCa, Some(&ours))).await.unwrap());
    assert!(is_encrypted(&with(&by_name, Tls::VerifyFull, Some(&ours))).await.unwrap());

    for (url, tls, ca_file, why) in [
        (&by_address, Tls::VerifyCa, None, "an authority that nobody named"),
        (&by_address, Tls::VerifyCa, Some(&others), "another authority"),
        (&by_name, Tls::VerifyFull, Some(&others), "another authority"),
        (&by_address, Tls::VerifyFull, Some(&ours), "a certificate for another host"),
    ] {
        let error = is_encrypted(&with(url, tls, ca_file)).await.unwrap_err().to_string();
        assert!(error.contains("the server's certificate"), "{why}: {error}");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_it_is_required() {
    let cluster = PostgresCluster::start();
    let url = cluster.create_database("acervo");
    assert!(!is_encrypted(&config(&url)).await.unwrap());
    for tls in [Tls::Require, Tls::VerifyCa, Tls::VerifyFull] {
        let error = is_encrypted(&DatabaseConfig { tls, ..config(&url) }).await.unwrap_err().to_string();
        assert!(error.contains("whether the server offers TLS"), "{error}");
    }
}

#[tokio::test]
async fn authorities_that_would_verify_nothing_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, "not a certificate").unwrap();
    let url = "postgres://acervo@127.0.0.1:1/acervo";
    let with = |tls, ca_file: &Path| DatabaseConfig { tls, ca_file: Some(ca_file.to_owned()), ..config(url) };
    for (config, said) in [
        (with(Tls::Prefer, &file), "`database.tls` verifies nothing; set it to `verify-full`"),
        (with(Tls::Require, &file), "`database.tls` verifies nothing; set it to `verify-full`"),
        (with(Tls::VerifyFull, &file), "which holds no certificate in PEM"),
        (with(Tls::VerifyFull, Path::new("/nowhere/ca.pem")), "`/nowhere/ca.pem`, which cannot be read"),
    ] {
        let error = Database::open(&config).await.unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}
