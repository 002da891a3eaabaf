//! The file: a tar archive whose first entry is the manifest, and whose others
//! are the files that it names, in their order.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufReader, BufWriter, Read, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use tar::{Archive, Builder, EntryType, Header};

use super::{
    BackupError,
    manifest::{Entry, FORMAT, Manifest, Role},
    new_file::NewFile,
    stage::Stage,
};
use crate::{
    crypto::{digest::Digesting, stored_keys::StoredKey},
    domain::throttle::Fingerprint,
};

const MANIFEST: &str = "manifest.json";
/// The most that a manifest may have, in bytes: some ten thousand keys.
const MANIFEST_MAX: u64 = 2 << 20;

/// What goes into a backup.
pub struct Contents {
    /// The key files.
    pub keys: Vec<StoredKey>,
    /// A copy of the database that nobody writes to.
    pub database: Option<PathBuf>,
}

/// Writes a backup. The manifest's list of files is filled in.
pub fn write(
    new: NewFile,
    mut manifest: Manifest,
    contents: &Contents,
) -> Result<Manifest, BackupError> {
    for (role, mut file) in contents.open()? {
        let read = digest(&mut file).map_err(BackupError::unreadable(new.path()))?;
        manifest.files.push(Entry { name: role.name(), bytes: read.0, sha256: read.1 });
    }
    let written = write_to(new.file(), &manifest, contents.open()?);
    written.map_err(BackupError::unwritable(new.path()))?;
    new.publish()?;
    Ok(manifest)
}

/// What a file of the archive is, and what is in it.
type NamedFile<'a> = (Role<'a>, Box<dyn Read + 'a>);

impl Contents {
    fn open(&self) -> Result<Vec<NamedFile<'_>>, BackupError> {
        let mut files: Vec<NamedFile<'_>> = Vec::new();
        for key in &self.keys {
            files.push((Role::Key(key.purpose, &key.name), Box::new(key.bytes.as_slice())));
        }
        if let Some(path) = &self.database {
            let file = File::open(path).map_err(BackupError::unreadable(path))?;
            files.push((Role::Database, Box::new(file)));
        }
        Ok(files)
    }
}

fn write_to(file: &File, manifest: &Manifest, files: Vec<NamedFile<'_>>) -> io::Result<()> {
    let mut archive = Builder::new(BufWriter::new(file));
    let text = serde_json::to_vec_pretty(manifest)?;
    archive.append_data(&mut header(text.len() as u64), MANIFEST, text.as_slice())?;
    for (entry, (role, content)) in manifest.files.iter().zip(files) {
        archive.append_data(&mut header(entry.bytes), role.name(), content)?;
    }
    archive.into_inner()?.flush()
}

fn header(bytes: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_size(bytes);
    header.set_mode(0o600);
    header
}

/// Length and SHA-256.
fn digest(content: &mut dyn Read) -> io::Result<(u64, String)> {
    let mut digesting = Digesting::new(io::sink());
    io::copy(content, &mut digesting)?;
    let (_, bytes, sha256) = digesting.finish();
    Ok((bytes, Fingerprint::new(sha256).to_string()))
}

/// A backup that is there.
#[derive(Debug)]
pub struct Backup {
    path: PathBuf,
    manifest: Manifest,
}

impl Backup {
    /// Reads what should be in it, and nothing else.
    pub fn open(path: &Path) -> Result<Self, BackupError> {
        let foreign = || BackupError::Foreign(path.to_owned());
        let mut archive = open(path)?;
        let first = archive.entries().ok().and_then(|mut entries| entries.next());
        let mut first = first.and_then(Result::ok).ok_or_else(foreign)?;
        let is_manifest = first.path_bytes().as_ref() == MANIFEST.as_bytes();
        if !is_manifest || first.size() > MANIFEST_MAX {
            return Err(foreign());
        }
        let mut text = Vec::new();
        first.read_to_end(&mut text).map_err(BackupError::unreadable(path))?;
        if (text.len() as u64) < first.size() {
            return Err(damaged(path, "it is cut off"));
        }
        Ok(Self { path: path.to_owned(), manifest: parse(path, &text)? })
    }

    /// What should be in it.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Puts its files where they are checked further, each for its owner only
    /// and on the disk. Every one must be what the manifest says.
    pub fn unpack(&self, stage: &Stage) -> Result<(), BackupError> {
        let path = &self.path;
        let cut_off = |missing: &str| damaged(path, format!("{missing} is missing: it is cut off"));
        let garbled = |error: io::Error| damaged(path, error.to_string());
        let mut archive = open(path)?;
        let mut entries = archive.entries().map_err(garbled)?.skip(1);
        for expected in &self.manifest.files {
            let name = &expected.name;
            let entry = entries.next().ok_or_else(|| cut_off(name))?;
            let entry = entry.map_err(garbled)?;
            let found = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let is_expected = found == *name && entry.header().entry_type() == EntryType::Regular;
            let role = Role::of(name).filter(|_| is_expected);
            let target = role.and_then(|role| stage.place_of(role)).ok_or_else(|| {
                damaged(path, format!("it holds {found:?}, which does not belong there"))
            })?;
            self.unpack_one(entry, expected, &target)?;
        }
        match entries.next() {
            None => Ok(()),
            Some(_) => Err(damaged(path, "it holds more than its manifest says")),
        }
    }

