//! What a route needs, as the gateway's configuration says.

use crate::{
    domain::{
        account::Role,
        error::AuthError,
        policy::{Audience, Scopes},
        verdict,
    },
    service::verify::Question,
};

/// What a token must be good for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requirements {
    audience: Option<Audience>,
    scopes: Vec<String>,
    roles: Vec<Role>,
}

impl Requirements {
    /// Reads `aud`, and `scope` and `role`, which may be repeated or hold
    /// several with spaces between them. Anything else, or an empty value, is a
    /// gateway that does not ask what it was meant to ask.
    pub fn parse<N: AsRef<str>, V: AsRef<str>>(
        parameters: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, AuthError> {
        let mut needed = Self::default();
        for (name, value) in parameters {
            let value = value.as_ref();
            match name.as_ref() {
                "aud" if needed.audience.is_some() => {
                    return Err(AuthError::invalid("aud", "must be given once"));
                }
                "aud" => needed.audience = Some(audience(value)?),
                "scope" => needed.scopes.extend(scopes(value)?),
                "role" => {
                    for role in value.split(' ') {
                        needed.roles.push(self::role(role)?);
                    }
                }
                _ => {
                    let rule = "must be aud, scope and role, and no other";
                    return Err(AuthError::invalid("parameters", rule));
                }
            }
        }
        Ok(needed)
    }

    /// Is this token good for it?
    pub(super) fn about(&self, token: &str) -> Question {
        let audience = self.audience.as_ref().map(Audience::as_str);
        Question {
            token: token.to_owned(),
            requirements: verdict::Requirements {
                audience: audience.unwrap_or_default().to_owned(),
                scopes: self.scopes.clone(),
                roles: self.roles.iter().map(|role| role.as_str().to_owned()).collect(),
            },
            ..Question::default()
        }
    }
}

fn audience(text: &str) -> Result<Audience, AuthError> {
    Audience::parse(text).map_err(|error| AuthError::invalid("aud", error.to_string()))
}

fn scopes(text: &str) -> Result<Vec<String>, AuthError> {
    let scopes = Scopes::parse(text).ok().filter(|scopes| !scopes.is_empty());
    let scopes = scopes.ok_or_else(|| AuthError::invalid("scope", "must be one or more scopes"))?;
    Ok(scopes.iter().map(str::to_owned).collect())
}

fn role(text: &str) -> Result<Role, AuthError> {
    Role::parse(text).map_err(|error| AuthError::invalid("role", error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_and_roles_may_be_repeated_or_have_spaces() {
        let repeated = [("aud", "api"), ("scope", "read"), ("role", "a"), ("scope", "write")];
        let spaced = [("role", "a"), ("scope", "read write"), ("aud", "api")];
        let needed = Requirements::parse(repeated).expect("in order");
        assert_eq!(Requirements::parse(spaced).expect("in order"), needed);
        let asked = needed.about("t").requirements;
        assert_eq!(asked.audience, "api");
        assert_eq!(asked.scopes, ["read", "write"]);
        assert_eq!(asked.roles, ["a"]);
        let nothing: [(&str, &str); 0] = [];
        assert_eq!(Requirements::parse(nothing).expect("nothing"), Requirements::default());
    }

    #[test]
    fn a_gateway_that_asks_something_else_gets_no_answer() {
        for bad in [
            &[("audience", "api")][..],
            &[("AUD", "api")],
            &[("", "")],
            &[("aud", "api"), ("aud", "api")],
            &[("aud", "")],
            &[("aud", "a b")],
            &[("scope", "")],
            &[("scope", "a\"b")],
            &[("scope", "a  b")],
            &[("role", "")],
            &[("role", "Admin")],
            &[("access_token", "a.b.c")],
        ] {
            assert!(Requirements::parse(bad.iter().copied()).is_err(), "{bad:?}");
        }
    }
}
