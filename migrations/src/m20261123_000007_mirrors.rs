//! Standing orders to mirror.

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
CREATE TABLE mirror (
    id                $ID,
    repo_id           bigint NOT NULL UNIQUE REFERENCES repo (id),
    upstream_endpoint text NOT NULL,
    upstream_name     text NOT NULL,
    revisions         $JSON NOT NULL,
    include           $JSON NOT NULL,
    exclude           $JSON NOT NULL,
    managed_by        text NOT NULL,
    paused            boolean NOT NULL,
    schedule          text,
    created_at        bigint NOT NULL,
    updated_at        bigint NOT NULL,
    created_by        bigint REFERENCES principal (id),
    last_job_id       $UUID, -- not a foreign key: finished jobs are pruned
    last_synced_at    bigint
);
CREATE INDEX mirror_creator ON mirror (created_by);
";

const DOWN: &str = "
DROP TABLE mirror;
";
