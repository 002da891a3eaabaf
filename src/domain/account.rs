//! Users, and the identifiers by which they log in.

use std::fmt;

use super::{clock::Timestamp, id::UserId};

/// The most bytes an identifier at login can have (an e-mail address,
/// RFC 5321 section 4.5.3.1.3).
pub const IDENTIFIER_MAX_LEN: usize = 254;

/// What a user types to say who they are, in its one canonical form: the
/// same person's spellings are equal, other people's never are.
///
/// Only ASCII is accepted, so that no Unicode folding can make two accounts
/// one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identifier {
    /// A chosen name: 1 to 64 of `a-z 0-9 . _ -`, compared in lower case.
    Username(String),
    /// An e-mail address, compared in lower case.
    Email(String),
}

impl Identifier {
    /// Decides by the text which kind it is: an `@` makes it an address.
    pub fn parse(text: &str) -> Result<Self, InvalidIdentifier> {
        if text.contains('@') { Self::email(text) } else { Self::username(text) }
    }

    /// A username. What looks like a user's id is none: commands take both,
    /// and nobody should be able to call themselves by another one's id.
    pub fn username(text: &str) -> Result<Self, InvalidIdentifier> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let canonical = text.to_ascii_lowercase();
        let is_id = UserId::parse(&canonical).is_ok();
        if (1..=64).contains(&text.len()) && text.bytes().all(allowed) && !is_id {
            Ok(Self::Username(canonical))
        } else {
            Err(InvalidIdentifier::Username)
        }
    }

    /// An e-mail address: printable ASCII with one `@` and a domain of at
    /// least one letter or digit.
    pub fn email(text: &str) -> Result<Self, InvalidIdentifier> {
        let printable =
            text.len() <= IDENTIFIER_MAX_LEN && text.bytes().all(|b| b.is_ascii_graphic());
        let domain_allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-');
        match text.split_once('@') {
            Some((local, domain))
                if printable
                    && (1..=64).contains(&local.len())
                    && !domain.is_empty()
                    && domain.bytes().all(domain_allowed)
                    && !domain.starts_with(['.', '-'])
                    && !domain.ends_with(['.', '-']) =>
            {
                Ok(Self::Email(text.to_ascii_lowercase()))
            }
            _ => Err(InvalidIdentifier::Email),
        }
    }

    /// The name of the kind: the request field it comes from, and the value
    /// of the store's `kind` column.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Username(_) => "username",
            Self::Email(_) => "email",
        }
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Username(text) | Self::Email(text) => text,
        }
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Text that can be nobody's identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIdentifier {
    /// Not a username.
    #[error("must be 1 to 64 characters from a-z, 0-9, '.', '_' and '-', and no UUID")]
    Username,
    /// Not an e-mail address.
    #[error("must be an e-mail address of at most 254 ASCII characters")]
    Email,
}

/// What a user is allowed in its applications: a label that the configuration
/// of resource servers gives a meaning to. 1 to 64 of `a-z 0-9 . _ : -`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Role(String);

impl Role {
    /// Checks the text against the rule of the type.
    pub fn parse(text: &str) -> Result<Self, InvalidRole> {
        let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b':' | b'-');
        if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidRole)
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Text that is not a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 64 characters from a-z, 0-9, '.', '_', ':' and '-'")]
pub struct InvalidRole;

/// A user, without its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The `sub` claim.
    pub id: UserId,
    /// Sessions opened at an older version than this are dead. Only grows.
    pub version: i64,
    /// The login name, if there is one.
    pub username: Option<String>,
    /// The e-mail address, if there is one.
    pub email: Option<String>,
    /// The `name` claim, if there is one.
    pub display_name: Option<String>,
    /// The `roles` claim.
    pub roles: Vec<Role>,
    /// When the user was created.
    pub created_at: Timestamp,
    /// Since when the user may not log in; `None` while enabled.
    pub disabled_at: Option<Timestamp>,
    /// When the user last logged in.
    pub last_login_at: Option<Timestamp>,
}

/// A request to create a user; its parts are valid already.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// The new user's id.
    pub id: UserId,
    /// Identifiers, each unique among all users; at most one of a kind.
    pub identifiers: Vec<Identifier>,
    /// Display name, if any.
    pub display_name: Option<String>,
    /// Roles from the start.
    pub roles: Vec<Role>,
    /// The password's PHC string.
    pub password_hash: super::password::PasswordHash,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_person_are_equal() {
        assert_eq!(Identifier::parse("Alice"), Identifier::parse("aLICE"));
        assert_eq!(Identifier::parse("A@X.org"), Identifier::parse("a@x.ORG"));
    }

    /// LG-44, LG-45, LG-48: look-alikes and odd names are nobody.
    #[test]
    fn lg_44_unusual_identifiers_are_refused() {
        let too_long = "a".repeat(65);
        for bad in [
            "",
            " ",
            "admin ",
            "admin\0",
            "\u{212a}elvin",
            "ıstanbul",
            "ｆｕｌｌ",
            "a\u{200d}b",
            "root@",
            "@host",
            "a@b@c",
            "a@-b",
            "a@b.",
            "a b@c",
            "ä@example.org",
            &too_long,
        ] {
            assert!(Identifier::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Identifier::parse(&"a".repeat(64)).is_ok());
    }
}
