//! The database: there, of this schema and this issuer, on time, and nobody
//! else's to read.

use std::{collections::HashSet, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use super::Finding;
use crate::{
    app,
    config::{Settings, Span},
    domain::{
        clock::{Clock as _, SystemClock, Timestamp},
        error::chain,
        id::KeyId,
    },
    service::readiness::CLOCK_DIFFERENCE_MAX,
    store::{ConnectError, Inspection, InspectionError},
};

const CHECK: &str = "database";

/// What was found, and the keys that are revoked.
pub(super) async fn check(settings: &Settings) -> (Vec<Finding>, HashSet<KeyId>) {
    let clock = SystemClock::new();
    let before = clock.now();
    let seen = match app::inspect(settings, None).await {
        Ok(seen) => seen,
        Err(error) => return (vec![unseen(&error)], HashSet::new()),
    };
    let apart = seen.time.map(|theirs| apart(before, theirs, clock.now()));
    let mut findings = vec![schema(&seen), issuer(&seen, settings)];
    findings.extend(apart.map(clocks));
    if let Ok(Some(file)) = app::database_file(settings) {
        findings.extend(permissions(&file));
    }
    (findings, seen.revoked_keys)
}

fn unseen(error: &InspectionError) -> Finding {
    let what = chain(error);
    match error {
        InspectionError::Connect(ConnectError::Missing { .. }) => Finding::warning(
            CHECK,
            what,
            "the first server makes it; if there was one, `tokenward restore` brings it back",
        ),
        InspectionError::Connect(ConnectError::NewerSchema { .. }) => Finding::error(
            CHECK,
            what,
            "run the newer version, or restore a backup of before the update",
        ),
        InspectionError::Connect(ConnectError::InvalidUrl(_)) => {
            Finding::error(CHECK, what, "correct database.url")
        }
        _ => Finding::error(
            CHECK,
            what,
            "look whether the database runs, and whether database.url names it and a role that \
             may read it",
        ),
    }
}

fn schema(seen: &Inspection) -> Finding {
    match seen.missing.as_slice() {
        [] => Finding::ok(CHECK, "reached, and its schema is this version's"),
        missing => Finding::warning(
            CHECK,
            format_args!("it does not have the migrations {}", missing.join(", ")),
            "the next server applies them, and so does `tokenward migrate`",
        ),
    }
}

fn issuer(seen: &Inspection, settings: &Settings) -> Finding {
    match &seen.issuer {
        Some(found) if *found != settings.issuer => Finding::error(
            CHECK,
            format_args!("it was made for the issuer {found}, not for {}", settings.issuer),
            "set issuer to that value, or use another database",
        ),
        Some(found) => Finding::ok(CHECK, format_args!("it is that of {found}")),
        None => Finding::ok(CHECK, "no server has used it yet"),
    }
}

/// The database answers some time between two readings of ours.
fn apart(before: Timestamp, theirs: Timestamp, after: Timestamp) -> Duration {
    before.since(theirs).max(theirs.since(after))
}

fn clocks(apart: Duration) -> Finding {
    if apart <= CLOCK_DIFFERENCE_MAX {
        return Finding::ok("clock", "this machine's and the database's agree");
    }
    let apart = Span(apart);
    let what = format!("this machine's and the database's differ by {apart}");
    Finding::error("clock", what, "set both by NTP; no server is ready until they agree")
}

/// Password hashes are for nobody else to read, and the folder is for nobody
/// else to write to.
fn permissions(file: &Path) -> Option<Finding> {
    let mode = |path: &Path| Some(path.metadata().ok()?.permissions().mode() & 0o777);
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let (of_file, of_folder) = (mode(file)?, mode(folder)?);
    if of_file & 0o077 != 0 {
        let what = format!("{} is open to others (mode {of_file:03o})", file.display());
        return Some(Finding::error(CHECK, what, "it holds password hashes: chmod it to 600"));
    }
    if of_folder & 0o022 != 0 {
        let what = format!("others can write to {} (mode {of_folder:03o})", folder.display());
        return Some(Finding::error(
            CHECK,
            what,
            "they could replace the database: chmod it to 700",
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::Level;

    /// Only what lies outside of our two readings is a difference.
    #[test]
    fn clocks_are_compared_as_readiness_does() {
        let at = |ms: i64| Timestamp::from_micros(1_000_000_000 + ms * 1_000);
        let level = |theirs| clocks(apart(at(0), at(theirs), at(500))).level;
        assert_eq!(apart(at(0), at(250), at(500)), Duration::ZERO);
        for (theirs, expected) in [
            (-2_001, Level::Error),
            (-2_000, Level::Ok),
            (0, Level::Ok),
            (2_500, Level::Ok),
            (2_501, Level::Error),
        ] {
            assert_eq!(level(theirs), expected, "{theirs} ms");
        }
    }
}
