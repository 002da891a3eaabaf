//! `KeyService`.

use tonic::{Request, Response, Status};

use crate::{
    grpc::{
        convert::timestamp,
        pb::admin::{self as pb, key_service_server::KeyService},
    },
    service::keys::{KeyInfo, KeyPurpose, KeyState, RotateWhen},
};

use super::{AdminEdge, names};

#[tonic::async_trait]
impl KeyService for AdminEdge {
    async fn list_keys(
        &self,
        request: Request<pb::ListKeysRequest>,
    ) -> Result<Response<pb::ListKeysResponse>, Status> {
        let admin = self.administrator(&request).await?;
        let keys = self.auth.keys(&admin).into_iter().map(Into::into).collect();
        Ok(Response::new(pb::ListKeysResponse { keys }))
    }

    async fn rotate_keys(
        &self,
        request: Request<pb::RotateKeysRequest>,
    ) -> Result<Response<pb::RotateKeysResponse>, Status> {
        let admin = self.administrator(&request).await?;
        let pb::RotateKeysRequest { immediate, validate_only } = *request.get_ref();
        let when = if immediate { RotateWhen::Immediately } else { RotateWhen::Published };
        let keys = self.auth.rotate_keys(when, validate_only, &admin).await?;
        let keys = keys.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::RotateKeysResponse { keys }))
    }

    async fn revoke_key(
        &self,
        request: Request<pb::RevokeKeyRequest>,
    ) -> Result<Response<pb::RevokeKeyResponse>, Status> {
        let admin = self.administrator(&request).await?;
        let pb::RevokeKeyRequest { name, validate_only } = request.into_inner();
        let kid = names::parse_key(&name)?;
        let revoked = self.auth.revoke_key(&kid, validate_only, &admin).await?;
        Ok(Response::new(pb::RevokeKeyResponse {
            key: Some(revoked.key.into()),
            revocation_seq: revoked.seq,
            signing_key: revoked.signs_now.map(Into::into),
        }))
    }
}

impl From<KeyInfo> for pb::Key {
    fn from(key: KeyInfo) -> Self {
        let purpose = match key.purpose {
            KeyPurpose::Access => pb::KeyPurpose::Access,
            KeyPurpose::Refresh => pb::KeyPurpose::Refresh,
        };
        let state = match key.state {
            KeyState::Signing => pb::KeyState::Signing,
            KeyState::Standby => pb::KeyState::Standby,
            KeyState::Retired => pb::KeyState::Retired,
            KeyState::Expired => pb::KeyState::Expired,
            KeyState::Revoked => pb::KeyState::Revoked,
        };
        Self {
            name: names::key(&key.kid),
            kid: key.kid.to_string(),
            purpose: purpose.into(),
            state: state.into(),
            bits: i32::try_from(key.bits).unwrap_or(i32::MAX),
            file_name: key.file,
            sign_time: key.signs_from.map(timestamp),
            expire_time: key.trusted_until.map(timestamp),
        }
    }
}
