//! Each call of the campaign: made, and written down with what came of it.

use std::time::Duration;

use tokenward::{
    crypto::digest::sha256,
    grpc::pb::auth::{
        ChangePasswordRequest, LoginRequest, RefreshRequest, RevokeRequest, TokenPair,
        VerifyRequest, VerifyResponse, revoke_request::Target,
    },
};
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt as _;

use crate::{
    history::{Call, Outcome},
    replica::Client,
    stage::Stage,
    support::world::PASSWORD,
};

/// After this nobody waits for an answer any more.
const PATIENCE: Duration = Duration::from_secs(2);

/// Who calls, and whom.
#[derive(Clone, Copy)]
pub(crate) struct Caller<'a> {
    pub(crate) stage: &'a Stage,
    pub(crate) replica: usize,
    pub(crate) user: u32,
}

/// A password by its number; 0 is the first.
pub(crate) fn password(number: u32) -> String {
    if number == 0 {
        return PASSWORD.to_owned();
    }
    format!("campaign {:016x}", digest(&number.to_string()))
}

/// The name of a user.
pub(crate) fn name(user: u32) -> String {
    format!("person{user}")
}

/// What stands for a token in a history.
pub(crate) fn digest(token: &str) -> u64 {
    sha256(token.as_bytes()).iter().take(8).fold(0, |all, byte| all << 8 | u64::from(*byte))
}

impl Caller<'_> {
    /// A new chain, if it is let in.
    pub(crate) async fn login(self, number: u32) -> (Outcome, Option<(u32, TokenPair)>) {
        let chain = self.stage.next_chain();
        let request = LoginRequest {
            identifier: name(self.user),
            password: password(number),
            ..LoginRequest::default()
        };
        let call = Call::Login { chain, password: number };
        let (outcome, answer) = self
            .call(
                call,
                async |mut client, request| client.login(request).await,
                request,
                |answer| tokens(answer.tokens.as_ref(), false, 0),
            )
            .await;
        (outcome, answer.and_then(|answer| answer.tokens).map(|tokens| (chain, tokens)))
    }

    pub(crate) async fn refresh(self, chain: u32, token: &str) -> (Outcome, Option<TokenPair>) {
        let call = Call::Refresh { chain, presented: digest(token) };
        let request =
            RefreshRequest { refresh_token: token.to_owned(), ..RefreshRequest::default() };
        let (outcome, answer) = self
            .call(
                call,
                async |mut client, request| client.refresh(request).await,
                request,
                |answer| tokens(answer.tokens.as_ref(), answer.replayed, 0),
            )
            .await;
        (outcome, answer.and_then(|answer| answer.tokens))
    }

    pub(crate) async fn verify(self, chain: u32, token: &str, min_seq: i64) -> Outcome {
        let request = VerifyRequest {
            token: token.to_owned(),
            min_revocation_seq: min_seq,
            ..VerifyRequest::default()
        };
        let call = Call::Verify { chain, min_seq };
        self.call(call, async |mut client, request| client.verify(request).await, request, verdict)
            .await
            .0
    }

    /// By the refresh token, or by any other of the chain.
    pub(crate) async fn revoke(self, chain: u32, token: &str) -> Outcome {
        let request = RevokeRequest { target: Some(Target::Token(token.to_owned())) };
        let call = Call::Revoke { chain };
        let revoked = self
            .call(
                call,
                async |mut client, request| client.revoke(request).await,
                request,
                |answer| Outcome::Revoked { seq: answer.revocation_seq },
            )
            .await;
        revoked.0
    }

    /// From one password to another, with the newest tokens of a chain.
    pub(crate) async fn change_password(
        self,
        chain: u32,
        (access, refresh): (&str, &str),
        (from, to): (u32, u32),
    ) -> (Outcome, Option<(u32, TokenPair)>) {
        let next = self.stage.next_chain();
        let request = ChangePasswordRequest {
            current_password: password(from),
            new_password: password(to),
            refresh_token: refresh.to_owned(),
        };
        let bearer = format!("Bearer {access}").parse().expect("ASCII");
        let (outcome, answer) = self
            .call(
                Call::ChangePassword { chain, next, from, to },
                async |mut client, mut request: Request<_>| {
                    request.metadata_mut().insert("authorization", bearer);
                    client.change_password(request).await
                },
                request,
                |answer| tokens(answer.tokens.as_ref(), false, answer.revocation_seq),
            )
            .await;
        (outcome, answer.and_then(|answer| answer.tokens).map(|tokens| (next, tokens)))
    }

    async fn call<Q, A>(
        self,
        call: Call,
        send: impl AsyncFnOnce(Client, Request<Q>) -> Result<Response<A>, Status>,
        request: Q,
        done: impl FnOnce(&A) -> Outcome,
    ) -> (Outcome, Option<A>) {
        let Self { stage, replica, user } = self;
        let mut request = Request::new(request);
        request.set_timeout(PATIENCE);
        let begin = stage.recorder.now();
        let answered = send(stage.replicas[replica].client(), request);
        // A process that was stopped does not look at deadlines.
        let (outcome, answer) = match tokio::time::timeout(PATIENCE, answered).await {
            Ok(Ok(answer)) => {
                let answer = answer.into_inner();
                (done(&answer), Some(answer))
            }
            Ok(Err(status)) => (failed(&status), None),
            Err(_) => (Outcome::Lost, None),
        };
        stage.recorder.record((replica, user), call, begin, outcome.clone());
        (outcome, answer)
    }
}

fn tokens(pair: Option<&TokenPair>, replayed: bool, seq: i64) -> Outcome {
    let Some(pair) = pair else {
        return Outcome::Defect { reason: "without tokens".to_owned() };
    };
    let (access, refresh) = (digest(&pair.access_token), digest(&pair.refresh_token));
    Outcome::Tokens { access, refresh, replayed, seq }
}

fn verdict(answer: &VerifyResponse) -> Outcome {
    let staleness = answer.staleness.and_then(|age| Duration::try_from(age).ok());
    let Some(staleness) = staleness.and_then(|age| u64::try_from(age.as_micros()).ok()) else {
        return Outcome::Defect { reason: "without its staleness".to_owned() };
    };
    if answer.active {
        return Outcome::Active { staleness };
    }
    Outcome::Inactive { reason: answer.reason().as_str_name().to_owned(), staleness }
}

/// A failure with details is the server's word; one without is the network's.
fn failed(status: &Status) -> Outcome {
    let details = status.get_error_details();
    let Some(info) = details.error_info().filter(|info| info.domain == "tokenward") else {
        return Outcome::Lost;
    };
    let reason = info.reason.clone();
    match status.code() {
        Code::Unauthenticated | Code::PermissionDenied => Outcome::Refused { reason },
        Code::Unavailable | Code::ResourceExhausted | Code::DeadlineExceeded => {
            Outcome::Unavailable { reason }
        }
        _ => Outcome::Defect { reason },
    }
}
