//! `UpdateUser`: an administrator changes what a user is.

use crate::{
    domain::{
        account::Account,
        error::{AuthError, FieldViolation, Obstacle},
        id::UserId,
    },
    store::port::{UpdateUser, UserUpdated},
};

use super::{
    Administrator, Auth,
    profile::{ProfileRequest, check_display_name, check_identifier, check_roles},
};

/// What can be changed, by the names of the fields.
pub const FIELDS: [&str; 5] = ["username", "email", "phone", "display_name", "roles"];

/// A change that is asked for; nothing of it is checked yet.
#[derive(Debug)]
pub struct UpdateUserRequest {
    /// Who.
    pub id: UserId,
    /// What is to be changed: [`FIELDS`], at least one.
    pub fields: Vec<String>,
    /// The new values. What is not named in `fields` does not count.
    pub profile: ProfileRequest,
    /// The revision that the user must be at; `None` for any.
    pub revision: Option<i64>,
}

impl Auth {
    /// Changes a user. Gives it as it is now, and the number of the revocation
    /// that ended its access tokens, if roles went.
    pub async fn update_user(
        &self,
        request: UpdateUserRequest,
        admin: &Administrator,
    ) -> Result<(Account, Option<i64>), AuthError> {
        let update = self.check_update(request, admin)?;
        match self.store.update_user(update).await? {
            UserUpdated::Updated { account, revocation } => {
                self.index.apply(&revocation);
                Ok((account, revocation.map(|entry| entry.seq)))
            }
            UserUpdated::NotFound => Err(AuthError::NotFound("user")),
            UserUpdated::Conflict => Err(AuthError::Conflict("user")),
            UserUpdated::Taken(field) => Err(AuthError::AlreadyExists(field)),
            UserUpdated::NoIdentifier => {
                let rule = "must leave a username, an email or a phone";
                Err(AuthError::invalid("update_mask", rule))
            }
            UserUpdated::LastOfRole => {
                Err(AuthError::FailedPrecondition(Obstacle::LastAdministrator))
            }
        }
    }

    fn check_update(
        &self,
        request: UpdateUserRequest,
        admin: &Administrator,
    ) -> Result<UpdateUser, AuthError> {
        let UpdateUserRequest { id, fields, profile, revision } = request;
        let mut update = UpdateUser {
            id,
            revision,
            identifiers: Vec::new(),
            display_name: None,
            roles: None,
            kept_role: self.kept_role(admin),
            detail: format!("fields={}", fields.join(",")),
            origin: admin.origin(),
            entry_id: self.random_uuid()?,
            now: self.now(),
        };
        let mut violations = Vec::new();
        if fields.is_empty() {
            let rule = format!("must name one or more of {}", FIELDS.join(", "));
            violations.push(FieldViolation::new("update_mask", rule));
        }
        for field in &fields {
            if let Err(violation) = set(&mut update, field, &profile) {
                violations.push(violation);
            }
        }
        if violations.is_empty() { Ok(update) } else { Err(AuthError::InvalidArgument(violations)) }
    }
}

/// Takes the new value of one field over.
fn set(update: &mut UpdateUser, field: &str, new: &ProfileRequest) -> Result<(), FieldViolation> {
    let mut identify = |field, text| {
        update.identifiers.push((field, check_identifier(field, text)?));
        Ok(())
    };
    match field {
        "username" => identify("username", &new.username),
        "email" => identify("email", &new.email),
        "phone" => identify("phone", &new.phone),
        "display_name" => {
            update.display_name = Some(check_display_name(&new.display_name)?);
            Ok(())
        }
        "roles" => {
            update.roles = Some(check_roles(&new.roles)?);
            Ok(())
        }
        _ => {
            let rule = format!("must name only {}", FIELDS.join(", "));
            Err(FieldViolation::new("update_mask", rule))
        }
    }
}
