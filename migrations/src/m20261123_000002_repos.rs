//! Repositories, their other names, and the grants on them.

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
CREATE TABLE repo (
    id                  $ID,
    public_id           $KEY NOT NULL UNIQUE CHECK (length(public_id) = 24),
    kind                text NOT NULL,
    namespace_id        bigint NOT NULL REFERENCES namespace (id),
    name                text NOT NULL,
    full_name           text NOT NULL,
    full_name_lower     $KEY NOT NULL,
    visibility          text NOT NULL,
    gated               text NOT NULL,
    origin              text NOT NULL,
    upstream_endpoint   text,
    upstream_name       text,
    upstream_created_at bigint,
    default_branch      text NOT NULL,
    downloads           bigint NOT NULL DEFAULT 0,
    created_at          bigint NOT NULL,
    updated_at          bigint NOT NULL,
    UNIQUE (kind, full_name_lower)
);
CREATE INDEX repo_namespace ON repo (namespace_id);

CREATE TABLE repo_alias (
    id          $ID,
    kind        text NOT NULL,
    alias_lower $KEY NOT NULL,
    alias       text NOT NULL,
    repo_id     bigint NOT NULL REFERENCES repo (id),
    cause       text NOT NULL,
    created_at  bigint NOT NULL,
    UNIQUE (kind, alias_lower)
);
CREATE INDEX repo_alias_repo ON repo_alias (repo_id);

CREATE TABLE access_grant (
    id           $ID,
    principal_id bigint NOT NULL REFERENCES principal (id),
    scope        text NOT NULL,
    namespace_id bigint REFERENCES namespace (id),
    repo_id      bigint REFERENCES repo (id),
    role         text NOT NULL,
    created_at   bigint NOT NULL,
    created_by   bigint REFERENCES principal (id),
    CHECK (
        (scope = 'hub' AND namespace_id IS NULL AND repo_id IS NULL)
        OR (scope = 'namespace' AND namespace_id IS NOT NULL AND repo_id IS NULL)
        OR (scope = 'repo' AND namespace_id IS NULL AND repo_id IS NOT NULL)
    )
);
CREATE UNIQUE INDEX access_grant_hub ON access_grant (principal_id, role) WHERE scope = 'hub';
CREATE UNIQUE INDEX access_grant_namespace ON access_grant (principal_id, namespace_id, role) WHERE scope = 'namespace';
CREATE UNIQUE INDEX access_grant_repo ON access_grant (principal_id, repo_id, role) WHERE scope = 'repo';
CREATE INDEX access_grant_by_principal ON access_grant (principal_id);
CREATE INDEX access_grant_by_namespace ON access_grant (namespace_id);
CREATE INDEX access_grant_by_repo ON access_grant (repo_id);
CREATE INDEX access_grant_by_creator ON access_grant (created_by);
";

const DOWN: &str = "
DROP TABLE access_grant;
DROP TABLE repo_alias;
DROP TABLE repo;
";
