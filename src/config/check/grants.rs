//! What users are granted: scopes that are for some roles only.

use super::Check;
use crate::{
    config::{ScopeSettings, Settings},
    domain::account::Role,
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
}
