//! Collections: repositories that somebody puts together under a title.

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
CREATE TABLE collection (
    id           $ID,
    public_id    $KEY NOT NULL UNIQUE CHECK (length(public_id) = 24),
    namespace_id bigint NOT NULL REFERENCES namespace (id),
    title        text NOT NULL,
    description  text,
    folded       text NOT NULL,
    theme        text NOT NULL,
    visibility   text NOT NULL,
    position     bigint NOT NULL,
    created_by   bigint REFERENCES principal (id),
    created_at   bigint NOT NULL,
    updated_at   bigint NOT NULL
);
CREATE INDEX collection_by_namespace ON collection (namespace_id);
CREATE INDEX collection_by_update ON collection (updated_at, public_id);
CREATE INDEX collection_by_creator ON collection (created_by);

CREATE TABLE collection_item (
    id            $ID,
    public_id     $KEY NOT NULL UNIQUE CHECK (length(public_id) = 24),
    collection_id bigint NOT NULL REFERENCES collection (id) ON DELETE CASCADE,
    repo_id       bigint NOT NULL REFERENCES repo (id),
    position      bigint NOT NULL,
    note          text,
    added_by      bigint REFERENCES principal (id),
    added_at      bigint NOT NULL,
    UNIQUE (collection_id, repo_id)
);
CREATE INDEX collection_item_by_position ON collection_item (collection_id, position);
CREATE INDEX collection_item_by_repo ON collection_item (repo_id);
CREATE INDEX collection_item_by_adder ON collection_item (added_by);
";

const DOWN: &str = "
DROP TABLE collection_item;
DROP TABLE collection;
";
