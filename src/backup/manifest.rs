//! What is in a backup.

use serde::{Deserialize, Serialize};

use crate::crypto::port::KeyPurpose;

/// The number of the format that is written and read.
pub const FORMAT: u64 = 1;
/// The name of the database in the archive.
pub const DATABASE: &str = "tokenward.db";

/// The first file of the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u64,
    /// The version of the program that wrote it.
    pub version: String,
    /// When, in RFC 3339.
    pub created: String,
    /// Who issues the tokens that the keys sign.
    pub issuer: String,
    /// Which log the database has; `None` without one.
    pub epoch: Option<String>,
    /// All other files, in their order.
    pub files: Vec<Entry>,
}

/// One file of the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name in the archive.
    pub name: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
}

/// What a file of the archive is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role<'a> {
    /// The embedded database.
    Database,
    /// A key, with the name of its file.
    Key(KeyPurpose, &'a str),
}

impl Manifest {
    /// Whether the embedded database is in it.
    pub fn has_database(&self) -> bool {
        self.files.iter().any(|file| file.name == DATABASE)
    }
}

impl Role<'_> {
    /// What a name in the archive stands for; `None`: no backup has it.
    pub fn of(name: &str) -> Option<Role<'_>> {
        if name == DATABASE {
            return Some(Role::Database);
        }
        let (purpose, file) = [KeyPurpose::Access, KeyPurpose::Refresh]
            .into_iter()
            .find_map(|purpose| Some((purpose, name.strip_prefix(folder(purpose))?)))?;
        let is_name = !file.is_empty() && !file.starts_with('.') && !file.contains(['/', '\0']);
        is_name.then_some(Role::Key(purpose, file))
    }

    /// The name in the archive.
    pub fn name(self) -> String {
        match self {
            Self::Database => DATABASE.to_owned(),
            Self::Key(purpose, file) => format!("{}{file}", folder(purpose)),
        }
    }
}

const fn folder(purpose: KeyPurpose) -> &'static str {
    match purpose {
        KeyPurpose::Access => "keys/access/",
        KeyPurpose::Refresh => "keys/refresh/",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_nowhere_else() {
        for name in ["tokenward.db", "keys/access/a.pem", "keys/refresh/2026-12-01T00-00-00Z.pem"] {
            assert_eq!(Role::of(name).map(Role::name).as_deref(), Some(name));
        }
        for name in ["", "a", "keys/", "keys/access/", "keys/access/.a", "keys/access/.."]
            .into_iter()
            .chain(["keys/access/../a", "keys/access/a/b", "/tokenward.db", "./tokenward.db"])
            .chain(["keys/access/a\0", "keys/other/a.pem", "tokenward.db-wal", "../tokenward.db"])
        {
            assert_eq!(Role::of(name), None, "{name:?}");
        }
    }
}
