//! A unit of work: statements on one connection, kept or undone together.

use sqlx::error::BoxDynError;

use super::{engine::Engine, error::failed, param::Param, port::StoreError};
use crate::{
    audit_lines,
    domain::{
        audit::{Entry, Event, Sha256},
        error::Fault,
    },
};

/// The connection that one step of the store works on. A step that writes is
/// a transaction, which is committed when the step returns `Ok`.
pub(super) struct Unit<'c, DB: Engine> {
    connection: &'c mut DB::Connection,
    sha256: Sha256,
    undone: bool,
    lines: Vec<Line>,
}

/// What is told of a step once it is committed.
pub(super) enum Line {
    Entry(Entry),
    Event(Event),
}

impl Line {
    pub(super) fn tell(&self) {
        match self {
            Self::Entry(entry) => audit_lines::entry(entry),
            Self::Event(event) => audit_lines::event(event),
        }
    }
}

impl<'c, DB: Engine> Unit<'c, DB> {
    pub(super) fn new(connection: &'c mut DB::Connection, sha256: Sha256) -> Self {
        Self { connection, sha256, undone: false, lines: Vec::new() }
    }

    /// Starts a statement; arguments follow in the order of their numbers.
    pub(super) fn query(&mut self, sql: &'static str) -> Query<'_, DB> {
        Query { connection: self.connection, sql, arguments: Ok(DB::Arguments::default()) }
    }

    /// Seals the entries of the audit log.
    pub(super) fn sha256(&self) -> Sha256 {
        self.sha256
    }

    /// An entry of the audit log is told of once this step is committed.
    pub(super) fn tell_entry(&mut self, entry: Entry) {
        self.lines.push(Line::Entry(entry));
    }

    /// The same, for what happens so often that the table does not keep it.
    pub(super) fn tell(&mut self, event: Event) {
        self.lines.push(Line::Event(event));
    }

    /// What is to be told.
    pub(super) fn into_lines(self) -> Vec<Line> {
        self.lines
    }

    /// Undoes what this step has written, once it returns `Ok`.
    pub(super) fn undo(&mut self) {
        self.undone = true;
    }

    pub(super) fn is_undone(&self) -> bool {
        self.undone
    }
}

/// A statement that is being given its arguments.
pub(super) struct Query<'u, DB: Engine> {
    connection: &'u mut DB::Connection,
    sql: &'static str,
    arguments: Result<DB::Arguments, BoxDynError>,
}

impl<DB: Engine> Query<'_, DB> {
    /// The next argument.
    pub(super) fn bind(mut self, param: impl Into<Param>) -> Self {
        if let Ok(arguments) = &mut self.arguments
            && let Err(error) = DB::add(arguments, param.into())
        {
            self.arguments = Err(error);
        }
        self
    }

    /// Every row.
    pub(super) async fn all(self) -> Result<Vec<DB::Row>, StoreError> {
        let refused = |error| StoreError::Corrupt(Fault::caused_by("an argument", error));
        let rows = DB::fetch(self.connection, self.sql, self.arguments.map_err(refused)?);
        rows.await.map_err(|error| failed::<DB>(self.sql, error))
    }

    /// The one row, if there is one.
    pub(super) async fn optional(self) -> Result<Option<DB::Row>, StoreError> {
        Ok(self.all().await?.into_iter().next())
    }

    /// The one row that must be there.
    pub(super) async fn one(self) -> Result<DB::Row, StoreError> {
        let sql = self.sql;
        let missing = || StoreError::Corrupt(Fault::from(format!("no row came back: {sql}")));
        self.optional().await?.ok_or_else(missing)
    }

    /// Runs it for its effect.
    pub(super) async fn run(self) -> Result<(), StoreError> {
        self.all().await.map(|_| ())
    }
}
