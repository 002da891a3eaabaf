//! Key files as people make them: with `openssl` and `ssh-keygen`.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, LazyLock},
    time::Duration,
};

use tokenward::{
    crypto::{
        generate::{KeyBits, generate},
        key_directory::KeyringError,
        keyring::{Keyring, TokenLives},
        live_keys::{KeyFolders, LiveKeys},
        workers::{WorkerSettings, Workers},
    },
    domain::{
        clock::{SystemClock, Timestamp},
        id::KeyId,
        keys::file_name,
        revocation::RevokedKeys,
    },
};

use super::{determinism::START, skip::has_tool};

/// The lifetimes that tests use.
pub(crate) const LIVES: TokenLives =
    TokenLives { access: Duration::from_mins(15), refresh: Duration::from_hours(24) };

/// Two keys that never change during a run: making one takes a while.
static KEYS: LazyLock<[String; 2]> = LazyLock::new(|| {
    let bench = Bench::new();
    ["one.pem", "two.pem"].map(|name| {
        generate(&bench.path("access"), name, KeyBits::Rsa2048).expect("a key");
        bench.text(&format!("access/{name}"))
    })
});

/// An RSA-2048 key as PKCS#8 PEM.
pub(crate) fn good_key() -> &'static str {
    &KEYS[0]
}

/// Are both programs here with which people make keys?
pub(crate) fn has_key_programs() -> bool {
    has_tool("ssh-keygen", "-?") && has_tool("openssl", "version")
}

/// A scratch folder to make keys in, with the two key directories.
pub(crate) struct Bench(tempfile::TempDir);

impl Bench {
    /// Empty key directories.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for directory in ["access", "refresh"] {
            let path = folder.path().join(directory);
            fs::create_dir(&path).expect("a folder");
            set_mode(&path, 0o700);
        }
        Self(folder)
    }

    /// A good refresh key, and no access key.
    pub(crate) fn with_refresh_key() -> Self {
        let bench = Self::new();
        bench.put("refresh/refresh.pem", KEYS[1].as_bytes());
        bench
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs a program in the folder, its arguments separated by spaces (`''`
    /// is an empty one). Whoever calls this has asked whether it is there.
    pub(crate) fn run(&self, line: &str) {
        let mut words = line.split(' ').map(|word| if word == "''" { "" } else { word });
        let program = words.next().expect("a program");
        let output = Command::new(program)
            .args(words)
            .current_dir(self.0.path())
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("{line}: {error}"));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {errors}");
    }

    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("a text file")
    }

    /// Writes a file with mode 0600.
    pub(crate) fn put(&self, name: &str, contents: &[u8]) {
        fs::write(self.path(name), contents).expect("writable");
        set_mode(&self.path(name), 0o600);
    }

    /// Makes an access key that signs from `instant`.
    pub(crate) fn access_key(&self, instant: Timestamp) -> KeyId {
        let name = file_name(instant).expect("a usual year");
        generate(&self.path("access"), &name, KeyBits::Rsa2048).expect("a key")
    }

    pub(crate) fn folders(&self) -> KeyFolders {
        KeyFolders { access: self.path("access"), refresh: self.path("refresh") }
    }

    /// Loads both directories, to be followed, and the place where keys are
    /// revoked.
    pub(crate) fn follow(&self) -> (LiveKeys, Arc<RevokedKeys>) {
        let revoked = Arc::new(RevokedKeys::default());
        let seen = Arc::clone(&revoked);
        let keys = LiveKeys::load(self.folders(), LIVES, seen, workers(), START);
        (keys.expect("usable"), revoked)
    }

    /// Loads both directories.
    pub(crate) fn load(&self) -> Result<Keyring, KeyringError> {
        Keyring::load(&self.path("access"), &self.path("refresh"), LIVES, workers())
    }
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("our own file");
}

/// Worker threads as the server starts them.
pub(crate) fn workers() -> Arc<Workers> {
    let clock = Arc::new(SystemClock::new());
    Arc::new(Workers::start(WorkerSettings::default(), clock).expect("threads"))
}
