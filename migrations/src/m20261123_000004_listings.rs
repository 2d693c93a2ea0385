//! Listings: segments of entries, shared by the commits of a repository.

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
CREATE TABLE entry_segment (
    id          $ID,
    repo_id     bigint NOT NULL REFERENCES repo (id),
    digest      $BYTES NOT NULL CHECK (length(digest) = 32),
    entry_count integer NOT NULL,
    created_at  bigint NOT NULL,
    UNIQUE (repo_id, digest)
);

CREATE TABLE tree_entry (
    segment_id       bigint NOT NULL REFERENCES entry_segment (id),
    path             $KEY NOT NULL,
    parent           $KEY NOT NULL,
    kind             text NOT NULL,
    size             bigint NOT NULL CHECK (size >= 0),
    oid              $BYTES NOT NULL CHECK (length(oid) = 20),
    lfs_sha256       $BYTES CHECK (length(lfs_sha256) = 32),
    lfs_pointer_size bigint,
    blob_id          bigint REFERENCES blob (id),
    PRIMARY KEY (segment_id, path)
) $CLUSTERED;
CREATE INDEX tree_entry_oid ON tree_entry (oid);
CREATE INDEX tree_entry_parent ON tree_entry (segment_id, parent);
-- Most entries are neither LFS nor stored here: only those that are stand in these.
CREATE INDEX tree_entry_blob ON tree_entry (blob_id) WHERE blob_id IS NOT NULL;
CREATE INDEX tree_entry_lfs ON tree_entry (lfs_sha256) WHERE lfs_sha256 IS NOT NULL;

CREATE TABLE listing (
    id          $ID,
    repo_id     bigint NOT NULL REFERENCES repo (id),
    digest      $BYTES NOT NULL CHECK (length(digest) = 32),
    entry_count bigint NOT NULL,
    file_count  bigint NOT NULL,
    total_bytes bigint NOT NULL,
    created_at  bigint NOT NULL,
    UNIQUE (repo_id, digest)
);

CREATE TABLE listing_segment (
    listing_id bigint NOT NULL REFERENCES listing (id),
    ordinal    integer NOT NULL,
    first_path $KEY NOT NULL,
    segment_id bigint NOT NULL REFERENCES entry_segment (id),
    PRIMARY KEY (listing_id, ordinal)
) $CLUSTERED;
CREATE INDEX listing_segment_path ON listing_segment (listing_id, first_path);
CREATE INDEX listing_segment_segment ON listing_segment (segment_id);
";

const DOWN: &str = "
DROP TABLE listing_segment;
DROP TABLE listing;
DROP TABLE tree_entry;
DROP TABLE entry_segment;
";
