//! `Register`: strangers create their own users, if they may.

use crate::domain::{
    audit::{Action, Actor},
    error::{AuthError, Denial},
    id::UserId,
};

use super::{Auth, Caller, users::CreateUserRequest};

impl Auth {
    /// Creates a user for whoever asks, without any role.
    pub async fn register(
        &self,
        mut request: CreateUserRequest,
        caller: &Caller,
    ) -> Result<UserId, AuthError> {
        if !self.policy.registration {
            return Err(AuthError::PermissionDenied(Denial::RegistrationDisabled));
        }
        request.profile.roles.clear();
        let origin = caller.acting_as(Actor::Anonymous);
        self.new_user(request, caller, Action::Register, &origin).await
    }
}
