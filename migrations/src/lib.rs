//! Acervo's schema history.
//!
//! Owns every statement that creates or changes a table, for both databases. It deliberately imports nothing of the
//! other crates: a migration names its own columns, so that it still means the same after the entities have moved on.
//! Columns are explained where they are read, in the store's entities.

mod m20261123_000001_access;
mod m20261123_000002_repos;
mod m20261123_000003_blobs;
mod m20261123_000004_listings;
mod m20261123_000005_commits;
mod m20261123_000006_refs;
mod m20261123_000007_mirrors;
mod m20261123_000008_jobs;
mod m20261123_000009_events;
mod m20261123_000010_uploads;
mod m20261123_000011_found;
mod m20261123_000012_gates;
mod m20261123_000013_search;
mod m20261123_000014_collections;
mod m20261123_000015_orders;
mod m20261123_000016_schedules;
mod m20261123_000017_webhooks;
mod m20261123_000018_steering;
mod script;

pub use sea_orm_migration::MigratorTrait;
use sea_orm_migration::async_trait::async_trait;
use sea_orm_migration::sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, SqliteTransactionMode, TransactionOptions, TransactionTrait,
};
use sea_orm_migration::{DbErr, MigrationTrait};

/// Key of the Postgres advisory lock that makes replicas starting at once migrate one after the other.
const ADVISORY_LOCK: i64 = 0x6163_6572_766f; // "acervo"

/// The ordered list of migrations.
#[derive(Debug)]
pub struct Migrator;

#[async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261123_000001_access::Migration),
            Box::new(m20261123_000002_repos::Migration),
            Box::new(m20261123_000003_blobs::Migration),
            Box::new(m20261123_000004_listings::Migration),
            Box::new(m20261123_000005_commits::Migration),
            Box::new(m20261123_000006_refs::Migration),
            Box::new(m20261123_000007_mirrors::Migration),
            Box::new(m20261123_000008_jobs::Migration),
            Box::new(m20261123_000009_events::Migration),
            Box::new(m20261123_000010_uploads::Migration),
            Box::new(m20261123_000011_found::Migration),
            Box::new(m20261123_000012_gates::Migration),
            Box::new(m20261123_000013_search::Migration),
            Box::new(m20261123_000014_collections::Migration),
            Box::new(m20261123_000015_orders::Migration),
            Box::new(m20261123_000016_schedules::Migration),
            Box::new(m20261123_000017_webhooks::Migration),
            Box::new(m20261123_000018_steering::Migration),
        ]
    }
}

/// Brings the database to this binary's schema: all pending migrations in one transaction, or none.
///
/// Safe to call from several processes at once; an up-to-date database is only read.
pub async fn up(db: &DatabaseConnection) -> Result<(), DbErr> {
    let pending = Migrator::get_pending_migrations_read_only(db).await.map_err(newer_schema)?;
    if pending.is_empty() {
        return Ok(());
    }
    let transaction = db
        .begin_with_options(TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        })
        .await?;
    if transaction.get_database_backend() == DbBackend::Postgres {
        // A migration may take long, and so may waiting for another process that migrates.
        transaction.execute_unprepared("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0").await?;
        transaction.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({ADVISORY_LOCK})")).await?;
    }
    // Reads again, under the lock, which migrations are pending.
    Migrator::up(&transaction, None).await.map_err(newer_schema)?;
    transaction.commit().await
}

/// Says what to do about applied migrations that this binary does not have.
fn newer_schema(error: DbErr) -> DbErr {
    match error {
        DbErr::Custom(text) => DbErr::Migration(format!(
            "the database was migrated by a newer version of acervo; start that version, or restore the backup taken \
             before the upgrade ({text})"
        )),
        other => other,
    }
}
