//! Every conversion between protobuf messages and what services take and give.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use crate::{
    domain::{
        account::Role,
        claims::{Subject, UserClaims},
        clock::Timestamp,
        error::AuthError,
        id::SessionId,
        password::Password,
        policy::{Audience, Scopes},
        revocation::Killed,
        session::Session,
        verdict::Requirements,
    },
    service::{
        change_password::{ChangePasswordRequest, ChangedPassword},
        client_auth::{ClientCredentials, ClientProof},
        client_token::ClientTokenRequest,
        index::Needs,
        login::{LoggedIn, LoginRequest},
        profile::ProfileRequest,
        refresh::Refreshed,
        sessions::SessionPage,
        tokens::TokenPair,
        users::CreateUserRequest,
        verify::{InactiveReason, Question, TokenClaims, Verdict},
    },
};

use super::pb::auth as pb;

/// The largest `google.protobuf.Duration`, in seconds: 10 000 years.
const DURATION_MAX_S: i64 = 315_576_000_000;

impl From<pb::LoginRequest> for LoginRequest {
    fn from(request: pb::LoginRequest) -> Self {
        Self {
            identifier: request.identifier,
            password: Password::parse(request.password),
            client_id: request.client_id,
            audience: request.audience,
            scope: request.scope,
            label: request.label,
            no_refresh_token: request.no_refresh_token,
        }
    }
}

impl From<pb::IssueClientTokenRequest> for ClientTokenRequest {
    fn from(request: pb::IssueClientTokenRequest) -> Self {
        use pb::issue_client_token_request::Credentials;
        let proof = request.credentials.map(|credentials| match credentials {
            Credentials::ClientSecret(secret) => ClientProof::Secret(secret.into()),
            Credentials::ClientAssertion(text) => ClientProof::Assertion(text.into()),
        });
        let credentials = ClientCredentials { client_id: request.client_id, proof };
        Self { credentials, audience: request.audience, scope: request.scope }
    }
}

impl From<LoggedIn> for pb::LoginResponse {
    fn from(logged_in: LoggedIn) -> Self {
        Self {
            tokens: Some(logged_in.tokens.into()),
            session_id: logged_in.session_id.to_string(),
            user_id: logged_in.user_id.to_string(),
        }
    }
}

impl From<TokenPair> for pb::TokenPair {
    fn from(pair: TokenPair) -> Self {
        let refresh_token = pair.refresh_token.as_ref().map(SecretString::expose_secret);
        Self {
            access_token: pair.access_token.expose_secret().to_owned(),
            token_type: "Bearer".to_owned(),
            expire_time: Some(timestamp(pair.expires_at)),
            refresh_token: refresh_token.unwrap_or_default().to_owned(),
            session_expire_time: pair.session_expires_at.map(timestamp),
            refresh_after: Some(timestamp(pair.refresh_after)),
            scope: pair.scopes.to_string(),
        }
    }
}

impl From<Refreshed> for pb::RefreshResponse {
    fn from(refreshed: Refreshed) -> Self {
        Self {
            tokens: Some(refreshed.tokens.into()),
            session_id: refreshed.session_id.to_string(),
            replayed: refreshed.replayed,
        }
    }
}

impl From<pb::ChangePasswordRequest> for ChangePasswordRequest {
    fn from(request: pb::ChangePasswordRequest) -> Self {
        let refresh_token = Some(request.refresh_token).filter(|token| !token.is_empty());
        Self {
            current: Password::parse(request.current_password),
            new: Password::parse(request.new_password),
            refresh_token: refresh_token.map(SecretString::from),
        }
    }
}

impl From<ChangedPassword> for pb::ChangePasswordResponse {
    fn from(changed: ChangedPassword) -> Self {
        Self {
            tokens: Some(changed.tokens.into()),
            session_id: changed.session_id.to_string(),
            revocation_seq: changed.revocation_seq,
        }
    }
}

impl From<pb::RegisterRequest> for CreateUserRequest {
    fn from(request: pb::RegisterRequest) -> Self {
        let profile = ProfileRequest {
            username: request.username,
            email: request.email,
            phone: request.phone,
            display_name: request.display_name,
            roles: Vec::new(),
        };
        Self { profile, password: Some(Password::parse(request.password)) }
    }
}

/// One question to Verify.
pub(super) fn question(request: pb::VerifyRequest) -> Result<Question, AuthError> {
    let max_staleness = request
        .max_staleness
        .map(span)
        .transpose()
        .map_err(|rule| AuthError::invalid("max_staleness", rule))?;
    Ok(Question {
        token: request.token,
        requirements: Requirements {
            audience: request.required_audience,
            scopes: request.required_scopes,
            roles: request.required_roles,
        },
        needs: Needs { min_revocation_seq: request.min_revocation_seq, max_staleness },
    })
}

impl From<Verdict> for pb::VerifyResponse {
    fn from(verdict: Verdict) -> Self {
        let reason = verdict.reason.as_ref().map_or(pb::InactiveReason::Unspecified, Into::into);
        let revocation = match verdict.reason {
            Some(InactiveReason::Revoked(killed)) => Some(killed.into()),
            _ => None,
        };
        Self {
            active: reason == pb::InactiveReason::Unspecified,
            reason: reason.into(),
            claims: verdict.claims.map(Into::into),
            revocation,
            revocation_seq: verdict.revocation_seq,
            staleness: duration(verdict.staleness),
        }
    }
}

