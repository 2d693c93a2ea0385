//! What Acervo's tests stand on: SQLite and a folder, or Postgres and S3.
//!
//! Owns which of the two a run uses, and the real servers behind them: throw-away Postgres clusters and S3 servers that
//! may be stopped, killed or told to fail. It knows nothing of Acervo but its migrations, so that every crate's tests may
//! use it.

#![expect(clippy::expect_used, reason = "a harness stops where something is wrong, as tests do")]

mod authority;
mod blocking;
mod database;
mod engine;
mod postgres;
mod relay;
pub mod s3;
mod storage;

pub use authority::{Authority, Certified};
pub use database::TestDatabase;
pub use engine::{Engine, Kind, POSTGRES_VARIABLE, VARIABLE};
pub use postgres::{PostgresCluster, Settings};
pub use relay::Relay;
pub use s3::S3Server;
pub use storage::TestStorage;
