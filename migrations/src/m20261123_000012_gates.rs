//! Gates: terms, who accepted which of them, and who asked to be let in.
//!
//! `repo.gated` told what upstream does; from here on it tells what this hub does, and what upstream says stands beside
//! it. A mirror of a repository that upstream gates was open to all who could see it: it gets a gate here.

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
CREATE TABLE terms (
    sha256     $BYTES NOT NULL PRIMARY KEY CHECK (length(sha256) = 32),
    body       text NOT NULL,
    created_at bigint NOT NULL
);

ALTER TABLE repo ADD COLUMN upstream_gated text NOT NULL DEFAULT 'none';
-- One of `terms`; no constraint says so, since SQLite drops no column that has one.
ALTER TABLE repo ADD COLUMN gate_terms $BYTES;
ALTER TABLE repo ADD COLUMN gate_chosen boolean NOT NULL DEFAULT false;
UPDATE repo SET upstream_gated = gated;
UPDATE repo SET gated = 'manual' WHERE gated <> 'none';

CREATE TABLE access_request (
    id           $ID,
    public_id    $KEY NOT NULL UNIQUE CHECK (length(public_id) = 24),
    repo_id      bigint NOT NULL REFERENCES repo (id),
    principal_id bigint NOT NULL REFERENCES principal (id),
    state        text NOT NULL,
    granted      boolean NOT NULL,
    asked_at     bigint NOT NULL,
    decided_at   bigint,
    decided_by   bigint REFERENCES principal (id),
    reason       text,
    UNIQUE (repo_id, principal_id)
);
CREATE INDEX access_request_by_principal ON access_request (principal_id);
CREATE INDEX access_request_by_decider ON access_request (decided_by);

CREATE TABLE terms_consent (
    principal_id bigint NOT NULL REFERENCES principal (id),
    repo_id      bigint NOT NULL REFERENCES repo (id),
    terms        $BYTES NOT NULL REFERENCES terms (sha256),
    accepted_at  bigint NOT NULL,
    PRIMARY KEY (principal_id, repo_id, terms)
) $CLUSTERED;
CREATE INDEX terms_consent_by_repo ON terms_consent (repo_id);
CREATE INDEX terms_consent_by_terms ON terms_consent (terms);
";

const DOWN: &str = "
DROP TABLE terms_consent;
DROP TABLE access_request;
UPDATE repo SET gated = upstream_gated;
ALTER TABLE repo DROP COLUMN gate_chosen;
ALTER TABLE repo DROP COLUMN gate_terms;
ALTER TABLE repo DROP COLUMN upstream_gated;
DROP TABLE terms;
";
