//! Mistakes that a store could make, planted on purpose: what looks for such
//! mistakes has to find each of them.

/// One planted mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Bug {
    /// Any refresh token of a session moves it on, however old: two chains.
    RotationIgnoresGeneration,
    /// A revoked session is refreshed.
    RotationIgnoresRevocation,
    /// A session of before its user's version was raised is refreshed.
    RotationIgnoresUserVersion,
    /// A session of before everything was revoked is refreshed.
    RotationIgnoresFloor,
    /// A used refresh token gets its successor however late it comes.
    ReplayWindowHasNoEnd,
    /// A used refresh token is a stolen one at once.
    ReplayWindowIsEmpty,
    /// A session is marked as revoked, and the log does not say so.
    RevocationWithoutEntry,
    /// Another password counts, and the log does not say so.
    PasswordChangeWithoutEntry,
    /// Places in the log are given out before the commit: every other entry is
    /// seen only after the next one.
    EntriesOutOfOrder,
    /// An entry is thrown away with the tokens that it kills still alive.
    SweepTakesLiveEntries,
    /// Users may have any number of sessions.
    NoSessionLimit,
    /// A login is taken though its user has changed since the password was
    /// checked.
    LoginIgnoresChanges,
    /// Disabling a user leaves their version as it is, and what was to die
    /// with it lives when they are enabled again.
    DisablingKeepsVersion,
    /// A refresh says that it moved a session on, and has not.
    RotationIsLost,
}

impl Bug {
    /// All of them.
    pub(crate) const ALL: [Self; 14] = [
        Self::RotationIgnoresGeneration,
        Self::RotationIgnoresRevocation,
        Self::RotationIgnoresUserVersion,
        Self::RotationIgnoresFloor,
        Self::ReplayWindowHasNoEnd,
        Self::ReplayWindowIsEmpty,
        Self::RevocationWithoutEntry,
        Self::PasswordChangeWithoutEntry,
        Self::EntriesOutOfOrder,
        Self::SweepTakesLiveEntries,
        Self::NoSessionLimit,
        Self::LoginIgnoresChanges,
        Self::DisablingKeepsVersion,
        Self::RotationIsLost,
    ];
}
