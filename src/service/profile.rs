//! What a user is, besides a password: the rules, one for each field.

use crate::domain::{
    account::{NewAccount, Role},
    error::FieldViolation,
    id::UserId,
    identifier::{Identifier, InvalidIdentifier},
    password::PasswordHash,
};

/// The most roles that a user can have. They all go into its tokens.
pub const ROLES_MAX: usize = 64;
/// The longest display name, in bytes.
pub const DISPLAY_NAME_MAX_LEN: usize = 128;

/// What a new user is to be; nothing of it is checked yet. Empty means absent.
#[derive(Debug, Default)]
pub struct ProfileRequest {
    /// The login name.
    pub username: String,
    /// The e-mail address.
    pub email: String,
    /// The phone number.
    pub phone: String,
    /// The `name` claim.
    pub display_name: String,
    /// The `roles` claim.
    pub roles: Vec<String>,
}

/// What a user is, besides a password.
pub(super) struct Profile {
    identifiers: Vec<Identifier>,
    display_name: Option<String>,
    roles: Vec<Role>,
}

impl Profile {
    /// Checks every rule. The profile counts only if none is broken.
    pub(super) fn check(request: &ProfileRequest) -> (Self, Vec<FieldViolation>) {
        let (mut identifiers, mut violations) = (Vec::new(), Vec::new());
        let given =
            [("username", &request.username), ("email", &request.email), ("phone", &request.phone)];
        for (field, text) in given {
            match check_identifier(field, text) {
                Ok(identifier) => identifiers.extend(identifier),
                Err(violation) => violations.push(violation),
            }
        }
        if identifiers.is_empty() && violations.is_empty() {
            let rule = "must be given, or else an email or phone";
            violations.push(FieldViolation::new("username", rule));
        }
        let display_name = check_display_name(&request.display_name);
        let roles = check_roles(&request.roles);
        let (display_name, roles) = (
            display_name.unwrap_or_else(|violation| {
                violations.push(violation);
                None
            }),
            roles.unwrap_or_else(|violation| {
                violations.push(violation);
                Vec::new()
            }),
        );
        (Self { identifiers, display_name, roles }, violations)
    }

    /// The identifiers to log in with.
    pub(super) fn identifiers(&self) -> &[Identifier] {
        &self.identifiers
    }

    /// The user to create.
    pub(super) fn into_account(
        self,
        id: UserId,
        password_hash: Option<PasswordHash>,
    ) -> NewAccount {
        let Self { identifiers, display_name, roles } = self;
        NewAccount { id, identifiers, display_name, roles, password_hash }
    }
}

/// The identifier that a field is to be; empty is none.
pub(super) fn check_identifier(
    field: &'static str,
    text: &str,
) -> Result<Option<Identifier>, FieldViolation> {
    let parse: fn(&str) -> Result<Identifier, InvalidIdentifier> = match field {
        "email" => Identifier::email,
        "phone" => Identifier::phone,
        _ => Identifier::username,
    };
    if text.is_empty() {
        return Ok(None);
    }
    let parsed = parse(text).and_then(Identifier::accept_new);
    parsed.map(Some).map_err(|error| FieldViolation::new(field, error.to_string()))
}

/// The display name; empty is none.
pub(super) fn check_display_name(text: &str) -> Result<Option<String>, FieldViolation> {
    if text.len() > DISPLAY_NAME_MAX_LEN || text.chars().any(char::is_control) {
        let rule =
            format!("must be at most {DISPLAY_NAME_MAX_LEN} bytes without control characters");
        return Err(FieldViolation::new("display_name", rule));
    }
    Ok(Some(text.to_owned()).filter(|name| !name.is_empty()))
}

/// All roles; one that is named twice counts once.
pub(super) fn check_roles(texts: &[String]) -> Result<Vec<Role>, FieldViolation> {
    if texts.len() > ROLES_MAX {
        return Err(FieldViolation::new("roles", format!("must be at most {ROLES_MAX}")));
    }
    let mut roles = Vec::new();
    for text in texts {
        let role = Role::parse(text);
        let role = role.map_err(|error| FieldViolation::new("roles", error.to_string()))?;
        if !roles.contains(&role) {
            roles.push(role);
        }
    }
    Ok(roles)
}
