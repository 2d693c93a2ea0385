//! Stored bytes, where they came from, and bytes that were refused.

use sea_orm_migration::async_trait::async_trait;
use sea_orm_migration::sea_orm::DeriveMigrationName;
use sea_orm_migration::{DbErr, MigrationTrait, SchemaManager};

use crate::script;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        script::run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        script::run(manager, DOWN).await
    }
}

const UP: &str = "
CREATE TABLE blob (
    id             $ID,
    sha256         $BYTES NOT NULL UNIQUE CHECK (length(sha256) = 32),
    size           bigint NOT NULL CHECK (size >= 0),
    created_at     bigint NOT NULL,
    verified_at    bigint NOT NULL,
    quarantined_at bigint
);

CREATE TABLE provenance (
    id            $ID,
    blob_id       bigint NOT NULL REFERENCES blob (id),
    repo_id       bigint NOT NULL REFERENCES repo (id),
    endpoint      text NOT NULL,
    upstream_name text NOT NULL,
    commit_oid    $BYTES NOT NULL CHECK (length(commit_oid) = 20),
    path          $KEY NOT NULL,
    verified_by   text NOT NULL,
    job_id        $UUID, -- not a foreign key: what is known of bytes outlives the record of the job
    received_at   bigint NOT NULL
);
CREATE INDEX provenance_blob ON provenance (blob_id);
CREATE INDEX provenance_repo ON provenance (repo_id);

CREATE TABLE quarantine (
    id              $ID,
    repo_id         bigint REFERENCES repo (id) ON DELETE SET NULL,
    endpoint        text NOT NULL,
    path            $KEY NOT NULL,
    declared_oid    $BYTES CHECK (length(declared_oid) = 20),
    declared_sha256 $BYTES CHECK (length(declared_sha256) = 32),
    declared_size   bigint NOT NULL,
    actual_sha256   $BYTES CHECK (length(actual_sha256) = 32),
    actual_size     bigint NOT NULL,
    reason          text NOT NULL,
    at              bigint NOT NULL,
    job_id          $UUID
);
CREATE INDEX quarantine_repo ON quarantine (repo_id);
";

const DOWN: &str = "
DROP TABLE quarantine;
DROP TABLE provenance;
DROP TABLE blob;
";
