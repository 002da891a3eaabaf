//! `ClientService`.

use std::time::Duration;

use tonic::{Request, Response, Status};

use crate::{
    domain::{
        client::{Client, StoredSecret},
        error::{AuthError, FieldViolation},
        id::ClientId,
        policy::{Audience, Rotation},
    },
    grpc::{
        convert::{duration, scopes, span, texts, timestamp},
        pb::admin::{self as pb, client_service_server::ClientService},
    },
    service::{
        client_profile::ClientProfileRequest,
        clients::{ClientWithSecret, CreateClientRequest, UpdateClientRequest},
    },
};

use super::{AdminEdge, names, page::Page};

/// The most clients on a page.
const PAGE_MAX: u32 = 1_000;

#[tonic::async_trait]
impl ClientService for AdminEdge {
    async fn create_client(
        &self,
        request: Request<pb::CreateClientRequest>,
    ) -> Result<Response<pb::CreateClientResponse>, Status> {
        let admin = self.administrator(&request).await?;
        let pb::CreateClientRequest { client_id, client, generate_secret } = request.into_inner();
        let client = client.ok_or_else(|| AuthError::invalid("client", "must be given"))?;
        check_new(&client)?;
        let profile = profile(client)?;
        let request = CreateClientRequest { id: client_id, profile, with_secret: generate_secret };
        let (client, client_secret) = shown(self.auth.create_client(request, &admin).await?);
        Ok(Response::new(pb::CreateClientResponse { client, client_secret }))
    }

    async fn get_client(
        &self,
        request: Request<pb::GetClientRequest>,
    ) -> Result<Response<pb::GetClientResponse>, Status> {
        let admin = self.administrator(&request).await?;
        let id = names::parse_client("name", &request.get_ref().name)?;
        let client = Some(self.auth.client(&id, &admin).await?.into());
        Ok(Response::new(pb::GetClientResponse { client }))
    }

    async fn list_clients(
        &self,
        request: Request<pb::ListClientsRequest>,
    ) -> Result<Response<pb::ListClientsResponse>, Status> {
        let admin = self.administrator(&request).await?;
        let pb::ListClientsRequest { page_size, page_token } = request.into_inner();
        let page = Page::parse(page_size, PAGE_MAX, &page_token, "")?;
        let after = match page.after.as_str() {
            "" => None,
            id => Some(ClientId::parse(id).map_err(|_| Page::foreign())?),
        };
        let mut clients = self.auth.clients(after, page.limit(), &admin).await?;
        let next_page_token = page.cut(&mut clients, |client| client.id.clone());
        let clients = clients.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::ListClientsResponse { clients, next_page_token }))
    }

    async fn update_client(
        &self,
        request: Request<pb::UpdateClientRequest>,
    ) -> Result<Response<pb::UpdateClientResponse>, Status> {
        let admin = self.administrator(&request).await?;
        let pb::UpdateClientRequest { client, update_mask } = request.into_inner();
        let client = client.ok_or_else(|| AuthError::invalid("client", "must be given"))?;
        let id = names::parse_client("client.name", &client.name)?;
        let fields = update_mask.unwrap_or_default().paths;
        let etag = client.etag.clone();
        let request = UpdateClientRequest { id, profile: profile(client)?, fields, etag };
        let client = Some(self.auth.update_client(request, &admin).await?.into());
        Ok(Response::new(pb::UpdateClientResponse { client }))
    }

    async fn disable_client(
        &self,
        request: Request<pb::DisableClientRequest>,
    ) -> Result<Response<pb::DisableClientResponse>, Status> {
        let admin = self.administrator(&request).await?;
        let id = names::parse_client("name", &request.get_ref().name)?;
        let revocation_seq = self.auth.disable_client(id, &admin).await?.revocation_seq;
        Ok(Response::new(pb::DisableClientResponse { revocation_seq }))
    }

    async fn enable_client(
        &self,
        request: Request<pb::EnableClientRequest>,
    ) -> Result<Response<pb::EnableClientResponse>, Status> {
        let admin = self.administrator(&request).await?;
        let id = names::parse_client("name", &request.get_ref().name)?;
        self.auth.enable_client(id, &admin).await?;
        Ok(Response::new(pb::EnableClientResponse {}))
    }

    async fn delete_client(
        &self,
        request: Request<pb::DeleteClientRequest>,
    ) -> Result<Response<pb::DeleteClientResponse>, Status> {
        let admin = self.administrator(&request).await?;
        let pb::DeleteClientRequest { name, etag } = request.into_inner();
        let id = names::parse_client("name", &name)?;
        let revocation_seq = self.auth.delete_client(id, &etag, &admin).await?.revocation_seq;
        Ok(Response::new(pb::DeleteClientResponse { revocation_seq }))
    }

    async fn rotate_client_secret(
        &self,
        request: Request<pb::RotateClientSecretRequest>,
    ) -> Result<Response<pb::RotateClientSecretResponse>, Status> {
        let admin = self.administrator(&request).await?;
        let pb::RotateClientSecretRequest { name, grace_period } = request.into_inner();
        let id = names::parse_client("name", &name)?;
        let grace = lifetime("grace_period", grace_period)?.unwrap_or_default();
        let (client, client_secret) =
            shown(self.auth.rotate_client_secret(id, grace, &admin).await?);
        Ok(Response::new(pb::RotateClientSecretResponse { client, client_secret }))
    }

    async fn revoke_client_tokens(
        &self,
        request: Request<pb::RevokeClientTokensRequest>,
    ) -> Result<Response<pb::RevokeClientTokensResponse>, Status> {
        let admin = self.administrator(&request).await?;
        let id = names::parse_client("name", &request.get_ref().name)?;
        let revocation_seq = self.auth.revoke_client_tokens(id, &admin).await?;
        Ok(Response::new(pb::RevokeClientTokensResponse { revocation_seq }))
    }
}

