//! The TLS configuration in use, which follows its files.
//!
//! Whoever accepts a connection takes one whole configuration. Another one
//! comes in its place when the files have changed and are good as a whole. On
//! any doubt the old one stays: it is better to show a certificate that is
//! about to expire than none.

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::{Leaf, TlsError, TlsFiles, load};
use crate::{
    domain::{
        clock::{Clock, Timestamp},
        error::chain,
    },
    pace::Pace,
};

/// The configuration in use.
#[derive(Debug)]
pub struct LiveTls {
    files: TlsFiles,
    config: ArcSwap<ServerConfig>,
    seen: Mutex<Seen>,
}

/// What the last look at the files showed.
#[derive(Debug)]
struct Seen {
    /// Of the configuration in use; `None`: read everything again.
    contents: Option<Contents>,
    /// Until when the certificate in use is good, if it can be read that far.
    not_after: Option<Timestamp>,
    fault: Option<String>,
}

/// Of every file, in their order. Not digests: who can read our memory has the
/// key anyway.
#[derive(PartialEq, Eq)]
struct Contents(Vec<Zeroizing<Vec<u8>>>);

impl std::fmt::Debug for Contents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Contents([redacted])")
    }
}

/// What came of a look at the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reload {
    /// They are as they were.
    Unchanged,
    /// They are in use from now on.
    Taken,
    /// They cannot be used as they are; what was in use stays.
    Refused(String),
}

impl LiveTls {
    /// Reads all files, or says what is wrong with one.
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let contents = contents(&files);
        let config = ArcSwap::new(load(&files)?);
        let not_after = Leaf::read(&files.certificate).ok().map(|leaf| leaf.not_after());
        let seen = Mutex::new(Seen { contents, not_after, fault: None });
        Ok(Self { files, config, seen })
    }

    /// What a new connection is given.
    pub fn current(&self) -> Arc<ServerConfig> {
        self.config.load_full()
    }

    /// Until when the certificate in use is good.
    pub fn not_after(&self) -> Option<Timestamp> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).not_after
    }

    /// Do the files say something else than what is in use, and cannot be used?
    pub fn is_faulty(&self) -> bool {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).fault.is_some()
    }

    /// Looks at the files, and takes them if all is well with them.
    pub fn reload(&self, now: Timestamp) -> Reload {
        // One look at a time: an older one must not overtake a newer one.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // Taken before the files are parsed: what changes in between is seen
        // by the next look.
        let contents = contents(&self.files);
        if contents.is_some() && contents == seen.contents {
            seen.fault = None;
            return Reload::Unchanged;
        }
        match self.load_successor(now) {
            Ok((config, not_after)) => {
                self.config.store(config);
                *seen = Seen { contents, not_after, fault: None };
                Reload::Taken
            }
            Err(error) => {
                let fault = chain(&error);
                seen.fault = Some(fault.clone());
                Reload::Refused(fault)
            }
        }
    }

    /// A server starts with a certificate out of its time, since it may be its
    /// clock that is wrong; it does not give up a good one for such a one.
    fn load_successor(
        &self,
        now: Timestamp,
    ) -> Result<(Arc<ServerConfig>, Option<Timestamp>), TlsError> {
        let config = load(&self.files)?;
        // rustls takes certificates that a stricter reader does not.
        let Ok(leaf) = Leaf::read(&self.files.certificate) else { return Ok((config, None)) };
        let (from, until) = (leaf.not_before(), leaf.not_after());
        if now < from || now >= until {
            let path = self.files.certificate.clone();
            return Err(TlsError::OutOfTime { path, from, until });
        }
        Ok((config, Some(until)))
    }

    /// Looks at the files at this pace, until told to stop.
    pub async fn watch(
        self: Arc<Self>,
        clock: Arc<dyn Clock>,
        mut pace: Pace,
        stop: CancellationToken,
    ) {
        let mut told = None;
        while stop.run_until_cancelled(pace.next()).await.is_some() {
            let (looking, clock) = (Arc::clone(&self), Arc::clone(&clock));
            let look = tokio::task::spawn_blocking(move || looking.reload(clock.now()));
            match look.await {
                Ok(outcome) => told = self.tell(outcome, told.as_deref()),
                Err(error) => tracing::error!(%error, "the look at the TLS files ended early"),
            }
        }
    }

    /// Says what is news. A fault is told once, until it is another one.
    fn tell(&self, outcome: Reload, told: Option<&str>) -> Option<String> {
        match outcome {
            Reload::Refused(error) => {
                if told != Some(&error) {
                    tracing::error!(
                        error,
                        "the TLS files cannot be reloaded; what was in use stays"
                    );
                }
                Some(error)
            }
            Reload::Taken => {
                let until = self.not_after().map(|until| until.to_string());
                tracing::info!(until, "TLS files reloaded");
                None
            }
            Reload::Unchanged => {
                if told.is_some() {
                    tracing::info!("the TLS files are good again");
                }
                None
            }
        }
    }
}

