//! Jobs waiting, running and done, and the processes that work them.

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
CREATE TABLE job (
    id               $UUID PRIMARY KEY NOT NULL,
    kind             text NOT NULL,
    payload          $JSON NOT NULL,
    state            text NOT NULL,
    dedup_key        $KEY,
    priority         integer NOT NULL,
    run_at           bigint NOT NULL,
    attempts         integer NOT NULL,
    attempts_max     integer NOT NULL,
    lease_until      bigint,
    fence            bigint NOT NULL,
    worker_id        $UUID, -- not a foreign key: a worker that died is swept before its jobs are taken over
    heartbeat_at     bigint,
    progress         $JSON,
    outcome          $JSON,
    error            text,
    cancel_requested boolean NOT NULL,
    created_by       bigint REFERENCES principal (id),
    created_at       bigint NOT NULL,
    started_at       bigint,
    finished_at      bigint
);
CREATE UNIQUE INDEX job_dedup ON job (dedup_key) WHERE state IN ('queued', 'running');
CREATE INDEX job_due ON job (state, run_at, priority);
CREATE INDEX job_creator ON job (created_by);

CREATE TABLE worker (
    id           $UUID PRIMARY KEY NOT NULL,
    host         text NOT NULL,
    pid          integer NOT NULL,
    started_at   bigint NOT NULL,
    heartbeat_at bigint NOT NULL
);
";

const DOWN: &str = "
DROP TABLE worker;
DROP TABLE job;
";