    fn unpack_one(
        &self,
        mut content: impl Read,
        expected: &Entry,
        target: &Path,
    ) -> Result<(), BackupError> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(target);
        let mut digesting = Digesting::new(file.map_err(BackupError::unwritable(target))?);
        io::copy(&mut content, &mut digesting).map_err(BackupError::unwritable(target))?;
        let (file, bytes, sha256) = digesting.finish();
        file.sync_all().map_err(BackupError::unwritable(target))?;
        let name = &expected.name;
        if bytes < expected.bytes {
            return Err(damaged(&self.path, format!("{name} is not whole: it is cut off")));
        }
        if Fingerprint::new(sha256).to_string() != expected.sha256 {
            return Err(damaged(&self.path, format!("the digest of {name} differs")));
        }
        Ok(())
    }
}

fn open(path: &Path) -> Result<Archive<BufReader<File>>, BackupError> {
    let file = File::open(path).map_err(BackupError::unreadable(path))?;
    Ok(Archive::new(BufReader::new(file)))
}

fn parse(path: &Path, text: &[u8]) -> Result<Manifest, BackupError> {
    let foreign = |_| BackupError::Foreign(path.to_owned());
    let value: serde_json::Value = serde_json::from_slice(text).map_err(foreign)?;
    match value.get("format").and_then(serde_json::Value::as_u64) {
        Some(format) if format > FORMAT => {
            Err(BackupError::NewerFormat { path: path.to_owned(), format })
        }
        _ => serde_json::from_value(value).map_err(foreign),
    }
}

fn damaged(path: &Path, what: impl Into<String>) -> BackupError {
    BackupError::Damaged { path: path.to_owned(), what: what.into() }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use zeroize::Zeroizing;

    use super::*;
    use crate::{backup::stage::Site, crypto::port::KeyPurpose};

    const FILES: [(KeyPurpose, &str, &[u8]); 2] =
        [(KeyPurpose::Access, "a.pem", b"one key"), (KeyPurpose::Refresh, "b.pem", b"another")];

    struct Scratch(tempfile::TempDir);

    impl Scratch {
        fn new() -> Self {
            Self(tempfile::tempdir().expect("a folder"))
        }

        /// A backup of [`FILES`], and its bytes.
        fn backup(&self) -> Vec<u8> {
            let key = |(purpose, name, bytes): (_, &str, &[u8])| StoredKey {
                purpose,
                name: name.to_owned(),
                bytes: Zeroizing::new(bytes.to_vec()),
            };
            let contents = Contents { keys: FILES.map(key).into(), database: None };
            let manifest = Manifest {
                format: FORMAT,
                version: String::new(),
                created: String::new(),
                issuer: "https://auth.example.org".to_owned(),
                epoch: None,
                files: Vec::new(),
            };
            let out = self.0.path().join("good.tar");
            write(NewFile::create(&out).expect("a new file"), manifest, &contents).expect("made");
            fs::read(out).expect("readable")
        }

        /// What a backup of these bytes unpacks to, if it does.
        fn unpacked(&self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, BackupError> {
            let path = self.0.path().join("some.tar");
            fs::write(&path, bytes).expect("written");
            let site = Site { keys_dir: self.0.path().join("keys"), database: None };
            let stage = site.stage().expect("a stage");
            Backup::open(&path)?.unpack(&stage)?;
            let read = |(purpose, name, _): (_, &str, _)| fs::read(stage.keys(purpose).join(name));
            Ok(FILES.map(|file| read(file).expect("unpacked")).into())
        }
    }

    fn good() -> Vec<Vec<u8>> {
        FILES.map(|(_, _, bytes)| bytes.to_vec()).into()
    }

    /// However short it is cut: all of it, or nothing.
    #[test]
    fn a_backup_that_is_cut_off_is_refused() {
        let scratch = Scratch::new();
        let bytes = scratch.backup();
        assert_eq!(scratch.unpacked(&bytes).expect("whole"), good());
        for len in (0..bytes.len()).step_by(97) {
            match scratch.unpacked(&bytes[..len]) {
                Ok(unpacked) => assert_eq!(unpacked, good(), "cut after {len}"),
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
        // The last file ends before the two blocks that end an archive.
        let end_of_files = bytes.len() - 1024 - 512;
        assert!(scratch.unpacked(&bytes[..end_of_files]).is_err());
    }

    /// Wherever a bit is wrong: what was backed up, or nothing.
    #[test]
    fn a_backup_with_a_wrong_bit_never_gives_anything_else() {
        let scratch = Scratch::new();
        let bytes = scratch.backup();
        let mut refused = 0;
        for at in (0..bytes.len()).step_by(41) {
            let mut wrong = bytes.clone();
            wrong[at] ^= 0x10;
            match scratch.unpacked(&wrong) {
                Ok(unpacked) => assert_eq!(unpacked, good(), "byte {at}"),
                Err(_) => refused += 1,
            }
        }
        assert!(refused > 10, "only {refused}");
    }

    /// A file that the manifest does not have could overwrite anything.
    #[test]
    fn a_stranger_in_the_archive_is_refused() {
        let scratch = Scratch::new();
        let bytes = scratch.backup();
        let mut more = Builder::new(bytes[..bytes.len() - 1024].to_vec());
        let name = "keys/access/c.pem";
        more.append_data(&mut header(1), name, b"x".as_slice()).expect("appended");
        let error = scratch.unpacked(&more.into_inner().expect("ended")).expect_err("refused");
        assert!(error.to_string().ends_with("it holds more than its manifest says"), "{error}");
    }
}