/// `None` when one cannot be read.
fn contents(files: &TlsFiles) -> Option<Contents> {
    let TlsFiles { certificate, key, client_ca, client_crl } = files;
    let named = [Some(certificate), Some(key), client_ca.as_ref(), client_crl.as_ref()];
    let read = |path: &Path| fs::read(path).map(Zeroizing::new).ok();
    named.into_iter().flatten().map(|path| read(path)).collect::<Option<_>>().map(Contents)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;
    use crate::domain::clock::SystemClock;

    /// Certificate and key in PEM.
    type Pair = (String, String);

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new(pair: &Pair) -> Self {
            let folder = Self(tempfile::tempdir().expect("a folder"));
            folder.put(pair);
            folder
        }

        fn put(&self, (certificate, key): &Pair) {
            self.write("cert.pem", certificate);
            self.write("key.pem", key);
        }

        fn write(&self, name: &str, text: &str) {
            let path = self.0.path().join(name);
            fs::write(&path, text).expect("written");
            fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("set");
        }

        fn files(&self) -> TlsFiles {
            let path = |name| self.0.path().join(name);
            let (certificate, key) = (path("cert.pem"), path("key.pem"));
            TlsFiles { certificate, key, client_ca: None, client_crl: None }
        }

        fn load(&self) -> LiveTls {
            LiveTls::load(self.files()).expect("good files")
        }
    }

    fn pair() -> Pair {
        pair_until(2090)
    }

    fn pair_until(year: i32) -> Pair {
        let mut params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
        (params.not_before, params.not_after) =
            (date_time_ymd(2000, 1, 1), date_time_ymd(year, 1, 1));
        let key = KeyPair::generate().expect("a key");
        (params.self_signed(&key).expect("a certificate").pem(), key.serialize_pem())
    }

    fn now() -> Timestamp {
        SystemClock::new().now()
    }

    /// True when the configuration in use is still this one.
    fn stays(tls: &LiveTls, config: &Arc<ServerConfig>) -> bool {
        Arc::ptr_eq(&tls.current(), config)
    }

    #[test]
    fn a_good_pair_takes_the_place_of_another() {
        let folder = Folder::new(&pair());
        let (tls, next) = (folder.load(), pair_until(2091));
        let first = tls.current();
        assert_eq!(tls.reload(now()), Reload::Unchanged);
        assert!(stays(&tls, &first));
        folder.put(&next);
        assert_eq!(tls.reload(now()), Reload::Taken);
        assert!(!stays(&tls, &first));
        let until = Leaf::read(&folder.files().certificate).expect("good").not_after();
        assert_eq!(tls.not_after(), Some(until));
        assert_eq!(tls.reload(now()), Reload::Unchanged);
    }

    /// KM-18, for certificates: however far the writer has come, what is in use
    /// belongs together.
    #[test]
    fn km_18_half_written_files_change_nothing() {
        let (first, next) = (pair(), pair());
        let folder = Folder::new(&first);
        let tls = folder.load();
        let in_use = tls.current();
        for (name, text) in [("cert.pem", &next.0), ("key.pem", &next.1)] {
            for len in (0..text.trim_end().len()).step_by(17) {
                folder.write(name, &text[..len]);
                assert!(matches!(tls.reload(now()), Reload::Refused(_)), "{name} to {len}");
                assert!(tls.is_faulty() && stays(&tls, &in_use), "{name} to {len}");
            }
            folder.write(name, text);
        }
        assert_eq!(tls.reload(now()), Reload::Taken);
        assert!(!tls.is_faulty());
    }

    /// KM-19, for certificates.
    #[test]
    fn km_19_what_cannot_be_used_changes_nothing() {
        let good = pair();
        let folder = Folder::new(&good);
        let tls = folder.load();
        let in_use = tls.current();
        let (stranger, expired) = (pair(), pair_until(2001));
        for (pair, why) in [
            ((stranger.0, good.1.clone()), "cannot be used together"),
            (expired, "good from 2000-01-01T00:00:00Z until 2001-01-01T00:00:00Z"),
            ((String::new(), good.1.clone()), "must hold the certificate chain"),
        ] {
            folder.put(&pair);
            let Reload::Refused(fault) = tls.reload(now()) else { panic!("taken: {why}") };
            assert!(fault.contains(why), "{fault}");
            assert!(stays(&tls, &in_use));
        }
        fs::remove_file(folder.files().key).expect("removed");
        assert!(matches!(tls.reload(now()), Reload::Refused(_)));
        folder.put(&good);
        assert_eq!(tls.reload(now()), Reload::Unchanged, "as it was");
        assert!(!tls.is_faulty());
    }

    /// Kubernetes puts a new folder in place of the old one by renaming a link.
    #[test]
    fn km_34_a_swapped_folder_is_noticed() {
        let root = tempfile::tempdir().expect("a folder");
        let folders = [Folder::new(&pair()), Folder::new(&pair())];
        let link = root.path().join("..data");
        let point_at = |folder: &Folder| {
            let new = root.path().join("..new");
            symlink(folder.0.path(), &new).expect("a link");
            fs::rename(new, &link).expect("swapped");
        };
        point_at(&folders[0]);
        for name in ["cert.pem", "key.pem"] {
            symlink(Path::new("..data").join(name), root.path().join(name)).expect("a link");
        }
        let path = |name| root.path().join(name);
        let (certificate, key) = (path("cert.pem"), path("key.pem"));
        let files = TlsFiles { certificate, key, client_ca: None, client_crl: None };
        let tls = LiveTls::load(files).expect("good files");
        assert_eq!(tls.reload(now()), Reload::Unchanged);
        point_at(&folders[1]);
        assert_eq!(tls.reload(now()), Reload::Taken);
    }

    /// The authorities of clients follow their file, too.
    #[test]
    fn authorities_are_followed_and_a_bad_one_is_refused() {
        let folder = Folder::new(&pair());
        folder.write("ca.pem", &pair().0);
        let client_ca = Some(folder.0.path().join("ca.pem"));
        let tls = LiveTls::load(TlsFiles { client_ca, ..folder.files() }).expect("good files");
        folder.write("ca.pem", "nobody");
        assert!(matches!(tls.reload(now()), Reload::Refused(_)));
        folder.write("ca.pem", &pair().0);
        assert_eq!(tls.reload(now()), Reload::Taken);
    }
}
