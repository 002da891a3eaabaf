//! One row of an import: what it says, and what became of it.

use serde_json::{Value, json};

use crate::{
    domain::{
        error::{AuthError, FieldViolation},
        id::UserId,
        json::{InvalidJson, StrictObject},
        password::PasswordHash,
    },
    service::{import::ImportUserRequest, profile::ProfileRequest},
};

const FIELDS: [&str; 6] = ["username", "email", "phone", "name", "roles", "password_hash"];

/// Reads a line. What is wrong is told by field and rule, never by showing
/// what stands there: it could be a hash, or a password.
pub(super) fn parse(line: &[u8]) -> Result<ImportUserRequest, Vec<FieldViolation>> {
    let object = StrictObject::parse(line).map_err(|InvalidJson| {
        vec![FieldViolation::new("line", "must be one JSON object, with no name twice")]
    })?;
    let mut violations = Vec::new();
    if object.names().any(|name| !FIELDS.contains(&name)) {
        let rule = format!("must have no other fields than {}", FIELDS.join(", "));
        violations.push(FieldViolation::new("line", rule));
    }
    let mut text = |field| {
        let text = object.optional_string(field).unwrap_or_else(|InvalidJson| {
            if !object.is_null(field) {
                let rule = "must be a string without control characters";
                violations.push(FieldViolation::new(field, rule));
            }
            None
        });
        text.unwrap_or_default().to_owned()
    };
    let (username, email, phone) = (text("username"), text("email"), text("phone"));
    let display_name = text("name");
    let password_hash = PasswordHash::new(text("password_hash"));
    let roles = object.strings("roles").unwrap_or_else(|InvalidJson| {
        if !object.is_null("roles") {
            violations.push(FieldViolation::new("roles", "must be an array of strings"));
        }
        Vec::new()
    });
    if violations.is_empty() {
        let profile = ProfileRequest { username, email, phone, display_name, roles };
        Ok(ImportUserRequest { profile, password_hash })
    } else {
        Err(violations)
    }
}

/// What became of a row.
pub(super) enum RowResult {
    /// The user is there now.
    Created(UserId),
    /// The user would be created.
    Valid,
    /// Somebody else has the identifier in this field.
    Taken(&'static str),
    /// These rules are broken.
    Invalid(Vec<FieldViolation>),
}

impl RowResult {
    /// Sorts out whose fault it was: an outage is not the row's.
    pub(super) fn of(error: AuthError) -> Result<Self, AuthError> {
        match error {
            AuthError::AlreadyExists(field) => Ok(Self::Taken(field)),
            AuthError::InvalidArgument(violations) => Ok(Self::Invalid(violations)),
            outage => Err(outage),
        }
    }

    /// For programs.
    pub(super) fn as_json(&self, line: u64) -> Value {
        match self {
            Self::Created(id) => json!({"line": line, "result": "created", "id": id.to_string()}),
            Self::Valid => json!({"line": line, "result": "valid"}),
            Self::Taken(field) => json!({"line": line, "result": "taken", "field": field}),
            Self::Invalid(violations) => {
                let violations = violations.iter();
                let violations: Vec<_> = violations
                    .map(|violation| json!({"field": name(violation), "rule": violation.rule}))
                    .collect();
                json!({"line": line, "result": "invalid", "violations": violations})
            }
        }
    }

    /// For people, who want to know of failures only.
    pub(super) fn as_line(&self, line: u64) -> Option<String> {
        match self {
            Self::Created(_) | Self::Valid => None,
            Self::Taken(field) => Some(format!("line {line}: {field} is taken")),
            Self::Invalid(violations) => {
                let rules: Vec<_> = violations.iter().map(as_text).collect();
                Some(format!("line {line}: {}", rules.join("; ")))
            }
        }
    }
}

fn as_text(violation: &FieldViolation) -> String {
    match name(violation) {
        "line" => violation.rule.clone(),
        field => format!("{field} {}", violation.rule),
    }
}

/// What the field is called in a row.
fn name(violation: &FieldViolation) -> &'static str {
    if violation.field == "display_name" { "name" } else { violation.field }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_may_leave_out_what_is_empty_or_null() {
        for row in [
            r#"{"username":"alice","password_hash":"$2b$"}"#,
            r#"{"username":"alice","email":null,"phone":null,"name":"","roles":null,"password_hash":"$2b$"}"#,
        ] {
            let request = parse(row.as_bytes()).expect("a row");
            assert_eq!(request.password_hash.expose(), "$2b$");
            let ProfileRequest { username, email, phone, display_name, roles } = request.profile;
            assert_eq!((username.as_str(), email.as_str(), phone.as_str()), ("alice", "", ""));
            assert!(display_name.is_empty() && roles.is_empty());
        }
    }

    /// P8: what is wrong is told without what stands there.
    #[test]
    fn p8_a_bad_row_is_told_by_field_and_rule() {
        for (row, field) in [
            ("", "line"),
            ("secret", "line"),
            ("[\"secret\"]", "line"),
            (r#"{"username":"a","username":"secret"}"#, "line"),
            (r#"{"username":"a","password_hash":"secret"} {}"#, "line"),
            (r#"{"username":"a","password":"secret"}"#, "line"),
            (r#"{"secret":1}"#, "line"),
            (r#"{"username":["secret"]}"#, "username"),
            (r#"{"email":7}"#, "email"),
            (r#"{"phone":41446681800}"#, "phone"),
            (r#"{"name":"secret\n"}"#, "name"),
            (r#"{"roles":"secret"}"#, "roles"),
            (r#"{"roles":[1]}"#, "roles"),
            (r#"{"password_hash":{"secret":1}}"#, "password_hash"),
            ("{\"username\":\"\u{ff}secret", "line"),
        ] {
            let violations = parse(row.as_bytes()).expect_err(row);
            assert_eq!(violations.iter().map(name).collect::<Vec<_>>(), [field], "{row}");
            let line = RowResult::Invalid(violations).as_line(1).expect("told");
            assert!(!line.contains("secret"), "{line}");
        }
    }
}
