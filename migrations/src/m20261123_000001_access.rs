//! Who may ask: principals, the namespaces they own, and their tokens.

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
CREATE TABLE principal (
    id           $ID,
    kind         text NOT NULL,
    name         text NOT NULL,
    name_lower   $KEY NOT NULL UNIQUE,
    display_name text,
    email        text,
    disabled_at  bigint,
    created_at   bigint NOT NULL
);

CREATE TABLE namespace (
    id         $ID,
    name       text NOT NULL,
    name_lower $KEY NOT NULL UNIQUE,
    kind       text NOT NULL,
    owner_id   bigint REFERENCES principal (id),
    origin     text NOT NULL,
    reserved   boolean NOT NULL,
    created_at bigint NOT NULL
);
CREATE INDEX namespace_owner ON namespace (owner_id);

CREATE TABLE api_token (
    id           $ID,
    principal_id bigint NOT NULL REFERENCES principal (id),
    name         text NOT NULL,
    hash         $BYTES NOT NULL UNIQUE CHECK (length(hash) = 32),
    hint         text NOT NULL,
    role         text NOT NULL,
    created_at   bigint NOT NULL,
    expires_at   bigint,
    revoked_at   bigint,
    last_used_at bigint
);
CREATE INDEX api_token_principal ON api_token (principal_id);
";

const DOWN: &str = "
DROP TABLE api_token;
DROP TABLE namespace;
DROP TABLE principal;
";
