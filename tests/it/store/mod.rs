//! The store's contract, written once and run on both engines.
//!
//! What can be asked through the port, or counted, is run on the store in
//! memory too (`tests/it/memory_store`), on which proofs stand. What is done to
//! tables behind the store's back, and what is true of databases alone
//! (connections, locks, disks, transactions), is not.

/// Runs each named suite function on every store; those after the semicolon,
/// which speak SQL, on SQLite and PostgreSQL only.
macro_rules! on_every_store {
    ($($name:ident)* $(; $($sql:ident)*)?) => {
        on_both_engines! { $($name)* $($($sql)*)? }

        mod memory {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let fixture = crate::store::fixture::Fixture::memory().await;
                super::$name(&fixture).await;
                fixture.finish().await;
            })*
        }
    };
}

/// Runs each named suite function on SQLite and on PostgreSQL.
macro_rules! on_both_engines {
    ($($name:ident)*) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let fixture = crate::store::fixture::Fixture::sqlite().await;
                super::$name(&fixture).await;
                fixture.finish().await;
            })*
        }

        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let test = concat!(module_path!(), "::", stringify!($name));
                if let Some(fixture) = crate::store::fixture::Fixture::postgres(test).await {
                    super::$name(&fixture).await;
                    fixture.finish().await;
                }
            })*
        }
    };
}

mod accounts;
mod audit;
mod cancellation;
mod clients;
mod connecting;
mod counts;
mod damage;
mod fixture;
mod full_disk;
mod instance;
mod log;
mod memory;
mod one_time;
mod opening;
mod outages;
mod password_races;
mod passwords;
mod races;
mod revocation;
mod rotation;
mod sessions;
mod statements;
mod throttle;
mod users;
