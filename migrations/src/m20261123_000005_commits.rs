//! Commits, and what was read from them or decided about them.

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
CREATE TABLE repo_commit (
    id                  $ID,
    repo_id             bigint NOT NULL REFERENCES repo (id),
    oid                 $BYTES NOT NULL CHECK (length(oid) = 20),
    state               text NOT NULL,
    title               text NOT NULL,
    message             text NOT NULL,
    authors             $JSON NOT NULL,
    committed_at        bigint,
    predecessor         $BYTES CHECK (length(predecessor) = 20),
    upstream_listing_id bigint REFERENCES listing (id),
    served_listing_id   bigint REFERENCES listing (id),
    selection           $JSON,
    upstream_info       $JSON,
    created_at          bigint NOT NULL,
    published_at        bigint,
    UNIQUE (repo_id, oid)
);
CREATE INDEX repo_commit_upstream_listing ON repo_commit (upstream_listing_id);
CREATE INDEX repo_commit_served_listing ON repo_commit (served_listing_id);

CREATE TABLE commit_tag (
    commit_id bigint NOT NULL REFERENCES repo_commit (id),
    tag       $KEY NOT NULL,
    PRIMARY KEY (commit_id, tag)
) $CLUSTERED;
CREATE INDEX commit_tag_tag ON commit_tag (tag);

CREATE TABLE card (
    commit_id    bigint PRIMARY KEY REFERENCES repo_commit (id),
    blob_id      bigint NOT NULL REFERENCES blob (id),
    front_matter $BYTES,
    data         $JSON,
    parse_error  text,
    created_at   bigint NOT NULL
);
CREATE INDEX card_blob ON card (blob_id);

CREATE TABLE decision (
    id            $ID,
    commit_id     bigint NOT NULL REFERENCES repo_commit (id),
    outcome       text NOT NULL,
    decided_by    bigint REFERENCES principal (id),
    policy_digest $BYTES CHECK (length(policy_digest) = 32),
    reason        text NOT NULL,
    expires_at    bigint,
    at            bigint NOT NULL
);
CREATE INDEX decision_commit ON decision (commit_id);
CREATE INDEX decision_principal ON decision (decided_by);
";

const DOWN: &str = "
DROP TABLE decision;
DROP TABLE card;
DROP TABLE commit_tag;
DROP TABLE repo_commit;
";
