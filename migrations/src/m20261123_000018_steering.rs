//! Jobs that are steered and looked at, and repositories that people ask for.
//!
//! Jobs that were there learn which repository they are about from the key that kept a second one away. No column goes, so
//! that an older version can work beside this one while replicas are replaced; it claims no job that is paused.

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
ALTER TABLE job ADD COLUMN pause_requested boolean NOT NULL DEFAULT false;
-- A repository's; no constraint says so, since SQLite drops no column that has one.
ALTER TABLE job ADD COLUMN repo_id bigint;
UPDATE job SET repo_id = CAST(substr(dedup_key, 6) AS bigint) WHERE dedup_key LIKE 'sync:%';
DROP INDEX job_dedup;
CREATE UNIQUE INDEX job_dedup ON job (dedup_key) WHERE state IN ('queued', 'running', 'paused');
CREATE INDEX job_of_repo ON job (repo_id);
CREATE INDEX job_ended ON job (finished_at);

CREATE TABLE job_log (
    job_id $UUID NOT NULL REFERENCES job (id),
    seq    integer NOT NULL,
    at     bigint NOT NULL,
    level  text NOT NULL,
    text   text NOT NULL,
    PRIMARY KEY (job_id, seq)
) $CLUSTERED;

CREATE TABLE mirror_request (
    id         $ID,
    public_id  $KEY NOT NULL UNIQUE CHECK (length(public_id) = 24),
    asked_by   bigint REFERENCES principal (id),
    kind       text NOT NULL,
    name       text NOT NULL,
    name_lower $KEY NOT NULL,
    revisions  $JSON NOT NULL,
    reason     text NOT NULL,
    state      text NOT NULL,
    asked_at   bigint NOT NULL,
    decided_at bigint,
    decided_by bigint REFERENCES principal (id),
    answer     text,
    repo_id    bigint REFERENCES repo (id),
    job_id     $UUID -- not a foreign key: the record of the job goes after a while
);
CREATE INDEX mirror_request_by_asker ON mirror_request (asked_by, state);
CREATE INDEX mirror_request_by_decider ON mirror_request (decided_by);
CREATE INDEX mirror_request_by_repo ON mirror_request (repo_id);
";

const DOWN: &str = "
DROP TABLE mirror_request;
DROP TABLE job_log;
DROP INDEX job_ended;
DROP INDEX job_of_repo;
DROP INDEX job_dedup;
UPDATE job SET state = 'cancelled', finished_at = run_at WHERE state = 'paused';
CREATE UNIQUE INDEX job_dedup ON job (dedup_key) WHERE state IN ('queued', 'running');
ALTER TABLE job DROP COLUMN repo_id;
ALTER TABLE job DROP COLUMN pause_requested;
";
