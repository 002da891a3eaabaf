//! One-time tokens: issued, looked at, used up.

use tokenward::{
    domain::{
        clock::Timestamp,
        id::UserId,
        one_time::{Purpose, Usage},
        throttle::Fingerprint,
    },
    store::port::{
        IssueOneTimeToken, LiveToken, NewOneTimeToken, PresentedToken, VerifyIdentifier,
    },
};

use super::state::{OneTimeToken, State, TokenPlace, place_of, verified_of};

/// A token that is used.
pub(super) struct Used<'a> {
    pub(super) digest: &'a Fingerprint,
    pub(super) purpose: Purpose,
    pub(super) user_id: UserId,
    /// The version that the user is at.
    pub(super) user_version: i64,
    pub(super) now: Timestamp,
}

impl State {
    pub(super) fn issue_one_time_token(&mut self, new: &NewOneTimeToken) -> IssueOneTimeToken {
        let Some(mut account) = self.account(new.user_id) else {
            return IssueOneTimeToken::NoUser;
        };
        if account.disabled_at.is_some() {
            return IssueOneTimeToken::Disabled;
        }
        let (user_version, kind, canonical) = match new.usage {
            Usage::PasswordReset => (Some(self.lifted(&account)), "", String::new()),
            Usage::Verification(contact) => {
                let Some(text) = place_of(&mut account, contact.kind()).take() else {
                    return IssueOneTimeToken::NoIdentifier;
                };
                (None, contact.kind(), text)
            }
        };
        let place = (new.user_id, new.usage.purpose().as_str(), kind);
        let (now, interval) = (new.context.now, new.interval);
        if let Some(older) = self.one_time_tokens.get(&place)
            && older.created_at > now.minus(interval)
            // Otherwise it was made by a wrong clock.
            && older.created_at <= now.plus(interval)
        {
            return IssueOneTimeToken::TooSoon(older.created_at.plus(interval).since(now));
        }
        let (digest, expires_at) = (new.digest.clone(), new.expires_at);
        let token = OneTimeToken { digest, user_version, canonical, created_at: now, expires_at };
        self.one_time_tokens.insert(place, token);
        self.tell(&new.event());
        IssueOneTimeToken::Issued
    }

    pub(super) fn one_time_token(&self, presented: &PresentedToken) -> Option<LiveToken> {
        let (place, token) = self.find(&presented.digest, presented.purpose)?;
        let account = self.account(place.0)?;
        let user_version = self.lifted(&account);
        let lives = account.disabled_at.is_none() && token.is_good(user_version, presented.now);
        lives.then_some(LiveToken { account, user_version })
    }

    pub(super) fn verify_identifier(&mut self, request: &VerifyIdentifier) -> bool {
        let user_id = request.user_id;
        let Some(account) = self.account(user_id) else { return false };
        if account.disabled_at.is_some() {
            return false;
        }
        let (purpose, user_version) = (Purpose::Verification, self.lifted(&account));
        let digest = &request.digest;
        let used = Used { digest, purpose, user_id, user_version, now: request.now };
        let Some((kind, canonical)) = self.use_up(&used) else { return false };
        let Some(owner) = self.users.get_mut(&user_id) else { return false };
        if place_of(&mut owner.account, kind).as_ref() != Some(&canonical) {
            // The user has another one by now. The token is worth nothing, and goes.
            return false;
        }
        if let Some(verified_at) = verified_of(&mut owner.account, kind) {
            *verified_at = Some(request.now);
        }
        self.tell(&request.event(kind));
        true
    }

    /// Deletes the token and gives kind and text of the identifier that it is
    /// about. `None`: it is not there any more, or not good any more.
    pub(super) fn use_up(&mut self, used: &Used<'_>) -> Option<(&'static str, String)> {
        let (place, token) = self.find(used.digest, used.purpose)?;
        if place.0 != used.user_id || !token.is_good(used.user_version, used.now) {
            return None;
        }
        let token = self.one_time_tokens.remove(&place)?;
        Some((place.2, token.canonical))
    }

    /// Deletes the user's token for a purpose, if there is one.
    pub(super) fn forget_one_time_token(&mut self, user: UserId, purpose: Purpose) {
        self.one_time_tokens.retain(|(owner, of, _), _| (*owner, *of) != (user, purpose.as_str()));
    }

    fn find(&self, digest: &Fingerprint, purpose: Purpose) -> Option<(TokenPlace, &OneTimeToken)> {
        let mut tokens = self.one_time_tokens.iter().map(|(place, token)| (*place, token));
        tokens.find(|(place, token)| token.digest == *digest && place.1 == purpose.as_str())
    }
}

impl OneTimeToken {
    fn is_good(&self, user_version: i64, now: Timestamp) -> bool {
        now < self.expires_at && self.user_version.is_none_or(|version| version == user_version)
    }
}
