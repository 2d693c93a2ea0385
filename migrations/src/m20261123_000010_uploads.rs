//! Uploads to an object store that are under way, and the parts that have arrived there.

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
CREATE TABLE multipart_upload (
    id         $ID,
    sha256     $BYTES NOT NULL CHECK (length(sha256) = 32), -- not unique: two transfers of one content do not mix
    size       bigint NOT NULL CHECK (size >= 0),
    part_bytes bigint NOT NULL CHECK (part_bytes > 0),
    upload_id  text NOT NULL,
    holder     $UUID,
    fence      bigint NOT NULL,
    created_at bigint NOT NULL,
    touched_at bigint NOT NULL,
    aborted_at bigint
);
CREATE INDEX multipart_upload_content ON multipart_upload (sha256);
CREATE INDEX multipart_upload_touched ON multipart_upload (touched_at);

CREATE TABLE multipart_part (
    upload_id bigint NOT NULL REFERENCES multipart_upload (id) ON DELETE CASCADE,
    number    integer NOT NULL,
    part_id   text NOT NULL,
    state     $BYTES NOT NULL,
    PRIMARY KEY (upload_id, number)
) $CLUSTERED;
";

const DOWN: &str = "
DROP TABLE multipart_part;
DROP TABLE multipart_upload;
";
