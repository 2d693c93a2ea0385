//! The ledger of what upstreams may be asked: rows that all processes of an installation share.

use std::sync::Arc;

use acervo_core::Timestamp;
use acervo_core::budget::{Asked, Given};
use acervo_store::db::{Database, budgets};
use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::clock::Clock;
use crate::upstream::{Ledger, LedgerError};

/// Budgets in the database.
#[derive(Clone, Debug)]
pub struct SharedBudgets {
    db: Database,
    clock: Arc<Clock>,
}

impl SharedBudgets {
    /// Budgets in this database, by this clock.
    pub fn new(db: &Database, clock: &Arc<Clock>) -> Self {
        SharedBudgets { db: db.clone(), clock: Arc::clone(clock) }
    }
}

impl Ledger for SharedBudgets {
    fn clock(&self) -> &Arc<Clock> {
        &self.clock
    }

    fn take<'a>(&'a self, asked: Asked<'a>) -> BoxFuture<'a, Result<Given, LedgerError>> {
        async move { Ok(budgets::take(self.db.writer(), asked).await?) }.boxed()
    }

    fn held_until<'a>(
        &'a self,
        source: &'a str,
        background: bool,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Timestamp>, LedgerError>> {
        async move { Ok(budgets::held_until(self.db.reader(), source, background, now).await?) }.boxed()
    }

    fn hold<'a>(
        &'a self,
        source: &'a str,
        background_only: bool,
        until: Timestamp,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), LedgerError>> {
        async move { Ok(budgets::hold(self.db.writer(), source, background_only, until, now).await?) }.boxed()
    }
}
