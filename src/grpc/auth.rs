//! `tokenward.auth.v1.AuthService`: each method converts, calls, converts.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::{
    domain::{error::AuthError, password::Password},
    peers::PeerNames,
    service::Auth,
};

use super::{
    convert,
    pb::auth::{self as pb, auth_service_server::AuthService, revoke_request::Target},
    request::{bearer, caller, peer},
    watch::{Updates, Watches},
};

/// The service as gRPC sees it.
pub(super) struct AuthEdge {
    auth: Arc<Auth>,
    /// `None`: watching is for gRPC only.
    watches: Option<Watches>,
}

impl AuthEdge {
    pub(super) fn new(auth: Arc<Auth>, watches: Option<Watches>) -> Self {
        Self { auth, watches }
    }

    /// Lets the caller ask for verdicts, if they may.
    async fn verifier<T>(&self, request: &Request<T>) -> Result<(), AuthError> {
        let names = request.extensions().get::<PeerNames>();
        self.auth.verifier(|| bearer(request.metadata()), names).await
    }
}

#[tonic::async_trait]
impl AuthService for AuthEdge {
    async fn login(
        &self,
        request: Request<pb::LoginRequest>,
    ) -> Result<Response<pb::LoginResponse>, Status> {
        let caller = caller(&request);
        let logged_in = self.auth.login(request.into_inner().into(), &caller).await?;
        Ok(Response::new(logged_in.into()))
    }

    async fn issue_client_token(
        &self,
        request: Request<pb::IssueClientTokenRequest>,
    ) -> Result<Response<pb::IssueClientTokenResponse>, Status> {
        let caller = caller(&request);
        let tokens = self.auth.issue_client_token(request.into_inner().into(), &caller).await?;
        let tokens = Some(tokens.into());
        Ok(Response::new(pb::IssueClientTokenResponse { tokens }))
    }

    async fn refresh(
        &self,
        request: Request<pb::RefreshRequest>,
    ) -> Result<Response<pb::RefreshResponse>, Status> {
        let caller = caller(&request);
        let pb::RefreshRequest { refresh_token, client_id } = request.into_inner();
        let refreshed = self.auth.refresh(refresh_token.into(), &client_id, &caller).await?;
        Ok(Response::new(refreshed.into()))
    }

    async fn verify(
        &self,
        request: Request<pb::VerifyRequest>,
    ) -> Result<Response<pb::VerifyResponse>, Status> {
        self.verifier(&request).await?;
        let question = convert::question(request.into_inner())?;
        let verdict = self.auth.verify(&question).await?;
        Ok(Response::new(verdict.into()))
    }

    async fn batch_verify(
        &self,
        request: Request<pb::BatchVerifyRequest>,
    ) -> Result<Response<pb::BatchVerifyResponse>, Status> {
        self.verifier(&request).await?;
        let questions = request.into_inner().requests.into_iter().map(convert::question);
        let questions = questions.collect::<Result<Vec<_>, AuthError>>()?;
        let verdicts = self.auth.batch_verify(&questions).await?;
        let responses = verdicts.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::BatchVerifyResponse { responses }))
    }

    async fn revoke(
        &self,
        request: Request<pb::RevokeRequest>,
    ) -> Result<Response<pb::RevokeResponse>, Status> {
        let caller = caller(&request);
        let claims = async || self.auth.authenticate(bearer(request.metadata())?).await;
        let revocation_seq = match &request.get_ref().target {
            Some(Target::Token(token)) => self.auth.revoke_token(token, &caller).await?,
            Some(Target::SessionId(id)) => {
                self.auth.revoke_own_session(&claims().await?, id, &caller).await?
            }
            Some(Target::UserId(id)) => {
                self.auth.revoke_own_sessions(&claims().await?, id, &caller).await?
            }
            None => return Err(AuthError::invalid("target", "must be given").into()),
        };
        Ok(Response::new(pb::RevokeResponse { revocation_seq }))
    }

    type WatchRevocationsStream = Updates;

    async fn watch_revocations(
        &self,
        request: Request<pb::WatchRevocationsRequest>,
    ) -> Result<Response<Updates>, Status> {
        let watches = self.watches.as_ref().ok_or_else(|| Status::unimplemented(""))?;
        self.verifier(&request).await?;
        let share = watches.place(peer(request.extensions()))?;
        let request_id = caller(&request).request_id;
        let from = request.into_inner().try_into()?;
        let watch = self.auth.watch_revocations(from, watches.heartbeat()).await?;
        Ok(Response::new(watches.stream(watch, share, request_id)))
    }

    async fn get_jwks(
        &self,
        _: Request<pb::GetJwksRequest>,
    ) -> Result<Response<pb::GetJwksResponse>, Status> {
        let jwks_json = String::from_utf8_lossy(&self.auth.jwks()?.json).into_owned();
        Ok(Response::new(pb::GetJwksResponse { jwks_json }))
    }

    async fn register(
        &self,
        request: Request<pb::RegisterRequest>,
    ) -> Result<Response<pb::RegisterResponse>, Status> {
        let caller = caller(&request);
        let user = self.auth.register(request.into_inner().into(), &caller).await?;
        Ok(Response::new(pb::RegisterResponse { user_id: user.to_string() }))
    }

    async fn list_sessions(
        &self,
        request: Request<pb::ListSessionsRequest>,
    ) -> Result<Response<pb::ListSessionsResponse>, Status> {
        let claims = self.auth.authenticate(bearer(request.metadata())?).await?;
        let pb::ListSessionsRequest { page_size, page_token } = request.into_inner();
        let page = self.auth.list_sessions(&claims, page_size, &page_token).await?;
        Ok(Response::new(page.into()))
    }

    async fn change_password(
        &self,
        request: Request<pb::ChangePasswordRequest>,
    ) -> Result<Response<pb::ChangePasswordResponse>, Status> {
        let claims = self.auth.authenticate(bearer(request.metadata())?).await?;
        let caller = caller(&request);
        let request = request.into_inner().into();
        let changed = self.auth.change_password(&claims, request, &caller).await?;
        Ok(Response::new(changed.into()))
    }

    async fn reset_password(
        &self,
        request: Request<pb::ResetPasswordRequest>,
    ) -> Result<Response<pb::ResetPasswordResponse>, Status> {
        let caller = caller(&request);
        let pb::ResetPasswordRequest { token, new_password } = request.into_inner();
        let new = Password::parse(new_password);
        let revocation_seq = self.auth.reset_password(&token.into(), new, &caller).await?;
        Ok(Response::new(pb::ResetPasswordResponse { revocation_seq }))
    }

    async fn verify_identifier(
        &self,
        request: Request<pb::VerifyIdentifierRequest>,
    ) -> Result<Response<pb::VerifyIdentifierResponse>, Status> {
        let caller = caller(&request);
        let token = request.into_inner().token.into();
        self.auth.verify_identifier(&token, &caller).await?;
        Ok(Response::new(pb::VerifyIdentifierResponse {}))
    }
}
