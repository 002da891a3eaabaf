//! Clients that administrators make.

use tokenward::{
    domain::{client::Client, id::ClientId, revocation::Reason},
    store::port::{
        ChangeClient, ClientChange, ClientChanged, ClientStanding, CreateClient, NewClient,
        StoreError, UseAssertion,
    },
};

use super::state::{ClientRow, ClientSettings, State, corrupt};

impl State {
    /// An id that was another client's before goes on with its versions.
    pub(super) fn create_client(&mut self, new: &NewClient) -> Result<CreateClient, StoreError> {
        self.head()?;
        let (id, now) = (new.id.clone(), new.context.now);
        if self.client_settings.contains_key(&id) {
            return Ok(CreateClient::Taken);
        }
        let version = self.clients.get(&id).map_or(1, |before| before.version + 1);
        self.clients.insert(id.clone(), ClientRow { version, disabled_at: None });
        let settings = ClientSettings {
            etag: new.etag,
            profile: new.profile.clone(),
            created_at: now,
            updated_at: now,
            secrets: new.secret.iter().map(|secret| secret.at(now)).collect(),
        };
        self.client_settings.insert(id.clone(), settings);
        let revocation = if version > 1 { Some(self.append(new.draft(version))?) } else { None };
        self.tell(&new.event());
        let client = self.made_client(&id).ok_or_else(|| corrupt("a client has disappeared"))?;
        Ok(CreateClient::Created { client, revocation })
    }

    pub(super) fn client_standing(&self, id: &ClientId) -> Option<ClientStanding> {
        let client = self.made_client(id)?;
        Some(ClientStanding { client, version_floor: self.version_floor })
    }

    pub(super) fn list_clients(&self, after: Option<&ClientId>, limit: u32) -> Vec<Client> {
        let ids = self.client_settings.keys().filter(|id| after.is_none_or(|after| *id > after));
        ids.take(limit as usize).filter_map(|id| self.made_client(id)).collect()
    }

    pub(super) fn change_client(
        &mut self,
        request: &ChangeClient,
    ) -> Result<ClientChanged, StoreError> {
        self.head()?;
        let Some(before) = self.made_client(&request.id) else { return Ok(ClientChanged::Absent) };
        if request.expected.is_some_and(|etag| etag != before.etag) {
            return Ok(ClientChanged::Stale);
        }
        match (&request.change, before.disabled_at) {
            // What was done already changes nothing, and needs no second entry.
            (ClientChange::Enable, None) => {
                return Ok(ClientChanged::Changed { client: before, revocation: None });
            }
            (ClientChange::Disable, Some(_)) => {
                let known = request.draft(before.version, Reason::ClientDisabled);
                let revocation = Some(self.in_force(known)?);
                return Ok(ClientChanged::Changed { client: before, revocation });
            }
            _ => {}
        }
        let killed = self.apply(request);
        let revocation = match killed {
            Some((version, reason)) => Some(self.append(request.draft(version, reason))?),
            None => None,
        };
        self.tell(&request.event());
        let client = self.made_client(&request.id).unwrap_or(before);
        Ok(ClientChanged::Changed { client, revocation })
    }

    pub(super) fn use_assertion(&mut self, used: UseAssertion) -> bool {
        let key = (used.client_id, *used.digest.bytes());
        let first = !self.assertions.contains_key(&key);
        self.assertions.entry(key).or_insert(used.expires_at);
        first
    }

    /// A client that an administrator made.
    fn made_client(&self, id: &ClientId) -> Option<Client> {
        let (settings, row) = (self.client_settings.get(id)?.clone(), self.clients.get(id)?);
        let mut secrets = settings.secrets;
        secrets.sort_by_key(|secret| (secret.created_at, secret.id));
        Some(Client {
            id: id.clone(),
            version: row.version,
            etag: settings.etag,
            profile: settings.profile,
            created_at: settings.created_at,
            updated_at: settings.updated_at,
            disabled_at: row.disabled_at,
            secrets,
        })
    }

    /// Makes the change, and gives the version below which it kills, and why.
    fn apply(&mut self, request: &ChangeClient) -> Option<(i64, Reason)> {
        let (id, now) = (&request.id, request.context.now);
        let (settings, row) = (self.client_settings.get_mut(id)?, self.clients.get_mut(id)?);
        settings.etag = request.etag;
        settings.updated_at = now;
        match &request.change {
            ClientChange::Update { profile, .. } => settings.profile.clone_from(profile),
            ClientChange::Enable => row.disabled_at = None,
            ClientChange::Rotate { secret, grace } => {
                let secrets = &mut settings.secrets;
                secrets.retain(|old| !grace.is_zero() && old.expires_at.is_none());
                for old in secrets.iter_mut() {
                    old.expires_at = Some(now.plus(*grace));
                }
                secrets.push(secret.at(now));
            }
            ClientChange::Disable | ClientChange::Delete => {
                row.disabled_at = Some(now);
                row.version += 1;
                let version = row.version;
                if matches!(request.change, ClientChange::Disable) {
                    return Some((version, Reason::ClientDisabled));
                }
                self.client_settings.remove(id);
                return Some((version, Reason::ClientDeleted));
            }
        }
        None
    }
}
