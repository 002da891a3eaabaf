//! The list of ids, and the proof that each is somewhere.

use std::{fs, path::Path};

/// The families of the catalogue's chapter on Verify, and how many cases
/// each has.
const FAMILIES: [(&str, usize); 8] = [
    ("VA", 26),
    ("VK", 25),
    ("VH", 24),
    ("VC", 38),
    ("VI", 34),
    ("VJ", 20),
    ("VE", 37),
    ("VS", 24),
];

/// Cases that are not held here, and where or why.
const ELSEWHERE: &[(&str, &str)] = &[
    ("VI-07", "there are no tenants; a foreign issuer is a row of `identity`"),
    ("VI-29", "there are no tenants, and no claim that names one"),
    ("VI-31", "no call asks for a role; that minting reads the account is in `sessions`"),
    ("VS-22", "other libraries read our tokens in tests/it/interop"),
    ("VS-23", "other libraries judge mutated tokens in tests/it/interop"),
    ("VS-24", "needs a stop-watch and a quiet core: a benchmark, not a test"),
];

/// Where a case is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Covered,
    Elsewhere(&'static str),
}

/// Every id, with its place.
fn cases() -> Vec<(String, Place)> {
    let ids = FAMILIES
        .iter()
        .flat_map(|(family, count)| (1..=*count).map(move |n| format!("{family}-{n:02}")));
    let place = |id: &str| match ELSEWHERE.iter().find(|(known, _)| *known == id) {
        Some((_, why)) => Place::Elsewhere(why),
        None => Place::Covered,
    };
    ids.map(|id| {
        let place = place(&id);
        (id, place)
    })
    .collect()
}

/// The texts in which a case can be held: these tests, and the unit tests.
pub(super) fn sources() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    collect(&root.join("tests/it/attacks"), &mut found);
    collect(&root.join("src"), &mut found);
    found
}

fn collect(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "rs")
            && !path.ends_with("attacks/coverage.rs")
        {
            found.push(fs::read_to_string(&path).expect("a source"));
        }
    }
}

/// Does a text name the id, as `VA-01` or in a name as `va_01`?
pub(super) fn appears(id: &str, sources: &[String]) -> bool {
    let name = id.to_lowercase().replace('-', "_");
    let ends = |text: &str, end: usize| !text[end..].starts_with(|c: char| c.is_ascii_digit());
    sources.iter().any(|text| {
        [id, &name]
            .iter()
            .any(|id| text.match_indices(*id).any(|(at, _)| ends(text, at + id.len())))
    })
}

#[test]
fn every_case_is_covered_or_says_where_it_is() {
    let (cases, sources) = (cases(), sources());
    assert_eq!(cases.len(), 228, "the catalogue's chapter has so many cases");
    let missing: Vec<_> = cases
        .iter()
        .filter(|(id, place)| *place == Place::Covered && !appears(id, &sources))
        .map(|(id, _)| id.as_str())
        .collect();
    assert!(missing.is_empty(), "no test names {}", missing.join(", "));
    let elsewhere = cases.iter().filter(|(_, place)| matches!(place, Place::Elsewhere(_))).count();
    assert_eq!(elsewhere, ELSEWHERE.len(), "an id that is elsewhere is none of the list");
}

/// The chapters on state, logins, revocation, administration, the HTTP port,
/// time, logs and keys, and how many cases each has. They are held wherever the
/// thing itself is tested.
const FURTHER: [(&str, usize); 8] = [
    ("VT", 34),
    ("LG", 56),
    ("RV", 39),
    ("AD", 30),
    ("HT", 20),
    ("TM", 11),
    ("LO", 13),
    ("KM", 34),
];

/// Cases of those chapters that no test holds, and why.
const NOT_HELD: &[(&str, &str)] = &[
    ("LG-12", "there is no cache of users that could be warm or cold"),
    ("LG-15", "needs a stop-watch: `tokenward bench login-storm`"),
    (
        "AD-09",
        "there is no bootstrap secret and no default password: the command line makes the \
               first administrator",
    ),
    ("AD-12", "there are no tenants"),
    (
        "AD-28",
        "no call ends or deletes more than one user's; `user import --dry-run` counts, and \
               `revoke all` asks for --yes",
    ),
    ("AD-29", "administrators are bounded as all callers are, not by number (decision 0021)"),
    ("KM-12", "no public key is configured: each is taken from its private key"),
    ("KM-29", "needs a stop-watch: the benchmark of signatures"),
    ("KM-30", "keys are files (decision 0038)"),
    ("VT-05", "there are no tenants"),
    ("VT-18", "there are no tenants"),
    ("VT-24", "no verdict is kept: VC-19 asks twice"),
    ("VT-25", "no verdict is kept: VC-19 asks twice"),
    ("VT-26", "no verdict is kept: VC-19 asks twice"),
    ("VT-27", "no verdict is kept, so tokens leave nothing in memory"),
    ("RV-11", "whoever holds a token may ask Verify about it: nothing is hidden from them"),
    ("RV-12", "there are no tenants"),
    ("RV-18", "Revoke takes one target"),
    ("RV-25", "no replica of the database is read; no session of a connection is relied on"),
    ("RV-33", "nobody is notified: every process polls"),
    ("RV-37", "there is no filter: an entry is looked up by its exact id"),
    ("TM-04", "times are microseconds of UTC; there is no calendar and no leap second in them"),
    ("TM-11", "tests move an injected clock"),
    ("LO-13", "no trace context is taken over; request ids are held by GT-27"),
];

#[test]
fn every_case_of_further_chapters_is_held_or_says_why_not() {
    let mut sources = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["src", "tests/it"] {
        collect(&root.join(folder), &mut sources);
    }
    let ids = FURTHER
        .iter()
        .flat_map(|(family, count)| (1..=*count).map(move |n| format!("{family}-{n:02}")));
    let (not_held, held): (Vec<_>, Vec<_>) =
        ids.partition(|id| NOT_HELD.iter().any(|(known, _)| known == id));
    assert_eq!((held.len(), not_held.len()), (213, NOT_HELD.len()));
    let missing: Vec<_> = held.into_iter().filter(|id| !appears(id, &sources)).collect();
    assert!(missing.is_empty(), "no test names {}", missing.join(", "));
}

#[test]
fn the_search_can_fail() {
    let sources = ["fn va_01_x() {} // VS-100".to_owned()];
    assert!(appears("VA-01", &sources));
    assert!(!appears("VA-02", &sources));
    assert!(!appears("VS-10", &sources), "the beginning of another id");
}
