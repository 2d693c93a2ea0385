//! Webhooks: how far each has taken over the events, and what became of each event that it was to be told.
//!
//! What a hook is stands in the configuration; rows outlive it there.

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
CREATE TABLE webhook (
    name       $KEY PRIMARY KEY NOT NULL,
    taken_seq  bigint NOT NULL,
    created_at bigint NOT NULL
);

CREATE TABLE webhook_delivery (
    id              $UUID PRIMARY KEY NOT NULL,
    hook            $KEY NOT NULL,
    event_seq       bigint NOT NULL REFERENCES event (seq),
    state           text NOT NULL,
    attempts        integer NOT NULL,
    next_attempt_at bigint NOT NULL,
    lease_until     bigint,
    fence           bigint NOT NULL,
    attempted_at    bigint,
    last_status     integer,
    last_error      text,
    created_at      bigint NOT NULL,
    ended_at        bigint
);
CREATE UNIQUE INDEX webhook_delivery_once ON webhook_delivery (event_seq, hook);
CREATE INDEX webhook_delivery_due ON webhook_delivery (hook, state, event_seq);
CREATE INDEX webhook_delivery_ended ON webhook_delivery (state, ended_at);
";

const DOWN: &str = "
DROP TABLE webhook_delivery;
DROP TABLE webhook;
";
