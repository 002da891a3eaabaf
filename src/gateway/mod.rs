//! What gateways ask about a request that they hold: may it pass, and who is
//! it? One judgement for forward-auth over HTTP and for Envoy's `ext_authz`
//! over gRPC, which only carry it.
//!
//! The credential comes from the request's headers (`credentials`), what it
//! must be good for from the gateway's own configuration (`requirements`).
//! The service judges it from memory. What follows is who it is (`identity`),
//! or why not (`refused`).

mod cookie;
mod credentials;
mod identity;
mod origin;
mod refused;
mod requirements;

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use tracing::Level;

use crate::{
    domain::{
        claims::AccessClaims,
        error::{AuthError, chain},
    },
    service::{
        Auth, Caller,
        browser::Renewal,
        verify::{InactiveReason, Question, Verdict},
    },
};

pub use cookie::SessionCookie;
pub use identity::COOKIE;
pub use origin::{Origins, is_safe};
pub use refused::Refused;
pub use requirements::Requirements;

use credentials::Credential;

/// What the log says then.
const UNJUDGED: &str = "a request could not be judged for its gateway";

/// What can be set about it.
#[derive(Clone, Debug)]
pub struct GatewayRules {
    /// Schemes of `authorization` under which a token is looked for.
    pub schemes: Vec<String>,
    /// Further headers that carry a token.
    pub token_headers: Vec<HeaderName>,
    /// Does a gateway that can take the token away let it go on?
    pub forward_token: bool,
    /// Browser sessions; `None`: there are none.
    pub browser: Option<BrowserRules>,
}

/// What can be set about the sessions of browsers.
#[derive(Clone, Debug)]
pub struct BrowserRules {
    /// Their cookie.
    pub cookie: SessionCookie,
    /// Whose pages may use it.
    pub origins: Origins,
}

/// Judges requests for gateways.
pub struct Gateway {
    auth: Arc<Auth>,
    rules: GatewayRules,
}

/// A request that waits at a gateway.
#[derive(Clone, Copy, Debug)]
pub struct Held<'a> {
    /// Its method.
    pub method: &'a str,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Who asks, for the log.
    pub caller: &'a Caller,
}

/// A request that may pass.
#[derive(Clone, Debug)]
pub struct Allowed {
    /// What its token says.
    pub claims: AccessClaims,
    /// The same as headers: each of them, empty where there is nothing to say,
    /// so that nothing can stay there that a client has sent.
    pub identity: Vec<(HeaderName, HeaderValue)>,
    /// Its `Cookie` header without the cookie of the session; may be empty.
    pub cookie: HeaderValue,
    /// The header with the token, if that ends here.
    pub consumed: Option<HeaderName>,
    /// A renewed cookie, for the browser.
    pub set_cookie: Option<HeaderValue>,
}

impl Gateway {
    /// Judges with this service, by these rules.
    pub fn new(auth: Arc<Auth>, rules: GatewayRules) -> Self {
        Self { auth, rules }
    }

    /// May it pass?
    pub async fn judge(
        &self,
        request: Held<'_>,
        requirements: Result<Requirements, AuthError>,
    ) -> Result<Allowed, Refused> {
        self.try_judge(request, requirements).await.map_err(|stop| match stop {
            Stop::Refused(refused) => refused,
            Stop::Failed(error) => self.failed(&error, request.caller),
        })
    }

    async fn try_judge(
        &self,
        request: Held<'_>,
        requirements: Result<Requirements, AuthError>,
    ) -> Result<Allowed, Stop> {
        let (requirements, realm) = (requirements?, self.realm());
        let credential = self.rules.credential(request.headers);
        match credential.map_err(|error| Refused::malformed(realm, &error))? {
            None => Err(Refused::without_credential(realm).into()),
            Some(Credential::Token { token, header }) => {
                let question = requirements.about(token);
                let verdict = self.auth.verify(&question).await?;
                let claims = judged(realm, &question, verdict)?;
                let consumed = Some(header).filter(|_| !self.rules.forward_token);
                self.allow(request, claims, consumed, None)
            }
            Some(Credential::Cookie { token, rules }) => {
                if !rules.origins.admit(request.headers, request.method) {
                    return Err(Refused::cross_site().into());
                }
                let question = requirements.about(token);
                let verdict = self.auth.verify_cookie(&question).await?;
                let claims = judged(realm, &question, verdict)
                    .map_err(|refused| refused.clearing(&rules.cookie))?;
                let renewed = self.renewed(request, rules, &claims).await?;
                self.allow(request, claims, None, renewed)
            }
        }
    }

    /// What takes the place of a good cookie, if it is time. The store may know
    /// that its session is over.
    async fn renewed(
        &self,
        request: Held<'_>,
        rules: &BrowserRules,
        claims: &AccessClaims,
    ) -> Result<Option<HeaderValue>, Stop> {
        match self.auth.renew_cookie(claims, request.caller).await {
            Renewal::None => Ok(None),
            // A renewal is a service and no condition.
            Renewal::Renewed(cookie) => Ok(rules.cookie.set(&cookie).map_or_else(
                |error| {
                    tracing::warn!(cause = chain(&error), "a renewed cookie cannot be set");
                    None
                },
                Some,
            )),
            Renewal::Refused(refusal) => {
                let refused = Refused::session_over(self.realm(), refusal);
                Err(refused.with_cookie(rules.cookie.cleared()).into())
            }
        }
    }

    fn allow(
        &self,
        request: Held<'_>,
        claims: AccessClaims,
        consumed: Option<HeaderName>,
        set_cookie: Option<HeaderValue>,
    ) -> Result<Allowed, Stop> {
        let session_cookie = self.rules.browser.as_ref().map(|rules| &rules.cookie);
        let cookie = cookie::without(request.headers, session_cookie)?;
        let identity = identity::headers(&claims)?;
        Ok(Allowed { claims, identity, cookie, consumed, set_cookie })
    }

    fn failed(&self, error: &AuthError, caller: &Caller) -> Refused {
        let (request_id, cause) = (caller.request_id.as_str(), chain(error));
        match error {
            AuthError::InvalidArgument(_) => {
                tracing::warn!(request_id, cause, "a gateway is configured wrongly");
            }
            _ if error.level() == Level::ERROR => tracing::error!(request_id, cause, UNJUDGED),
            _ => tracing::warn!(request_id, cause, UNJUDGED),
        }
        Refused::failed(self.realm(), error)
    }

    fn realm(&self) -> &str {
        &self.auth.policy().issuer
    }
}

/// What keeps a request from passing.
enum Stop {
    /// An answer.
    Refused(Refused),
    /// It could not be judged.
    Failed(AuthError),
}

impl From<Refused> for Stop {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<AuthError> for Stop {
    fn from(error: AuthError) -> Self {
        Self::Failed(error)
    }
}

fn judged(realm: &str, question: &Question, verdict: Verdict) -> Result<AccessClaims, Refused> {
    match (verdict.reason, verdict.claims) {
        (None, Some(claims)) => Ok(claims.claims),
        (Some(reason), _) => Err(Refused::inactive(realm, &reason, &question.requirements)),
        (None, None) => {
            Err(Refused::inactive(realm, &InactiveReason::Invalid, &question.requirements))
        }
    }
}
