//! `Register`: strangers create their own users, if they may.

use crate::domain::{
    error::{AuthError, Denial},
    id::UserId,
};

use super::{Auth, users::CreateUserRequest};

impl Auth {
    /// Creates a user for whoever asks, without any role.
    pub async fn register(&self, mut request: CreateUserRequest) -> Result<UserId, AuthError> {
        if !self.policy.registration {
            return Err(AuthError::PermissionDenied(Denial::RegistrationDisabled));
        }
        request.profile.roles.clear();
        self.create_user(request).await
    }
}
