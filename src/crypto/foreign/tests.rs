//! Hashes of other programs: known answers, and what is refused.

use proptest::prelude::*;

use crate::{
    crypto::{hash_memory::MemoryBudget, stored_hash::StoredHash},
    domain::password::{InvalidPasswordHash, Password},
};

const PASSWORD: &str = "correct horse battery staple";

/// Made by Werkzeug 3.1, bcrypt 5.0, passlib 1.7 and argon2-cffi 25.1.
const HASHES: [&str; 12] = [
    "scrypt:32768:8:1$eITmoH55RJq4VSIn$4e0ff93f94100a5fe7ed57b0326bb363241e25a8cef9e5528991de77da2637b6db6cbbb06bf356fe4c71192bf9ec9d489717d0bcd5c223ad25ca28295bad5884",
    "scrypt:1024:4:2$3IibYjwtA0QFHPGE$287adff7574a13259eac678646d60e90484f2ca8d44fbfcaf322a3343a4127b2b3505fc505a1242e3b6164a4dbbc399f5df988f4ebaa4586e2a34bece0af1e93",
    "pbkdf2:sha1:1000$GbsORmRJ1SrdVDSk$139a4ca4c4987f2036326712f42052d6a03a8791",
    "pbkdf2:sha256:1000$RPeOvDcpXHyOOYBF$208a7ea5e22b4a51c95fdf1dcc2e342d28b2d12c2bd555a9f65cdd0d52d2518c",
    "pbkdf2:sha512:1000$kSrmuywMForAfYvG$6ae777d9e0cee05cc9225acc0b8eb4d229ed14284435e91fef37f9e0e2740e879f507716a3e6c104de39fbf5b9a615c2a297e088d57604cac512922fe74eb990",
    "$2a$04$2chDlIlOOt7kF73pVODMTObOSM.cjXTRSRqbcvvb/FSKibDtctZR6",
    "$2b$04$wre7BctikGkpldvi8MGvwufW.Hwcu084PUSep6h0vr1WEev3MOL5C",
    "$pbkdf2-sha256$1000$nfO.l9JaS2lNSekdg9B6rw$HSP8ViN7OxloryrrqYXrHiTRp3E4C4/prQJALIR5MlU",
    "$pbkdf2-sha512$1000$M.a8F2IMQYhRqnXOWQuBUA$MtsIGMYMJRRkQQRjPzmVHA.fOlvZOyi.ypFZPKO7pASQzcrwOP8qRCpxjvr.hVZOMthWsLS1l.VsxVnHlqbncg",
    "$scrypt$ln=10,r=8,p=1$WKu1tpay1vo/x7h3rvVe6w$qRzYjA+9NizwXCJPwp8Mz3yza2lwt4qpdEMMYUvXuAU",
    "$argon2i$v=19$m=64,t=1,p=1$rJaMQNCVyRcX2RWo+Miq7w$Cn5x296MDDRFiN5ZBS6gubFDeXKdL3TZa58SCJDkTk4",
    "$argon2id$v=19$m=128,t=3,p=4$vqb9fZLIBW7LewCsoS0mmQ$OjpHlvSt3CNaYuogLoImaPCxpAJZmS0N0Dby3BEl4F8",
];

fn matches(hash: &str, password: &str) -> bool {
    let stored = StoredHash::parse(hash).unwrap_or_else(|error| panic!("{hash}: {error}"));
    let password = Password::parse(password.to_owned()).expect("a password");
    let mut memory = MemoryBudget::new(1 << 30, 1).take(stored.memory());
    stored.matches(&password, &mut memory).expect("computed")
}

fn refused(hash: &str) -> InvalidPasswordHash {
    StoredHash::parse(hash).err().unwrap_or_else(|| panic!("accepted: {hash}"))
}

#[test]
fn hashes_of_other_programs_are_checked() {
    for hash in HASHES {
        assert!(matches(hash, PASSWORD), "{hash}");
        assert!(!matches(hash, "correct horse battery stable"), "{hash}");
    }
}

