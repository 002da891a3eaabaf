//! Hostile tokens: every case of the attack catalogue's chapter on Verify
//! that a test without a stop-watch or foreign libraries can carry.
//!
//! Tokens are [`forge`]d from parts, with a key whose private half the test
//! holds, so that a wrong header or claim comes with a VALID signature and is
//! refused for itself. Rows of a [`table`] carry the ids; whoever judges a
//! table also asserts that the honest token next to it is accepted, before
//! and after, since a service that refuses everything would pass otherwise.
//! [`wire`] asks the same questions again over a socket, [`client`] asks the
//! library that verifies without asking, and [`coverage`] holds the list of ids.

mod algorithm;
mod claims;
mod client;
mod coverage;
mod em;
mod encoding;
mod exhaustive;
mod forge;
mod header;
mod identity;
mod json;
mod json_classes;
mod key_file;
mod key_id;
mod key_state;
mod properties;
mod raw_call;
mod sessions;
mod signature;
mod table;
mod time;
mod transport;
mod vectors;
mod wire;
mod wrapping;
