//! One-time tokens: whoever has one may do one thing, once. An application
//! asks for it and delivers it to the user by its own means.

use std::{fmt, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};

use super::entropy::{Entropy, EntropyError};

/// The least time between two tokens of one user for one use. Whoever can make
/// an application ask cannot fill a mailbox with it.
pub const ISSUE_INTERVAL: Duration = Duration::from_mins(1);

/// Random bytes of a token.
const SECRET_LEN: usize = 32;

/// What tokens are good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Setting a new password.
    PasswordReset,
    /// Showing that an identifier is the user's: what is sent there is read.
    Verification,
}

impl Purpose {
    /// The name, as the store keeps it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PasswordReset => "password_reset",
            Self::Verification => "verification",
        }
    }

    /// How its tokens begin, for people and for those who search for secrets
    /// that have leaked.
    const fn prefix(self) -> &'static str {
        match self {
            Self::PasswordReset => "twr_",
            Self::Verification => "twv_",
        }
    }
}

/// An identifier that something can be sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contact {
    /// The e-mail address.
    Email,
    /// The phone number.
    Phone,
}

impl Contact {
    /// The kind of identifier, as [`super::identifier::Identifier::kind`] has
    /// it.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
        }
    }
}

/// What one token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// A new password.
    PasswordReset,
    /// Verifying this identifier, as long as the user has it.
    Verification(Contact),
}

impl Usage {
    /// What tokens like it are good for.
    pub const fn purpose(self) -> Purpose {
        match self {
            Self::PasswordReset => Purpose::PasswordReset,
            Self::Verification(_) => Purpose::Verification,
        }
    }
}

/// A token in clear: the prefix of its purpose, and 256 random bits in
/// base64url. Never printed, and never stored.
#[derive(Clone)]
pub struct OneTimeToken(SecretString);

impl OneTimeToken {
    /// Draws a new one.
    pub fn generate(purpose: Purpose, entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let mut secret = [0; SECRET_LEN];
        entropy.fill(&mut secret)?;
        let text = purpose.prefix().to_owned() + &URL_SAFE_NO_PAD.encode(secret);
        Ok(Self(SecretString::from(text)))
    }

    /// Text that could be a token for this purpose, in the one spelling that
    /// it has.
    pub fn parse(purpose: Purpose, text: &str) -> Option<Self> {
        let secret = URL_SAFE_NO_PAD.decode(text.strip_prefix(purpose.prefix())?).ok()?;
        (secret.len() == SECRET_LEN).then(|| Self(SecretString::from(text)))
    }

    /// The text.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for OneTimeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneTimeToken([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::entropy::Sevens;

    #[test]
    fn a_token_says_what_it_is_for() {
        let token = OneTimeToken::generate(Purpose::PasswordReset, &Sevens).expect("random");
        let text = token.expose();
        assert_eq!(text, "twr_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc");
        assert!(OneTimeToken::parse(Purpose::PasswordReset, text).is_some());
        assert!(OneTimeToken::parse(Purpose::Verification, text).is_none());
    }

    /// A token has one spelling: what was used cannot come again in another.
    #[test]
    fn a_token_has_one_spelling() {
        let good = OneTimeToken::generate(Purpose::Verification, &Sevens).expect("random");
        let good = good.expose().to_owned();
        let secret = good.trim_start_matches("twv_");
        for bad in [
            String::new(),
            "twv_".to_owned(),
            secret.to_owned(),
            format!("twv_{secret}="),
            format!("twv_ {secret}"),
            format!("{good}\n"),
            format!("TWV_{secret}"),
            format!("twv_{secret}A"),
            good[..good.len() - 1].to_owned(),
            // The last character has four bits; the rest of it must be zero.
            format!("{}d", &good[..good.len() - 1]),
        ] {
            assert!(OneTimeToken::parse(Purpose::Verification, &bad).is_none(), "{bad:?}");
        }
        assert!(OneTimeToken::parse(Purpose::Verification, &good).is_some());
    }

    /// P8: a token in a log line would be a defect of the type.
    #[test]
    fn p8_debug_output_is_redacted() {
        let token = OneTimeToken::generate(Purpose::PasswordReset, &Sevens).expect("random");
        assert_eq!(format!("{token:?}"), "OneTimeToken([redacted])");
    }
}
