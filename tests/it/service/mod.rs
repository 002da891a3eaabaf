//! What the calls promise, on real databases and with a clock that is moved
//! by hand.

mod admission;
mod change_password;
mod clients;
mod custom_claims;
mod dump;
mod freshness;
mod identifiers;
mod import;
mod keys;
mod login;
mod one_time;
mod refresh;
mod revoke;
mod scopes;
mod throttle;
mod typed_passwords;
mod users;
