//! Users who bring their password hashes from another system.

use crate::{
    domain::{
        account::NewAccount,
        error::{AuthError, FieldViolation},
        id::UserId,
        password::PasswordHash,
    },
    store::port::CreateUser,
};

use super::{
    Administrator, Auth,
    profile::{Profile, ProfileRequest},
};

/// Users that are best imported in one call: one commit for all of them, and
/// a transaction so short that logins do not wait for it.
pub const IMPORT_BATCH: usize = 100;

/// A user to import; nothing of it is checked yet.
#[derive(Debug)]
pub struct ImportUserRequest {
    /// What it is, besides a password.
    pub profile: ProfileRequest,
    /// The hash, as the other system has it.
    pub password_hash: PasswordHash,
}

impl Auth {
    /// Creates users who log in with the passwords that they had elsewhere,
    /// and tells of each how it ended, in their order:
    /// [`AuthError::InvalidArgument`] or [`AuthError::AlreadyExists`], if not
    /// well. What fails as a whole has created all of them or none.
    pub async fn import_users(
        &self,
        requests: Vec<ImportUserRequest>,
        admin: &Administrator,
    ) -> Result<Vec<Result<UserId, AuthError>>, AuthError> {
        let mut results = Vec::with_capacity(requests.len());
        let mut accounts = Vec::with_capacity(requests.len());
        for request in requests {
            let checked = self.check_imported(request);
            let account = checked.and_then(|(profile, hash)| self.new_account(profile, hash));
            results.push(account.map(|account| {
                let id = account.id;
                accounts.push(account);
                id
            }));
        }
        if accounts.is_empty() {
            return Ok(results);
        }
        let mut outcomes =
            self.store.create_users(accounts, self.context(admin)).await?.into_iter();
        for result in results.iter_mut().filter(|result| result.is_ok()) {
            if let Some(CreateUser::Taken(field)) = outcomes.next() {
                *result = Err(AuthError::AlreadyExists(field));
            }
        }
        Ok(results)
    }

    /// Judges a user as [`Self::import_users`] would now, and creates nothing.
    /// The outer error is an outage.
    pub async fn check_import(
        &self,
        request: ImportUserRequest,
    ) -> Result<Result<(), AuthError>, AuthError> {
        let profile = match self.check_imported(request) {
            Ok((profile, _)) => profile,
            Err(error) => return Ok(Err(error)),
        };
        for identifier in profile.identifiers() {
            if self.store.user_by_identifier(identifier.clone()).await?.is_some() {
                return Ok(Err(AuthError::AlreadyExists(identifier.kind())));
            }
        }
        Ok(Ok(()))
    }

    fn check_imported(
        &self,
        request: ImportUserRequest,
    ) -> Result<(Profile, PasswordHash), AuthError> {
        let ImportUserRequest { profile, password_hash } = request;
        let (profile, mut violations) = Profile::check(&profile);
        if let Err(error) = self.passwords.accepts(&password_hash) {
            violations.push(FieldViolation::new("password_hash", error.to_string()));
        }
        if violations.is_empty() {
            Ok((profile, password_hash))
        } else {
            Err(AuthError::InvalidArgument(violations))
        }
    }

    fn new_account(&self, profile: Profile, hash: PasswordHash) -> Result<NewAccount, AuthError> {
        Ok(profile.into_account(UserId::new(self.random_uuid()?), Some(hash)))
    }
}
