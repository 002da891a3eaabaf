//! What was called, when, and what came of it: all that the checker knows.
//!
//! There is one clock, the campaign's. Tokens are named by a part of their
//! digest, passwords by their number.

use serde::{Deserialize, Serialize};

/// Microseconds since the campaign began.
pub(crate) type Moment = u64;

/// One call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Event {
    /// Before the call was sent.
    pub(crate) begin: Moment,
    /// When its answer was there, or nobody waited for it any more.
    pub(crate) end: Moment,
    /// Who was asked.
    pub(crate) replica: usize,
    pub(crate) user: u32,
    pub(crate) call: Call,
    pub(crate) outcome: Outcome,
    /// Nothing was disturbed any more, and everybody was ready: there is no
    /// excuse for the lack of an answer.
    pub(crate) calm: bool,
}

/// A chain is what a login, or a change of the password, begins: the tokens of
/// one session at one version. It dies as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Call {
    /// Begins a chain.
    Login { chain: u32, password: u32 },
    /// Presents a refresh token of the chain, which is its newest or, if that
    /// was never presented, the one before.
    Refresh { chain: u32, presented: u64 },
    /// Shows an access token of the chain, and demands knowledge.
    Verify { chain: u32, min_seq: i64 },
    /// Ends the chain.
    Revoke { chain: u32 },
    /// Ends every chain of the user, and begins one.
    ChangePassword { chain: u32, next: u32, from: u32, to: u32 },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    /// These tokens.
    Tokens { access: u64, refresh: u64, replayed: bool, seq: i64 },
    /// The access token is good, by knowledge that is so many microseconds old.
    Active { staleness: u64 },
    /// It is not.
    Inactive { reason: String, staleness: u64 },
    /// Revoked, with this number in the log.
    Revoked { seq: i64 },
    /// The credentials are not good. Nothing was done.
    Refused { reason: String },
    /// The server could not. Whether something was done is not known.
    Unavailable { reason: String },
    /// An answer that no call should get.
    Defect { reason: String },
    /// There was no answer. Something may be done, now or later.
    Lost,
}

impl Outcome {
    /// Did the server say that it was done?
    pub(crate) fn is_done(&self) -> bool {
        matches!(self, Self::Tokens { .. } | Self::Revoked { .. })
    }

    /// May something have been done, or be done yet?
    pub(crate) fn may_be_done(&self) -> bool {
        !matches!(self, Self::Refused { .. })
    }

    /// Its kind, for counting.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Tokens { replayed: false, .. } => "tokens",
            Self::Tokens { replayed: true, .. } => "the same tokens again",
            Self::Active { .. } => "active",
            Self::Inactive { .. } => "inactive",
            Self::Revoked { .. } => "revoked",
            Self::Refused { .. } => "refused",
            Self::Unavailable { .. } => "unavailable",
            Self::Defect { .. } => "defect",
            Self::Lost => "no answer",
        }
    }
}

impl Call {
    /// Its name, for counting.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Login { .. } => "Login",
            Self::Refresh { .. } => "Refresh",
            Self::Verify { .. } => "Verify",
            Self::Revoke { .. } => "Revoke",
            Self::ChangePassword { .. } => "ChangePassword",
        }
    }
}
