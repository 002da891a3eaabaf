//! Keys, signatures and password hashes. `argon2`, `rsa`, `jsonwebtoken` and
//! `aws-lc-rs` are named here and nowhere else.

pub mod entropy;
mod hash_memory;
pub mod password;
mod phc;
pub mod port;
mod queue;
mod worker;
pub mod workers;
