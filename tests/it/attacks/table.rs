//! Tables of cases, and the world in which they are judged.

use std::fmt::Display;

use secrecy::ExposeSecret as _;
use tokenward::{
    config::Settings,
    domain::{error::AuthError, id::UserId, verdict::Requirements},
    service::{
        login::LoggedIn,
        verify::{InactiveReason, Question},
    },
};

use super::forge::{Forge, Key};
use crate::support::world::{Engine, World, question, shared_keys};

/// What became of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Active,
    Invalid,
    Expired,
    Revoked,
    WrongAudience,
    WrongType,
    /// The request itself was refused.
    BadRequest,
    Other,
}

/// One case.
pub(super) struct Row {
    pub(super) id: &'static str,
    pub(super) what: String,
    pub(super) token: String,
    pub(super) expected: Seen,
}

/// Cases of one kind.
#[derive(Default)]
pub(super) struct Table(pub(super) Vec<Row>);

impl Table {
    /// A token that is `INVALID`: nothing more is told about it.
    pub(super) fn reject(
        &mut self,
        id: &'static str,
        what: impl Display,
        token: impl Into<String>,
    ) {
        self.expect(id, what, token, Seen::Invalid);
    }

    /// A neighbour that is fine.
    pub(super) fn accept(
        &mut self,
        id: &'static str,
        what: impl Display,
        token: impl Into<String>,
    ) {
        self.expect(id, what, token, Seen::Active);
    }

    pub(super) fn expect(
        &mut self,
        id: &'static str,
        what: impl Display,
        token: impl Into<String>,
        expected: Seen,
    ) {
        let (what, token) = (what.to_string(), token.into());
        self.0.push(Row { id, what, token, expected });
    }

    pub(super) fn append(mut self, mut other: Self) -> Self {
        self.0.append(&mut other.0);
        self
    }
}

/// A world with one user, logged in once, and forges with both its keys.
pub(super) struct Trial {
    pub(super) world: World,
    pub(super) user: UserId,
    pub(super) login: LoggedIn,
    /// Forges access tokens.
    pub(super) forge: Forge,
    /// Forges refresh tokens.
    pub(super) refresh_forge: Forge,
}

impl Trial {
    pub(super) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(super) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let world = World::with(Engine::Sqlite, change).await.expect("SQLite is always there");
        let user = world.user("alice").await;
        let login = world.login("alice").await;
        let key = |purpose| Key::load(&shared_keys().join(purpose).join("test.pem"));
        let refresh_token = refresh_token(&login);
        Self {
            forge: Forge::new(key("access"), access_token(&login), "at+jwt"),
            refresh_forge: Forge::new(key("refresh"), &refresh_token, "rt+jwt"),
            world,
            user,
            login,
        }
    }

    /// The honest token.
    pub(super) fn good(&self) -> &str {
        access_token(&self.login)
    }

    pub(super) async fn verify(&self, token: &str) -> Seen {
        seen(self.world.auth().verify(&question(token)).await.map(|verdict| verdict.reason))
    }

    /// The verdict of somebody who is the audience "api".
    pub(super) async fn verify_for_api(&self, token: &str) -> Seen {
        let question = Question {
            requirements: Requirements { audience: "api".to_owned(), ..Requirements::default() },
            ..question(token)
        };
        seen(self.world.auth().verify(&question).await.map(|verdict| verdict.reason))
    }

    /// Judges every row; the honest token must be accepted before and after.
    /// VT-34: no hostile token does anything to it.
    pub(super) async fn judge(&self, table: Table) {
        assert!(!table.0.is_empty(), "a table without rows");
        assert_eq!(self.verify(self.good()).await, Seen::Active, "the honest token, before");
        let mut wrong = Vec::new();
        for row in &table.0 {
            let seen = self.verify(&row.token).await;
            if seen != row.expected {
                wrong.push(format!("{} {}: {seen:?}, not {:?}", row.id, row.what, row.expected));
            }
        }
        assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
        assert_eq!(self.verify(self.good()).await, Seen::Active, "VT-34: the honest token, after");
    }
}

/// The access token of a login.
pub(super) fn access_token(login: &LoggedIn) -> &str {
    login.tokens.access_token.expose_secret()
}

/// The refresh token of a login.
pub(super) fn refresh_token(login: &LoggedIn) -> String {
    let token = login.tokens.refresh_token.as_ref().expect("a refresh token");
    token.expose_secret().to_owned()
}

fn seen(answer: Result<Option<InactiveReason>, AuthError>) -> Seen {
    match answer {
        Ok(None) => Seen::Active,
        Ok(Some(InactiveReason::Invalid)) => Seen::Invalid,
        Ok(Some(InactiveReason::Expired)) => Seen::Expired,
        Ok(Some(InactiveReason::Revoked(_))) => Seen::Revoked,
        Ok(Some(InactiveReason::WrongAudience)) => Seen::WrongAudience,
        Ok(Some(InactiveReason::WrongType)) => Seen::WrongType,
        Ok(Some(_)) => Seen::Other,
        Err(AuthError::InvalidArgument(_)) => Seen::BadRequest,
        Err(error) => panic!("a verdict was expected: {error}"),
    }
}
