//! Standing orders: what a file or the API asks for, and what each mirror follows, holds and is due by.
//!
//! Mirrors that were there keep what they have: they belong to no order, and the new columns say what was done anyway. No
//! column goes, so that an older version can work beside this one while replicas are replaced.

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
CREATE TABLE mirror_order (
    id         $ID,
    name       $KEY NOT NULL UNIQUE,
    managed_by text NOT NULL,
    spec       $JSON NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    created_by bigint REFERENCES principal (id)
);
CREATE INDEX mirror_order_creator ON mirror_order (created_by);

-- One of `mirror_order`; no constraint says so, since SQLite drops no column that has one.
ALTER TABLE mirror ADD COLUMN order_id bigint;
-- What of the rules has no column of its own from before.
ALTER TABLE mirror ADD COLUMN further_rules $JSON NOT NULL DEFAULT '{}';
ALTER TABLE mirror ADD COLUMN priority integer NOT NULL DEFAULT 0;
ALTER TABLE mirror ADD COLUMN next_run_at bigint;
CREATE INDEX mirror_of_order ON mirror (order_id);
CREATE INDEX mirror_due ON mirror (next_run_at);

-- The order that gave this role, if one did; the others are not its business.
ALTER TABLE access_grant ADD COLUMN order_id bigint;
CREATE INDEX access_grant_of_order ON access_grant (order_id);
";

const DOWN: &str = "
DROP INDEX access_grant_of_order;
ALTER TABLE access_grant DROP COLUMN order_id;
DROP INDEX mirror_due;
DROP INDEX mirror_of_order;
ALTER TABLE mirror DROP COLUMN next_run_at;
ALTER TABLE mirror DROP COLUMN priority;
ALTER TABLE mirror DROP COLUMN further_rules;
ALTER TABLE mirror DROP COLUMN order_id;
DROP TABLE mirror_order;
";
