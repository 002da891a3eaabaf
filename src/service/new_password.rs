//! The rules that a new password must keep, and its hash.

use crate::domain::{
    account::Account,
    error::AuthError,
    password::{InvalidPassword, Password, PasswordHash},
};

use super::{Auth, Caller};

impl Auth {
    /// The rules that need no look at any account.
    pub(super) fn accept_new(&self, password: Password) -> Result<Password, InvalidPassword> {
        let password = password.accept_new(self.policy.password_min_chars)?;
        if self.passwords.is_early_guess(&password) {
            return Err(InvalidPassword::Common);
        }
        Ok(password)
    }

    /// Hashes it on the worker threads.
    pub(super) async fn hash(
        &self,
        password: Password,
        caller: &Caller,
    ) -> Result<PasswordHash, AuthError> {
        Ok(self.passwords.hash(password, self.place(caller)?).await?)
    }
}

/// The rule that needs the account. The field is `new_password`.
pub(super) fn accept_for(new: Password, account: &Account) -> Result<Password, AuthError> {
    let accepted = new.accept_without(account.identifiers());
    accepted.map_err(|error| AuthError::invalid("new_password", error.to_string()))
}
