//! Who may administer.

use crate::{
    domain::{
        account::Role,
        audit::{Actor, Origin},
        error::{AuthError, Denial, Refusal},
    },
    peers::PeerNames,
    store::port::Context,
};

use super::{Auth, Caller, verify::acting_user};

/// Somebody who may administer: whoever has one has been judged. The calls
/// that need it cannot be made without.
#[derive(Clone, Debug)]
pub struct Administrator {
    actor: Actor,
    caller: Caller,
}

impl Administrator {
    /// Whoever may run the command line on the database.
    pub fn command_line() -> Self {
        Self { actor: Actor::Operator, caller: Caller::default() }
    }

    /// Who is at the other end of the call.
    pub(super) const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// In whose name something happens.
    pub(super) fn origin(&self) -> Origin {
        self.caller.acting_as(self.actor.clone())
    }
}

impl Auth {
    /// Whoever calls, if they may administer: by a name in their client
    /// certificate, or by an access token of a user who has the role now,
    /// whatever the token says.
    pub async fn administrator(
        &self,
        bearer: Option<&str>,
        names: &PeerNames,
        caller: Caller,
    ) -> Result<Administrator, AuthError> {
        let admin = &self.policy.admin;
        if let Some(name) = admin.certificates.iter().find(|name| names.contains(name)) {
            return Ok(Administrator { actor: Actor::Certificate(name.clone()), caller });
        }
        let denied = |denial| Err(AuthError::PermissionDenied(denial));
        let claims = self.authenticate(bearer).await?;
        if admin.audience.as_ref().is_some_and(|audience| !claims.audience.contains(audience)) {
            return denied(Denial::NotForAdministration);
        }
        let revoked = AuthError::Unauthenticated(Refusal::Revoked);
        let account = self.store.user(acting_user(&claims)?.id).await?.ok_or(revoked)?;
        // The store may know of an end that this process has not read yet.
        if account.disabled_at.is_some() || account.version != claims.user_version {
            return Err(AuthError::Unauthenticated(Refusal::Revoked));
        }
        if !account.roles.contains(&admin.role) {
            return denied(Denial::NotAdministrator);
        }
        Ok(Administrator { actor: Actor::User(account.id), caller })
    }

    /// What a step in the store is told of who wants it.
    pub(super) fn context(&self, admin: &Administrator) -> Context {
        Context { origin: admin.origin(), now: self.now() }
    }

    /// The role that some enabled user must keep, or nobody could administer
    /// any more. The command line always can.
    pub(super) fn kept_role(&self, admin: &Administrator) -> Option<Role> {
        (admin.actor != Actor::Operator).then(|| self.policy.admin.role.clone())
    }
}
