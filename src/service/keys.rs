//! What administrators see of keys.

pub use crate::crypto::port::{KeyInfo, KeyPurpose, KeyState};

use super::{Administrator, Auth};

impl Auth {
    /// Every key that this process holds, access keys first.
    pub fn keys(&self, _: &Administrator) -> Vec<KeyInfo> {
        self.keys.keys(self.now())
    }
}
