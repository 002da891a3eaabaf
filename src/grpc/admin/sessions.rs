//! `SessionService`.

use tonic::{Request, Response, Status};

use crate::{
    domain::{error::AuthError, id::SessionId, session::Session},
    grpc::{
        convert::{scopes, timestamp},
        pb::admin::{self as pb, session_service_server::SessionService},
    },
    service::{revoke::RevokeTarget, sessions::PAGE_MAX},
};

use super::{AdminEdge, names, page::Page};

#[tonic::async_trait]
impl SessionService for AdminEdge {
    async fn list_sessions(
        &self,
        request: Request<pb::ListSessionsRequest>,
    ) -> Result<Response<pb::ListSessionsResponse>, Status> {
        let admin = self.administrator(&request).await?;
        let pb::ListSessionsRequest { parent, page_size, page_token } = request.into_inner();
        let user = names::parse_user("parent", &parent)?;
        let page = Page::parse(page_size, PAGE_MAX, &page_token, &parent)?;
        let before = match page.after.as_str() {
            "" => None,
            id => Some(SessionId::parse(id).map_err(|_| Page::foreign())?),
        };
        let mut sessions = self.auth.sessions_of(user, before, page.limit(), &admin).await?;
        let next_page_token = page.cut(&mut sessions, |session| session.id);
        let sessions = sessions.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::ListSessionsResponse { sessions, next_page_token }))
    }

    async fn revoke_session(
        &self,
        request: Request<pb::RevokeSessionRequest>,
    ) -> Result<Response<pb::RevokeSessionResponse>, Status> {
        let admin = self.administrator(&request).await?;
        let (owner, id) = names::parse_session(&request.get_ref().name)?;
        let seq = self.auth.revoke(RevokeTarget::OwnSession { id, owner }, &admin).await?;
        let revocation_seq = seq.ok_or(AuthError::NotFound("session"))?;
        Ok(Response::new(pb::RevokeSessionResponse { revocation_seq }))
    }

    async fn revoke_user_sessions(
        &self,
        request: Request<pb::RevokeUserSessionsRequest>,
    ) -> Result<Response<pb::RevokeUserSessionsResponse>, Status> {
        let admin = self.administrator(&request).await?;
        let user = names::parse_user("parent", &request.get_ref().parent)?;
        let seq = self.auth.revoke(RevokeTarget::User(user), &admin).await?;
        let revocation_seq = seq.ok_or(AuthError::NotFound("user"))?;
        Ok(Response::new(pb::RevokeUserSessionsResponse { revocation_seq }))
    }
}

impl From<Session> for pb::Session {
    fn from(session: Session) -> Self {
        Self {
            name: names::session(session.user_id, session.id),
            session_id: session.id.to_string(),
            client_id: session.client_id.to_string(),
            label: session.label,
            create_time: Some(timestamp(session.created_at)),
            refresh_time: Some(timestamp(session.rotated_at)),
            expire_time: Some(timestamp(session.expires_at)),
            scopes: scopes(&session.scopes),
            ip_address: session.ip,
            user_agent: session.user_agent,
        }
    }
}
