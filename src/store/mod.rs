//! What must survive: users, sessions, the revocation log. One body of SQL
//! serves SQLite and PostgreSQL.
//!
//! - [`port`] is what others see; [`connect()`] gives it.
//! - [`sql`] has every statement. `accounts`, `users`, `clients`, `sessions`,
//!   `rotation`, `passwords`, `one_time`, `revoke`, `log`, `audit`, `throttle` and `instance` are the steps that use them, `rows` turns
//!   what comes back into domain values.
//! - `inspect` looks at a database and changes nothing; `renewal` is what becomes of a restored one.
//! - `body` has a method for each step and `step` runs it as a unit of work;
//!   `engine` is all that differs between the engines; `sqlite` and `postgres`
//!   open them.

mod accounts;
mod audit;
mod body;
mod clients;
mod connect;
mod engine;
mod error;
mod inspect;
mod instance;
mod log;
mod migrate;
mod one_time;
mod param;
mod passwords;
pub mod port;
mod postgres;
mod renewal;
mod revoke;
mod rotation;
mod rows;
mod sessions;
pub mod sql;
mod sqlite;
mod step;
mod throttle;
mod unit;
mod users;

pub use connect::{ConnectError, StoreOptions, connect, migrate, renew, snapshot, sqlite_file};
pub use inspect::{Inspection, InspectionError, inspect};
pub use migrate::migrations;
pub use renewal::{Renewal, RenewalError, Renewed};
