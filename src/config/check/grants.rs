//! What tokens say of users: scopes that are for some roles only, and custom
//! claims.

use std::collections::BTreeMap;

use super::Check;
use crate::{
    config::{ScopeSettings, Settings, apply},
    domain::{account::Role, custom_claims::check_together},
};

impl Check {
    /// A scope with a slip in its name would stay open to everybody, and one
    /// without roles closed to all.
    pub(super) fn scope(&mut self, name: &str, scope: &ScopeSettings, s: &Settings) {
        if !s.clients.values().any(|client| client.scopes.iter().any(|known| known == name)) {
            self.refuse("scopes", &name, "must be a scope that a client may ask for");
        }
        let roles = format!("scopes.{name}.roles");
        if scope.roles.is_empty() {
            self.violations.push(format!("{roles} must name at least one role"));
        }
        for role in &scope.roles {
            if let Err(error) = Role::parse(role) {
                self.refuse(&roles, role, &error.to_string());
            }
        }
    }

    /// Each audience's claims alone, and those of all audiences that one
    /// client's tokens can be for.
    pub(super) fn custom_claims(&mut self, s: &Settings) {
        let clients = s.clients_or_default();
        let mut parsed = BTreeMap::new();
        for (audience, claims) in &s.claims {
            if !clients.values().any(|client| client.audiences.contains(audience)) {
                self.refuse("claims", audience, "must be an audience that a client may ask for");
            }
            match apply::custom_claims(claims) {
                Ok(claims) => drop(parsed.insert(audience, claims)),
                Err(all) => self
                    .violations
                    .extend(all.iter().map(|error| format!("claims.{audience:?}: {error}"))),
            }
        }
        for (id, client) in &clients {
            let audiences: Vec<_> =
                client.audiences.iter().filter_map(|audience| parsed.get(audience)).collect();
            if let Err(error) = check_together(&audiences) {
                self.violations.push(format!("clients.{id}.audiences: {error}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use confique::Config as _;

    use super::*;
    use crate::config::{ClientSettings, check::violations};

    fn settings() -> Settings {
        let mut settings = Settings::builder().load().expect("defaults are complete");
        let client = ClientSettings {
            audiences: vec!["api".to_owned()],
            scopes: vec!["read".to_owned(), "write".to_owned()],
            ..Default::default()
        };
        settings.clients.insert("default".to_owned(), client);
        settings
    }

    #[test]
    fn scopes_for_roles_are_known_ones_for_some_role() {
        let check = |name: &str, roles: &[&str]| {
            let mut settings = settings();
            let roles = roles.iter().map(|role| (*role).to_owned()).collect();
            settings.scopes.insert(name.to_owned(), ScopeSettings { roles });
            violations(&settings)
        };
        assert_eq!(check("write", &["editor", "admin"]), Vec::<String>::new());
        assert_eq!(
            check("wirte", &["editor"]),
            ["scopes is \"wirte\" but must be a scope that a client may ask for"]
        );
        assert_eq!(check("write", &[]), ["scopes.write.roles must name at least one role"]);
        assert_eq!(
            check("write", &["Editor"]),
            ["scopes.write.roles is \"Editor\" but must be 1 to 64 characters from a-z, 0-9, \
              '.', '_', ':' and '-'"]
        );
    }

    fn with_claims(toml: &str) -> Vec<String> {
        let mut settings = settings();
        let client = ClientSettings {
            audiences: vec!["api".to_owned(), "files".to_owned()],
            ..Default::default()
        };
        settings.clients.insert("web".to_owned(), client);
        settings.claims = toml::from_str(toml).expect("TOML");
        violations(&settings)
    }

    #[test]
    fn custom_claims_are_told_by_audience_and_name() {
        let fine = "[api]\ntenant = \"{user.id}\"\n[files]\ntenant = \"{user.id}\"\nmax = 3";
        assert_eq!(with_claims(fine), [""; 0]);
        let wrong = "[api]\nSUB = \"x\"\nratio = 0.5\nday = 2026-01-01\nwho = \"{user.nmae}\"";
        let kinds = "must be a text, an integer, a boolean, a list or a table";
        let told = with_claims(wrong);
        assert_eq!(
            told[..3],
            [
                "claims.\"api\": \"SUB\" is reserved, in any case of letters".to_owned(),
                format!("claims.\"api\": \"day\" {kinds}"),
                format!("claims.\"api\": \"ratio\" {kinds}"),
            ]
        );
        let unknown = "claims.\"api\": \"who\" has a \"{\" that begins none of {user.id} ";
        assert!(told.len() == 4 && told[3].starts_with(unknown), "{told:?}");
    }

    #[test]
    fn custom_claims_are_for_audiences_that_clients_have() {
        assert_eq!(
            with_claims("[apo]\ntenant = \"x\""),
            ["claims is \"apo\" but must be an audience that a client may ask for"]
        );
        assert_eq!(
            with_claims("[api]\nrole = \"x\"\n[files]\nrole = \"y\""),
            ["clients.web.audiences: the custom claim \"role\" is defined differently for two \
              audiences of one token"]
        );
        let long = "x".repeat(2048);
        let together = format!("[api]\na = \"{long}\"\n[files]\nb = \"{long}\"");
        assert_eq!(
            with_claims(&together),
            ["clients.web.audiences: the custom claims have 4112 bytes of JSON, more than 4096"]
        );
    }
}
