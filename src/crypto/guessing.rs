//! Passwords that whoever guesses tries early: common ones and their
//! spellings, rows of a keyboard, repetitions, dates (NIST SP 800-63B-4 section
//! 3.1.1.2). Nothing is asked of what characters a password is made of.

use zxcvbn::{Score, zxcvbn};

/// Would it be found within a million guesses? Looks at the first hundred
/// characters, in about a tenth of a millisecond.
pub(super) fn is_early_guess(password: &str) -> bool {
    zxcvbn(password, &[]).score() < Score::Two
}

#[cfg(test)]
mod tests {
    use super::*;

    /// LG-42: long is not enough.
    #[test]
    fn lg_42_common_passwords_are_known_in_their_spellings() {
        for common in [
            "password",
            "passwordpassword",
            "P@ssw0rd",
            "123456789012345",
            "aaaaaaaaaaaaaaaaaaaa",
            "qwertyuiopqwertyuiop",
            "iloveyouiloveyou",
        ] {
            assert!(is_early_guess(common), "{common}");
        }
        for good in [
            "correct horse battery staple",
            "another horse, another staple",
            "\u{1f40e}\u{1f50b} und Heftklammer",
        ] {
            assert!(!is_early_guess(good), "{good}");
        }
    }

    /// However long it is, and of whatever characters.
    #[test]
    fn lg_13_hostile_passwords_are_looked_at_quickly() {
        for text in ["x", "\u{10ffff}", "\0", "1a", "\u{0301}"] {
            is_early_guess(&text.repeat(1024 / text.len()));
        }
    }
}
