//! Stored bytes that were found in the store and not fetched.

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
ALTER TABLE provenance ADD COLUMN way text NOT NULL DEFAULT 'fetched';
";

const DOWN: &str = "
ALTER TABLE provenance DROP COLUMN way;
";
