//! Keys, signatures and password hashes. `argon2`, `bcrypt`, `scrypt`, `rsa`,
//! `jsonwebtoken` and `aws-lc-rs` are named here and nowhere else.
//!
//! A private key takes this way: [`key_file`] reads it under its rules, `pem`
//! takes the text apart, `key_check` parses and judges the numbers,
//! `provider` keeps the AWS-LC key object that signs, [`keyring`] puts the
//! keys in the order in which they sign, and [`live_keys`] another keyring in
//! its place when the files change ([`key_watch`]); [`key_rotation`] makes the next ones. [`workers`] are the threads on which
//! everything slow runs, `queue` says in which order and [`hash_memory`] in how
//! much memory; [`password`] is the other thing that is slow. What
//! passwords were hashed with, by us or by others, `stored_hash` tells apart.
//! [`client_proofs`] checks the secrets and signatures of clients, [`key_set`]
//! those of tokens where there are only public keys.

pub mod client_proofs;
pub mod cost;
pub mod digest;
pub mod entropy;
mod foreign;
pub mod generate;
mod guessing;
pub mod hash_memory;
mod job;
mod jwks;
mod key_check;
pub mod key_directory;
pub mod key_fault;
pub mod key_file;
pub mod key_info;
pub mod key_rotation;
pub mod key_set;
pub mod key_watch;
pub mod keyring;
pub mod live_keys;
pub mod password;
mod pem;
mod phc;
pub mod port;
pub mod provider;
pub mod public_key;
mod queue;
mod signing_key;
mod stored_hash;
pub mod stored_keys;
mod worker;
pub mod workers;
