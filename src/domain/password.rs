//! Passwords, their hashes, and the rules for new ones.

use secrecy::{ExposeSecret, SecretString};

/// The longest password, in bytes of UTF-8. Hashing is linear in the length,
/// so without a cap the length would be a way to make us work.
pub const PASSWORD_MAX_LEN: usize = 1024;

/// The shortest identifier that a password must not contain, in characters.
pub const TELLING_LEN: usize = 4;

/// A password in clear, exactly as typed: never trimmed, never truncated,
/// never printed.
#[derive(Clone, Debug)]
pub struct Password(SecretString);

impl Password {
    /// Takes any password that may be *checked*: 1 to 1024 bytes.
    pub fn parse(text: String) -> Result<Self, InvalidPassword> {
        match text.len() {
            0 => Err(InvalidPassword::Empty),
            1..=PASSWORD_MAX_LEN => Ok(Self(SecretString::from(text))),
            _ => Err(InvalidPassword::TooLong),
        }
    }

    /// Applies the rule for *new* passwords: at least `min_chars` characters
    /// (NIST SP 800-63B-4 section 3.1.1.2). There are no composition rules.
    pub fn accept_new(self, min_chars: usize) -> Result<Self, InvalidPassword> {
        if self.0.expose_secret().chars().count() < min_chars {
            return Err(InvalidPassword::TooShort { min_chars });
        }
        Ok(self)
    }

    /// Refuses to be a *new* password that says who its user is: one that
    /// contains an identifier, in any case of its letters, or a phone number
    /// without its `+`. Identifiers of less than [`TELLING_LEN`] characters stand
    /// in too many words to tell anything.
    pub fn accept_without<'a>(
        self,
        identifiers: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, InvalidPassword> {
        let text = self.0.expose_secret().to_lowercase();
        let names = identifiers.into_iter().map(|name| name.trim_start_matches('+'));
        let mut telling = names.filter(|name| name.chars().count() >= TELLING_LEN);
        if telling.any(|name| text.contains(&name.to_lowercase())) {
            return Err(InvalidPassword::ContainsIdentifier);
        }
        Ok(self)
    }

    /// Refuses to be a *new* password in place of itself.
    pub fn accept_instead_of(self, current: &Self) -> Result<Self, InvalidPassword> {
        if self.expose() == current.expose() { Err(InvalidPassword::Unchanged) } else { Ok(self) }
    }

    /// The bytes to hash.
    pub fn expose(&self) -> &[u8] {
        self.0.expose_secret().as_bytes()
    }
}

/// Why a password cannot be used. Says the rule, never the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPassword {
    /// Nothing was typed.
    #[error("must not be empty")]
    Empty,
    /// Over [`PASSWORD_MAX_LEN`].
    #[error("must be at most 1024 bytes")]
    TooLong,
    /// Under the configured length for new passwords.
    #[error("must have at least {min_chars} characters")]
    TooShort {
        /// The configured least number of characters.
        min_chars: usize,
    },
    /// Whoever guesses tries it early.
    #[error("must not be a common password, or easy to guess")]
    Common,
    /// It has an identifier of its user in it.
    #[error("must not contain the username, e-mail address or phone number")]
    ContainsIdentifier,
    /// It is the one in use.
    #[error("must differ from the current password")]
    Unchanged,
}

/// A password hash as the store keeps it: a PHC string, or an imported hash
/// as it came. Debug output is redacted: a hash is something to guess against.
#[derive(Clone)]
pub struct PasswordHash(SecretString);

impl PasswordHash {
    /// Wraps a stored or freshly made hash string.
    pub fn new(text: String) -> Self {
        Self(SecretString::from(text))
    }

    /// The hash string.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash([redacted])")
    }
}

/// Why a hash that somebody else made cannot be taken. Says the rule, never
/// the hash.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPasswordHash {
    /// Of another algorithm, or in another spelling.
    #[error(
        "must be Argon2id or Argon2i (PHC), bcrypt ($2a$, $2b$, $2y$), scrypt or PBKDF2 (PHC or \
         Werkzeug)"
    )]
    Unsupported,
    /// Parts are missing, or are not what they should be.
    #[error("must be a well-formed hash: {0}")]
    Malformed(&'static str),
    /// Checking a password against it would take too much memory or time.
    #[error("must have a cost within bounds: {0}")]
    OutOfBounds(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// LG-41: lengths at their edges.
    #[test]
    fn lg_41_lengths_have_exact_edges() {
        assert_eq!(Password::parse(String::new()).err(), Some(InvalidPassword::Empty));
        assert!(Password::parse("x".into()).is_ok());
        assert!(Password::parse("x".repeat(1024)).is_ok());
        assert_eq!(Password::parse("x".repeat(1025)).err(), Some(InvalidPassword::TooLong));
    }

    #[test]
    fn new_passwords_are_counted_in_characters() {
        let of = |text: &str| Password::parse(text.into()).and_then(|p| p.accept_new(8));
        assert!(of("ääääääää").is_ok());
        assert_eq!(of("äääääää").err(), Some(InvalidPassword::TooShort { min_chars: 8 }));
    }

    #[test]
    fn new_passwords_do_not_say_whose_they_are() {
        let of = |text: &str, names: &[&str]| {
            let password = Password::parse(text.into()).expect("valid");
            password.accept_without(names.iter().copied()).is_ok()
        };
        assert!(!of("the ALICe of all", &["alice"]));
        assert!(!of("alice", &["alice"]));
        assert!(!of("my a@b.org password", &["nobody", "A@b.org"]));
        assert!(of("the alic of all", &["alice"]));
        assert!(!of("not bobb", &["bobb"]));
        assert!(of("not bob", &["bob"]), "too short to tell");
        assert!(of("anything", &[]));
        assert!(!of("ich bin JÜRGEN", &["jürgen"]));
        assert!(of("das ist mir zu öde", &["öde"]), "three characters");
        assert!(!of("call 41446681800 now", &["+41446681800"]));
    }

    #[test]
    fn a_new_password_is_another_one() {
        let password = |text: &str| Password::parse(text.into()).expect("valid");
        let same = password("secret").accept_instead_of(&password("secret"));
        assert_eq!(same.err(), Some(InvalidPassword::Unchanged));
        assert!(password("Secret").accept_instead_of(&password("secret")).is_ok());
    }

    /// P8, LO-03: a password in a log line would be a defect of the type. The
    /// generated messages have no Debug at all (`skip_debug` in build.rs).
    #[test]
    fn p8_debug_output_is_redacted() {
        let password = Password::parse("correct horse".into()).expect("valid");
        assert!(!format!("{password:?}").contains("horse"));
        let hash = PasswordHash::new("$argon2id$secret".into());
        assert!(!format!("{hash:?}").contains("secret"));
    }
}
