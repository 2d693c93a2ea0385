//! Schedules that run by themselves: whose turn it is, what an upstream may still be asked, and what it said last.
//!
//! No column goes, so that an older version can work beside this one while replicas are replaced.

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
-- Namespace that a job works for, in lower case: workers take turns between them.
ALTER TABLE job ADD COLUMN organization text;
CREATE INDEX job_turn ON job (organization, started_at);

-- What upstream said of the repository when it was last asked.
ALTER TABLE mirror ADD COLUMN seen $JSON;

-- When upstreams are asked next which repositories the patterns of an order find.
ALTER TABLE mirror_order ADD COLUMN next_run_at bigint;

CREATE TABLE upstream_budget (
    source                $KEY NOT NULL PRIMARY KEY,
    window_start          bigint NOT NULL,
    taken                 bigint NOT NULL,
    held_until            bigint NOT NULL,
    background_held_until bigint NOT NULL
) $CLUSTERED;
";

const DOWN: &str = "
DROP TABLE upstream_budget;
ALTER TABLE mirror_order DROP COLUMN next_run_at;
ALTER TABLE mirror DROP COLUMN seen;
DROP INDEX job_turn;
ALTER TABLE job DROP COLUMN organization;
";
