//! `Register`: strangers create their own users, if they may.

use crate::domain::{
    error::{AuthError, Denial},
    id::UserId,
};

use super::{Auth, users::CreateUserRequest};

impl Auth {
    /// Creates a user for whoever asks, without any role.
    pub async fn register(&self, request: CreateUserRequest) -> Result<UserId, AuthError> {
        if !self.policy.registration {
            return Err(AuthError::PermissionDenied(Denial::RegistrationDisabled));
        }
        self.create_user(CreateUserRequest { roles: Vec::new(), ..request }).await
    }
}