/// RFC 6070 and RFC 7914 section 12 in Werkzeug's spelling; jBCrypt's vectors;
/// and one of PBKDF2 with SHA-256 in the PHC spelling.
#[test]
fn published_vectors_are_checked() {
    for (password, hash) in [
        ("password", "pbkdf2:sha1:4096$salt$4b007901b765489abead49d926f721d065a429c1"),
        (
            "pleaseletmein",
            "scrypt:16384:8:1$SodiumChloride$7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887",
        ),
        ("a", "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe"),
        ("abc", "$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i"),
        (
            "password",
            "$pbkdf2-sha256$i=4096,l=32$c2FsdA$xeR41ZKIyEGqUw22hFxMjZYok6ABzk4RpJY4c6qYE0o",
        ),
        ("password", "$pbkdf2-sha256$i=4096$c2FsdA$xeR41ZKIyEGqUw22hFxMjZYok6ABzk4RpJY4c6qYE0o"),
    ] {
        assert!(matches(hash, password), "{hash}");
        assert!(!matches(hash, &format!("{password} ")), "{hash}");
    }
}

/// The letters of bcrypt's versions name defects that none of these has.
#[test]
fn bcrypt_versions_are_one_algorithm_but_for_the_broken_one() {
    let hash = HASHES[6];
    for version in ["$2a$", "$2b$", "$2y$"] {
        assert!(matches(&hash.replace("$2b$", version), PASSWORD), "{version}");
    }
    for version in ["$2x$", "$2$", "$2c$", "$2B$"] {
        let refusal = refused(&hash.replace("$2b$", version));
        assert_eq!(refusal, InvalidPasswordHash::Unsupported, "{version}");
    }
}

/// LG-40: bcrypt never saw more than 72 bytes, and no NUL.
#[test]
fn lg_40_bcrypt_is_checked_as_it_was_made() {
    let of_72 = "$2b$04$KGO5WkOMtuhja/IXD.qdSOktjG8w7Tqn4OKK1jqgGnAtQxC2MEv2q";
    assert!(matches(of_72, &"x".repeat(72)));
    assert!(matches(of_72, &format!("{}anything", "x".repeat(72))));
    assert!(!matches(of_72, &"x".repeat(71)));
    let of_71 = "$2b$04$SwwcJVnFNo9aKBaBk5TBpO.FsgsP6xjjEuU7kaPm8G7FDMHwchmme";
    assert!(matches(of_71, &"x".repeat(71)));
    assert!(!matches(of_71, &"x".repeat(72)));
    for with_nul in ["abc\0abc", "abc\0", "\0abc"] {
        let abc = "$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i";
        assert!(!matches(abc, with_nul), "{with_nul:?}");
    }
    let not_ascii = "$2b$05$y1KoJLQwejLm/RkaheBtlu.5g9ajIH8h21eJ1m.PL7DlKFiupwIha";
    assert!(matches(not_ascii, "ὀδυσσεύς"));
}

/// LG-17: costs that a tampered or imported row could carry; no work is done,
/// for nothing is computed by parsing.
#[test]
fn lg_17_costs_out_of_bounds_are_refused() {
    for (row, from, to) in [
        (5, "$04$", "$15$"),
        (5, "$04$", "$31$"),
        (5, "$04$", "$03$"),
        (0, "32768:8:1", "1048576:8:1"),
        (0, "32768:8:1", "32768:4294967295:1"),
        (0, "32768:8:1", "32768:8:4294967295"),
        (0, "32768:8:1", "32768:64:2"),
        (0, "32768:8:1", "32768:0:1"),
        (0, "32768:8:1", "0:8:1"),
        (0, "32768:8:1", "1:8:1"),
        (0, "32768:8:1", "32767:8:1"),
        (9, "ln=10", "ln=19"),
        (9, "ln=10", "ln=64"),
        (9, "ln=10", "ln=0"),
        (9, "p=1", "p=0"),
        (9, "r=8", "r=4096"),
        (3, ":1000$", ":2000001$"),
        (3, ":1000$", ":4294967295$"),
        (3, ":1000$", ":0$"),
        (7, "$1000$", "$2000001$"),
        (8, "$1000$", "$0$"),
        (10, "m=64", "m=262145"),
        (11, "t=3", "t=65"),
    ] {
        let text = HASHES[row].replace(from, to);
        assert_ne!(text, HASHES[row], "the case changes something");
        let refusal = refused(&text);
        assert!(matches!(refusal, InvalidPasswordHash::OutOfBounds(_)), "{text}: {refusal}");
    }
}