/// What only the server says must not be there: whoever sends it expects
/// something that will not happen.
fn check_new(client: &pb::Client) -> Result<(), AuthError> {
    let given = [
        ("client.name", !client.name.is_empty()),
        ("client.client_id", !client.client_id.is_empty()),
        ("client.secrets", !client.secrets.is_empty()),
        ("client.disabled", client.disabled),
        ("client.create_time", client.create_time.is_some()),
        ("client.update_time", client.update_time.is_some()),
        ("client.disable_time", client.disable_time.is_some()),
        ("client.etag", !client.etag.is_empty()),
    ];
    let violation = |field| FieldViolation::new(field, "must be empty: it is output only");
    let violations: Vec<_> =
        given.into_iter().filter(|(_, given)| *given).map(|(field, _)| violation(field)).collect();
    if violations.is_empty() { Ok(()) } else { Err(AuthError::InvalidArgument(violations)) }
}

fn profile(client: pb::Client) -> Result<ClientProfileRequest, AuthError> {
    let rotation = match client.rotation() {
        pb::Rotation::Unspecified | pb::Rotation::On => Rotation::On,
        pb::Rotation::Off => Rotation::Off,
    };
    if pb::Rotation::try_from(client.rotation).is_err() {
        return Err(AuthError::invalid("rotation", "must be a known value"));
    }
    let most = client.max_sessions_per_user;
    let max_sessions_per_user = u32::try_from(most)
        .map_err(|_| AuthError::invalid("max_sessions_per_user", "must not be negative"))?;
    Ok(ClientProfileRequest {
        access_lifetime: lifetime("access_lifetime", client.access_lifetime)?,
        session_lifetime: lifetime("session_lifetime", client.session_lifetime)?,
        idle_lifetime: lifetime("idle_lifetime", client.idle_lifetime)?,
        rotation,
        max_sessions_per_user,
        display_name: client.display_name,
        audiences: client.audiences,
        scopes: client.scopes,
        default_scopes: client.default_scopes,
        allow_login: client.allow_login,
        jwks_json: client.jwks_json,
    })
}

fn lifetime(
    field: &'static str,
    life: Option<prost_types::Duration>,
) -> Result<Option<Duration>, AuthError> {
    life.map(span).transpose().map_err(|rule| AuthError::invalid(field, rule))
}

/// The only way by which a secret leaves.
fn shown(made: ClientWithSecret) -> (Option<pb::Client>, String) {
    let secret = made.secret.map(|secret| secret.expose().to_owned());
    (Some(made.client.into()), secret.unwrap_or_default())
}

impl From<Client> for pb::Client {
    fn from(client: Client) -> Self {
        let profile = client.profile;
        let policy = profile.policy;
        let rotation = match policy.rotation {
            Rotation::On => pb::Rotation::On,
            Rotation::Off => pb::Rotation::Off,
        };
        Self {
            name: names::client(&client.id),
            client_id: client.id.to_string(),
            display_name: profile.display_name,
            audiences: texts(&policy.audiences, Audience::as_str),
            scopes: scopes(&policy.scopes),
            default_scopes: scopes(&policy.default_scopes),
            access_lifetime: duration(policy.lifetimes.access),
            session_lifetime: duration(policy.lifetimes.session),
            idle_lifetime: policy.lifetimes.idle.and_then(duration),
            rotation: rotation.into(),
            max_sessions_per_user: i32::try_from(policy.max_sessions_per_user).unwrap_or(i32::MAX),
            allow_login: profile.allow_login,
            jwks_json: profile.keys.to_text(),
            secrets: client.secrets.into_iter().map(Into::into).collect(),
            disabled: client.disabled_at.is_some(),
            create_time: Some(timestamp(client.created_at)),
            update_time: Some(timestamp(client.updated_at)),
            disable_time: client.disabled_at.map(timestamp),
            etag: client.etag.to_string(),
        }
    }
}

impl From<StoredSecret> for pb::ClientSecret {
    fn from(secret: StoredSecret) -> Self {
        Self {
            secret_id: secret.id.to_string(),
            create_time: Some(timestamp(secret.created_at)),
            expire_time: secret.expires_at.map(timestamp),
        }
    }
}
