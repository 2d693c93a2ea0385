//! Movable names of commits, and every move they made.

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
CREATE TABLE repo_ref (
    id               $ID,
    repo_id          bigint NOT NULL REFERENCES repo (id),
    kind             text NOT NULL,
    name             $KEY NOT NULL,
    served_commit_id bigint REFERENCES repo_commit (id),
    upstream_oid     $BYTES CHECK (length(upstream_oid) = 20),
    upstream_seen_at bigint,
    updated_at       bigint NOT NULL,
    UNIQUE (repo_id, kind, name)
);
CREATE INDEX repo_ref_served_commit ON repo_ref (served_commit_id);

CREATE TABLE ref_event (
    id      $ID,
    repo_id bigint NOT NULL REFERENCES repo (id),
    kind    text NOT NULL,
    name    $KEY NOT NULL,
    old_oid $BYTES CHECK (length(old_oid) = 20),
    new_oid $BYTES CHECK (length(new_oid) = 20),
    cause   text NOT NULL,
    at      bigint NOT NULL
);
CREATE INDEX ref_event_repo ON ref_event (repo_id);
";

const DOWN: &str = "
DROP TABLE ref_event;
DROP TABLE repo_ref;
";
