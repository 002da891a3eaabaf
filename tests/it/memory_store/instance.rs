//! Whose database it is.

use std::time::Duration;

use tokenward::{
    domain::revocation::LogHead,
    store::port::{Claim, Instance},
};

use super::state::{ClientRow, Owner, State};

impl State {
    pub(super) fn claim(&mut self, instance: &Instance) -> Claim {
        let session_s = instance.max_session_lifetime_s().unsigned_abs();
        let max_session_lifetime = Duration::from_secs(session_s);
        if let Some(issuer) = &instance.issuer {
            let new = || Owner { issuer: issuer.clone(), max_session_lifetime };
            let owner = self.owner.get_or_insert_with(new);
            if owner.issuer != *issuer {
                return Claim::OtherIssuer { issuer: owner.issuer.clone() };
            }
        }
        for id in &instance.clients {
            let made_by_administrator = self.client_settings.contains_key(id);
            let new = ClientRow { version: 1, disabled_at: None };
            let row = self.clients.entry(id.clone()).or_insert(new);
            if !made_by_administrator {
                row.disabled_at = None;
            }
        }
        let access_s = instance.max_access_lifetime_s();
        let new = LogHead { epoch: instance.epoch, seq: 0, max_access_lifetime_s: access_s };
        let head = self.head.get_or_insert(new);
        head.max_access_lifetime_s = head.max_access_lifetime_s.max(access_s);
        let raised = self.owner.as_mut().map(|owner| {
            owner.max_session_lifetime = owner.max_session_lifetime.max(max_session_lifetime);
            owner.max_session_lifetime
        });
        let max_session_lifetime = raised.unwrap_or(instance.max_session_lifetime);
        Claim::Ours { head: head.clone(), max_session_lifetime }
    }
}
