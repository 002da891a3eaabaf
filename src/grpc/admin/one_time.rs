//! `OneTimeTokenService`.

use tonic::{Request, Response, Status};

use crate::{
    domain::{error::AuthError, one_time::Contact},
    grpc::{
        convert::timestamp,
        pb::admin::{self as pb, one_time_token_service_server::OneTimeTokenService},
    },
};

use super::{AdminEdge, names};

#[tonic::async_trait]
impl OneTimeTokenService for AdminEdge {
    async fn create_password_reset_token(
        &self,
        request: Request<pb::CreatePasswordResetTokenRequest>,
    ) -> Result<Response<pb::CreatePasswordResetTokenResponse>, Status> {
        let admin = self.administrator(&request).await?;
        let user = names::parse_user("name", &request.get_ref().name)?;
        let issued = self.auth.create_password_reset_token(user, &admin).await?;
        Ok(Response::new(pb::CreatePasswordResetTokenResponse {
            token: issued.token.expose().to_owned(),
            expire_time: Some(timestamp(issued.expires_at)),
        }))
    }

    async fn create_verification_token(
        &self,
        request: Request<pb::CreateVerificationTokenRequest>,
    ) -> Result<Response<pb::CreateVerificationTokenResponse>, Status> {
        let admin = self.administrator(&request).await?;
        let user = names::parse_user("name", &request.get_ref().name)?;
        let contact = contact(request.get_ref().identifier())?;
        let issued = self.auth.create_verification_token(user, contact, &admin).await?;
        Ok(Response::new(pb::CreateVerificationTokenResponse {
            token: issued.token.expose().to_owned(),
            expire_time: Some(timestamp(issued.expires_at)),
        }))
    }
}

/// A kind that is not known here reads as one that was not said.
fn contact(identifier: pb::VerifiableIdentifier) -> Result<Contact, AuthError> {
    match identifier {
        pb::VerifiableIdentifier::Email => Ok(Contact::Email),
        pb::VerifiableIdentifier::Phone => Ok(Contact::Phone),
        pb::VerifiableIdentifier::Unspecified => {
            let rule = "must be VERIFIABLE_IDENTIFIER_EMAIL or VERIFIABLE_IDENTIFIER_PHONE";
            Err(AuthError::invalid("identifier", rule))
        }
    }
}
