//! Statements that are put together from parts, with the values they are bound to.
//!
//! For questions whose shape depends on what is asked. Both databases number their values `$1`, `$2` and so on.

use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Statement, Value};

use crate::error::{Doing, StoreError};

/// A statement in the making.
#[derive(Clone, Debug)]
pub(super) struct Sql {
    /// Which database it is for.
    pub(super) backend: DbBackend,
    text: String,
    values: Vec<Value>,
}

impl Sql {
    /// An empty one, for this database.
    pub(super) fn new(db: &impl ConnectionTrait) -> Sql {
        Sql { backend: db.get_database_backend(), text: String::new(), values: Vec::new() }
    }

    /// Adds text; never anything that a caller brought.
    pub(super) fn push(&mut self, text: &str) -> &mut Sql {
        self.text.push_str(text);
        self
    }

    /// Adds a value.
    pub(super) fn bind(&mut self, value: impl Into<Value>) -> &mut Sql {
        self.values.push(value.into());
        self.text.push_str(&format!("${}", self.values.len()));
        self
    }

    /// Adds numbers of our own, between commas.
    pub(super) fn numbers(&mut self, numbers: &[i64]) -> &mut Sql {
        let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
        self.push(&numbers.join(", "))
    }

    /// The rows that the statement finds.
    pub(super) async fn rows<T: FromQueryResult>(
        self,
        db: &impl ConnectionTrait,
        doing: &'static str,
    ) -> Result<Vec<T>, StoreError> {
        T::find_by_statement(Statement::from_sql_and_values(self.backend, self.text, self.values))
            .all(db)
            .await
            .doing(doing)
    }

    /// Runs a statement that changes rows.
    pub(super) async fn run(self, db: &impl ConnectionTrait, doing: &'static str) -> Result<(), StoreError> {
        db.execute_raw(Statement::from_sql_and_values(self.backend, self.text, self.values)).await.doing(doing)?;
        Ok(())
    }
}
