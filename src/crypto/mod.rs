//! Keys, signatures and password hashes. `argon2`, `rsa`, `jsonwebtoken` and
//! `aws-lc-rs` are named here and nowhere else.

pub mod port;
