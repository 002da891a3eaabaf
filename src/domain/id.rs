//! Identifiers that can only exist valid.

use std::fmt;

use uuid::Uuid;

/// Text that is not an identifier of the kind asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be {0}")]
pub struct InvalidId(&'static str);

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID that was made or read for this purpose.
            pub const fn new(id: Uuid) -> Self {
                Self(id)
            }

            /// The UUID itself.
            pub const fn uuid(self) -> Uuid {
                self.0
            }

            /// Parses the canonical form only: lower case, with hyphens, no
            /// braces and no `urn:uuid:` (RFC 9562 section 4).
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                let rule = InvalidId("a UUID in canonical lower-case form");
                let id = Uuid::try_parse(text).map_err(|_| rule)?;
                let mut canonical = Uuid::encode_buffer();
                let canonical: &str = id.hyphenated().encode_lower(&mut canonical);
                if canonical == text { Ok(Self(id)) } else { Err(rule) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }
    };
}

uuid_id!(
    /// A user: the `sub` claim. Random, never reused, and it tells nothing.
    UserId
);
uuid_id!(
    /// A session: the `sid` claim. Never reused.
    SessionId
);
uuid_id!(
    /// One token: the `jti` claim.
    TokenId
);

/// A client: the `client_id` claim (RFC 9068 section 2.2). 1 to 64 of
/// `a-z 0-9 . _ -`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(String);

impl ClientId {
    /// The longest client id, in bytes.
    pub const MAX_LEN: usize = 64;

    /// Checks the text against the rule of the type.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
        if (1..=Self::MAX_LEN).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidId("1 to 64 characters from a-z, 0-9, '.', '_' and '-'"))
        }
    }

    /// Could it be taken for the id of a user? Such a client can have no
    /// tokens of its own.
    pub fn is_uuid(&self) -> bool {
        Uuid::try_parse(&self.0).is_ok()
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A key: the `kid` header (RFC 7515 section 4.1.4). 1 to 64 characters of
/// base64url; ours are RFC 7638 thumbprints, which have 43.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(String);

impl KeyId {
    /// The longest key id, in bytes.
    pub const MAX_LEN: usize = 64;

    /// Checks the text against the rule of the type.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if (1..=Self::MAX_LEN).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidId("1 to 64 characters of base64url"))
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// VI-22: only the canonical form of a UUID is an id.
    #[test]
    fn vi_22_uuid_ids_are_canonical() {
        let canonical = "018f3a5e-7c1b-7d2e-8f3a-1b2c3d4e5f60";
        assert_eq!(UserId::parse(canonical).map(|id| id.to_string()), Ok(canonical.to_owned()));
        for bad in [
            "",
            "018F3A5E-7C1B-7D2E-8F3A-1B2C3D4E5F60",
            "018f3a5e7c1b7d2e8f3a1b2c3d4e5f60",
            "{018f3a5e-7c1b-7d2e-8f3a-1b2c3d4e5f60}",
            "urn:uuid:018f3a5e-7c1b-7d2e-8f3a-1b2c3d4e5f60",
            "018f3a5e-7c1b-7d2e-8f3a-1b2c3d4e5f6",
            "018f3a5e-7c1b-7d2e-8f3a-1b2c3d4e5f60 ",
        ] {
            assert!(UserId::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn client_and_key_ids_have_edges() {
        assert!(ClientId::parse(&"a".repeat(64)).is_ok());
        assert!(ClientId::parse(&"a".repeat(65)).is_err());
        assert!(ClientId::parse("Web").is_err());
        assert!(KeyId::parse(&"A".repeat(64)).is_ok());
        assert!(KeyId::parse(&"A".repeat(65)).is_err());
        assert!(KeyId::parse("../x").is_err());
    }
}
