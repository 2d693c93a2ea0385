//! What happened, in order, and the counter by which caches notice it.

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
CREATE TABLE event (
    id       $ID,
    seq      bigint UNIQUE,
    at       bigint NOT NULL,
    kind     text NOT NULL,
    actor_id bigint REFERENCES principal (id),
    repo_id  bigint REFERENCES repo (id) ON DELETE SET NULL, -- events outlive what they speak of
    subject  text NOT NULL,
    body     $BYTES NOT NULL
);
CREATE INDEX event_actor ON event (actor_id);
CREATE INDEX event_repo ON event (repo_id);

CREATE TABLE generation (
    id    integer PRIMARY KEY NOT NULL CHECK (id = 1),
    value bigint NOT NULL
);
INSERT INTO generation (id, value) VALUES (1, 0);
";

const DOWN: &str = "
DROP TABLE generation;
DROP TABLE event;
";
