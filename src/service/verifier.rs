//! Who may ask for verdicts on the tokens of others.

use crate::{
    domain::{
        claims::Subject,
        error::{AuthError, Denial},
    },
    peers::PeerNames,
};

use super::Auth;

impl Auth {
    /// Lets whoever calls ask, or says why not: everybody who reaches the
    /// listener, or if the configuration says so only service clients and the
    /// holders of some certificates. Otherwise nobody looks at credentials.
    pub async fn verifier<'a>(
        &self,
        bearer: impl FnOnce() -> Result<Option<&'a str>, AuthError>,
        names: Option<&PeerNames>,
    ) -> Result<(), AuthError> {
        let Some(certificates) = &self.policy.known_verifiers else { return Ok(()) };
        if names.is_some_and(|names| certificates.iter().any(|name| names.contains(name))) {
            return Ok(());
        }
        match self.authenticate(bearer()?).await?.subject {
            Subject::Client => Ok(()),
            Subject::User(_) => Err(AuthError::PermissionDenied(Denial::NotAVerifier)),
        }
    }
}
