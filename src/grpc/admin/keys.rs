//! `KeyService`.

use tonic::{Request, Response, Status};

use crate::{
    grpc::{
        convert::timestamp,
        pb::admin::{self as pb, key_service_server::KeyService},
    },
    service::keys::{KeyInfo, KeyPurpose, KeyState},
};

use super::AdminEdge;

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
            name: format!("keys/{}", key.kid),
            kid: key.kid.to_string(),
            purpose: purpose.into(),
            state: state.into(),
            bits: i32::try_from(key.bits).unwrap_or(i32::MAX),
            file_name: key.file,
            sign_time: key.signs_from.map(timestamp),
        }
    }
}
