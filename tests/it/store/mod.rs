//! The store's contract, written once and run on both engines.

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
mod damage;
mod fixture;
mod full_disk;
mod instance;
mod log;
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
