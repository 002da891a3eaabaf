//! What users type to say who they are, and its one canonical form: the
//! spellings of one person are equal, other people's never are.
//!
//! There are two questions. *Whose could this text be?* is asked at each
//! login; [`Identifier::parse`] answers it by rules that are not to change for
//! what they once accepted, so who is stored is found for ever. *May somebody
//! be called so from now on?* is asked when a user is created;
//! [`Identifier::accept_new`] answers it by tables that follow the world: what
//! looks like what, and which phone numbers there are.

mod email;
mod phone;
mod username;

use std::fmt;

use unicode_normalization::UnicodeNormalization as _;

/// The most bytes an identifier at login can have (an e-mail address,
/// RFC 5321 section 4.5.3.1.3).
pub const IDENTIFIER_MAX_LEN: usize = 254;

/// An identifier in its canonical form, of at most [`IDENTIFIER_MAX_LEN`]
/// bytes. No text is of two kinds: only an address has an `@`, only a phone
/// number begins with `+`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identifier {
    /// A chosen name, by RFC 8265: 1 to 64 letters and digits of any script,
    /// `.`, `_` and `-`, in lower case.
    Username(String),
    /// An e-mail address: ASCII before the `@`, and after it a domain by
    /// UTS #46 in its ASCII form, all in lower case.
    Email(String),
    /// A phone number by E.164: `+` and digits.
    Phone(String),
}

impl Identifier {
    /// Decides by the text which kind it is.
    pub fn parse(text: &str) -> Result<Self, InvalidIdentifier> {
        if text.contains('@') {
            Self::email(text)
        } else if text.starts_with('+') {
            Self::phone(text)
        } else {
            Self::username(text)
        }
    }

    /// A username. What looks like a user's id is none: commands take both,
    /// and nobody should be able to call themselves by another one's id.
    pub fn username(text: &str) -> Result<Self, InvalidIdentifier> {
        username::canonical(text).map(Self::Username).ok_or(InvalidIdentifier::Username)
    }

    /// An e-mail address.
    pub fn email(text: &str) -> Result<Self, InvalidIdentifier> {
        email::canonical(text).map(Self::Email).ok_or(InvalidIdentifier::Email)
    }

    /// A phone number.
    pub fn phone(text: &str) -> Result<Self, InvalidIdentifier> {
        phone::canonical(text).map(Self::Phone).ok_or(InvalidIdentifier::Phone)
    }

    /// Applies the rules for *new* identifiers: a username must not be taken
    /// for another one by the eye, and a phone number must be one that is
    /// given out.
    pub fn accept_new(self) -> Result<Self, InvalidIdentifier> {
        match &self {
            Self::Username(name) if !username::is_unmistakable(name) => {
                Err(InvalidIdentifier::LooksLikeAnother)
            }
            Self::Phone(number) if !phone::is_given_out(number) => {
                Err(InvalidIdentifier::NoSuchPhone)
            }
            Self::Username(_) | Self::Email(_) | Self::Phone(_) => Ok(self),
        }
    }

    /// The name of the kind: the request field it comes from, and the value
    /// of the store's `kind` column.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Username(_) => "username",
            Self::Email(_) => "email",
            Self::Phone(_) => "phone",
        }
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Username(text) | Self::Email(text) | Self::Phone(text) => text,
        }
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Text that can be nobody's identifier, or no new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIdentifier {
    /// Not a username.
    #[error("must be 1 to 64 letters, digits, '.', '_' and '-', of at most 254 bytes, and no UUID")]
    Username,
    /// Not an e-mail address.
    #[error("must be an e-mail address of at most 254 bytes, with ASCII before the '@'")]
    Email,
    /// Not a phone number.
    #[error("must be a phone number: '+', country code and number, of 7 to 15 digits")]
    Phone,
    /// A username that mixes scripts, has rare signs, or seems to be ASCII.
    #[error("must be of one script, of letters in common use, and not look like an ASCII name")]
    LooksLikeAnother,
    /// A phone number that nobody can have.
    #[error("must be a phone number that is given out, without the zero of national calls")]
    NoSuchPhone,
}

/// One text for all spellings of what is no identifier at all, so that the
/// attempts with them are counted together: compatible characters, case,
/// spaces, punctuation and what is not seen make no difference.
pub fn folded(text: &str) -> String {
    text.nfkc().flat_map(char::to_lowercase).filter(|c| c.is_alphanumeric()).collect()
}

#[cfg(test)]
mod tests;