/// LG-05: parts that are missing, too many, or not what they should be.
#[test]
fn lg_05_malformed_hashes_are_refused_and_not_shown() {
    for (row, from, to) in [
        (0, ":8:1$", ":8$"),
        (0, "scrypt:32768:8:1", "scrypt"),
        (0, "32768", "032768"),
        (0, "32768", "+32768"),
        (0, "32768", "99999999999"),
        (0, "scrypt:", "SCRYPT:"),
        (0, "$eITmoH55RJq4VSIn$", "$$"),
        (0, "5884", "588"),
        (0, "5884", "58840"),
        (0, "5884", "588g"),
        (0, "5884", "5884$"),
        (0, "5884", "588400"),
        (3, "sha256:1000", "sha256"),
        (3, "sha256", "md5"),
        (3, "sha256", "sha512/256"),
        (5, "$04$", "$4$"),
        (5, "$04$", "$004$"),
        (5, "$04$", "$+4$"),
        (5, "ZR6", "ZR"),
        (5, "ZR6", "ZR66"),
        (5, "ZR6", "ZR="),
        (7, "$1000$", "$i=1000,l=31$"),
        (7, "$1000$", "$i=1000,$"),
        (7, "$1000$", "$1000,l=32$"),
        (7, "$1000$", "$i=1000,l=32,x=1$"),
        (7, "$1000$", "$l=32$"),
        (7, "$1000$", "$01000$"),
        (7, "$1000$", "$-1000$"),
        (7, "MlU", "MlV"),
        (7, "MlU", "MlU="),
        (7, "pbkdf2-sha256", "pbkdf2-md5"),
        (9, "ln=10,r=8,p=1", "ln=10,r=8"),
        (9, "ln=10,r=8,p=1", "r=8,ln=10,p=1"),
        (9, "ln=10,r=8,p=1", "ln=10,r=8,p=1,q=1"),
        (9, "$WKu1tpay1vo/x7h3rvVe6w", ""),
        (9, "$scrypt", "$7"),
    ] {
        let text = HASHES[row].replacen(from, to, 1);
        assert_ne!(text, HASHES[row], "the case changes something");
        let told = refused(&text).to_string();
        let shown = HASHES[row].split(['$', ':']).filter(|part| part.len() > 8);
        for part in shown.filter(|part| !part.starts_with("pbkdf2")) {
            assert!(!told.contains(part), "{told}");
        }
    }
    for text in ["", "$", "$$", "$$$$", ":", "plain", "md5$x$00", "sha256$a$b", "{SSHA}x", "$1$a$b"]
    {
        assert_eq!(refused(text), InvalidPasswordHash::Unsupported, "{text}");
    }
    refused(&format!("pbkdf2:sha256:1${}${}", "s".repeat(1 << 20), "00".repeat(32)));
    refused(&format!("pbkdf2:sha256:1${}${}", "s".repeat(129), "00".repeat(32)));
    refused(&format!("pbkdf2:sha256:1$salt${}", "00".repeat(15)));
    refused("pbkdf2:sha256:1$salt$");
}

proptest! {
    /// LG-17: whatever stands in a row is judged, and nothing panics.
    #[test]
    fn lg_17_any_text_is_judged(
        text in "[$]?(2[aby]|scrypt|pbkdf2-sha(256|512)|argon2id?|pbkdf2)?[$:=,a-z0-9]{0,40}\\PC{0,40}",
    ) {
        drop(StoredHash::parse(&text));
    }

    /// One character of a good hash replaced: a number within bounds remains,
    /// or it is refused.
    #[test]
    fn lg_17_altered_hashes_are_judged(
        row in 0..HASHES.len(),
        at in 0_usize..180,
        with in "\\PC",
    ) {
        let mut characters: Vec<String> = HASHES[row].chars().map(String::from).collect();
        let at = at % characters.len();
        characters[at] = with;
        drop(StoredHash::parse(&characters.concat()));
    }
}