impl From<&InactiveReason> for pb::InactiveReason {
    fn from(reason: &InactiveReason) -> Self {
        match reason {
            InactiveReason::Invalid => Self::Invalid,
            InactiveReason::Expired => Self::Expired,
            InactiveReason::Revoked(_) => Self::Revoked,
            InactiveReason::WrongAudience => Self::WrongAudience,
            InactiveReason::MissingScope => Self::MissingScope,
            InactiveReason::MissingRole => Self::MissingRole,
            InactiveReason::WrongType => Self::WrongType,
            InactiveReason::KeyRevoked => Self::KeyRevoked,
        }
    }
}

impl From<Killed> for pb::Revocation {
    fn from(killed: Killed) -> Self {
        Self { revoke_time: Some(timestamp(killed.at)), reason: killed.reason.as_str().to_owned() }
    }
}

impl From<TokenClaims> for pb::Claims {
    fn from(TokenClaims { claims, json }: TokenClaims) -> Self {
        let subject = claims.subject();
        let of_user = match claims.subject {
            Subject::User(user) => user.into(),
            Subject::Client => Self::default(),
        };
        Self {
            issuer: claims.issuer,
            subject,
            audience: texts(&claims.audience, Audience::as_str),
            client_id: claims.client_id.as_str().to_owned(),
            token_id: claims.token_id.to_string(),
            issue_time: Some(timestamp(claims.issued_at)),
            expire_time: Some(timestamp(claims.expires_at)),
            scopes: scopes(&claims.scopes),
            json,
            ..of_user
        }
    }
}

/// What only the tokens of users say.
impl From<UserClaims> for pb::Claims {
    fn from(user: UserClaims) -> Self {
        Self {
            session_id: user.session_id.to_string(),
            auth_time: Some(timestamp(user.auth_time)),
            authentication_methods: user.amr,
            roles: texts(&user.roles, Role::as_str),
            name: user.name.unwrap_or_default(),
            email: user.email.unwrap_or_default(),
            ..Self::default()
        }
    }
}

impl From<SessionPage> for pb::ListSessionsResponse {
    fn from(SessionPage { sessions, next, current }: SessionPage) -> Self {
        Self {
            sessions: sessions.into_iter().map(|session| listed(session, current)).collect(),
            next_page_token: next.map(|id| id.to_string()).unwrap_or_default(),
        }
    }
}

/// A session as the one who is in `current` sees it.
fn listed(session: Session, current: SessionId) -> pb::Session {
    pb::Session {
        session_id: session.id.to_string(),
        client_id: session.client_id.as_str().to_owned(),
        label: session.label,
        create_time: Some(timestamp(session.created_at)),
        refresh_time: Some(timestamp(session.rotated_at)),
        expire_time: Some(timestamp(session.expires_at)),
        scopes: scopes(&session.scopes),
        current: session.id == current,
        ip_address: session.ip,
        user_agent: session.user_agent,
    }
}

pub(super) fn scopes(scopes: &Scopes) -> Vec<String> {
    scopes.iter().map(str::to_owned).collect()
}

pub(super) fn texts<T>(values: &[T], text: fn(&T) -> &str) -> Vec<String> {
    values.iter().map(|value| text(value).to_owned()).collect()
}

pub(super) fn timestamp(at: Timestamp) -> prost_types::Timestamp {
    let nanos = at.micros().rem_euclid(1_000_000).saturating_mul(1_000);
    prost_types::Timestamp { seconds: at.seconds(), nanos: i32::try_from(nanos).unwrap_or(0) }
}

/// `None` for more than the message can hold.
pub(super) fn duration(span: Duration) -> Option<prost_types::Duration> {
    span.try_into().ok()
}

/// A span of time that is none of the odd ones which the message can hold.
pub(super) fn span(duration: prost_types::Duration) -> Result<Duration, &'static str> {
    if duration.seconds < 0 || duration.nanos < 0 {
        return Err("must not be negative");
    }
    let seconds =
        u64::try_from(duration.seconds).ok().filter(|_| duration.seconds <= DURATION_MAX_S);
    let nanos = u32::try_from(duration.nanos).ok().filter(|nanos| *nanos < 1_000_000_000);
    match (seconds, nanos) {
        (Some(seconds), Some(nanos)) => Ok(Duration::new(seconds, nanos)),
        _ => Err("must be a valid google.protobuf.Duration"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_durations_are_refused() {
        let of = |seconds, nanos| span(prost_types::Duration { seconds, nanos }).ok();
        assert_eq!(of(0, 0), Some(Duration::ZERO));
        assert_eq!(of(1, 999_999_999), Some(Duration::new(1, 999_999_999)));
        assert_eq!(of(DURATION_MAX_S, 0), Some(Duration::from_hours(87_660_000)));
        for (seconds, nanos) in [
            (-1, 0),
            (0, -1),
            (1, -1),
            (-1, 1),
            (0, 1_000_000_000),
            (DURATION_MAX_S + 1, 0),
            (i64::MAX, i32::MAX),
            (i64::MIN, i32::MIN),
        ] {
            assert_eq!(of(seconds, nanos), None, "{seconds} {nanos}");
        }
        let request = pb::VerifyRequest {
            max_staleness: Some(prost_types::Duration { seconds: -1, nanos: 0 }),
            ..pb::VerifyRequest::default()
        };
        let error = question(request).expect_err("negative");
        assert_eq!(error.to_string(), "invalid argument: max_staleness must not be negative");
    }

    #[test]
    fn times_keep_their_microseconds_on_both_sides_of_the_epoch() {
        let of = |micros| {
            let t = timestamp(Timestamp::from_micros(micros));
            (t.seconds, t.nanos)
        };
        assert_eq!(of(1_800_000_000_123_456), (1_800_000_000, 123_456_000));
        assert_eq!(of(-1), (-1, 999_999_000));
    }
}
