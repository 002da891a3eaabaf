//! One-time tokens as an application deals with them: asked for as an
//! administrator, used by anybody.

use tokenward::grpc::pb::{
    admin::{
        CreatePasswordResetTokenRequest, CreateVerificationTokenRequest, DisableUserRequest,
        GetUserRequest, User, VerifiableIdentifier,
        one_time_token_service_client::OneTimeTokenServiceClient,
    },
    auth::{ResetPasswordRequest, TokenPair, VerifyIdentifierRequest, VerifyRequest},
};
use tonic::{Code, Response, Status, transport::Channel};

use super::{
    administrators::{administrator, users},
    calls::{about, login, login_request, register, with_token},
    serve,
    told::{fields, is, reason, told},
};
use crate::{
    on_both_engines,
    support::{served::Served, world::Engine},
};

on_both_engines!(
    a_reset_from_the_administrator_to_the_next_login,
    an_address_is_verified_and_shown_so,
    requests_for_tokens_are_told_what_is_wrong,
);

const NEW: &str = "another horse, another staple";

/// Those who ask, and in whose name.
struct Application {
    tokens: OneTimeTokenServiceClient<Channel>,
    root: TokenPair,
}

impl Application {
    async fn of(served: &Served) -> Self {
        let root = administrator(served).await;
        Self { tokens: OneTimeTokenServiceClient::new(served.channel().await), root }
    }

    async fn reset_token(&mut self, name: &str) -> Result<String, Status> {
        let request = CreatePasswordResetTokenRequest { name: name.to_owned() };
        let answer = self.tokens.create_password_reset_token(with_token(request, &self.root)).await;
        let answer = answer?.into_inner();
        assert!(answer.token.starts_with("twr_") && answer.expire_time.is_some());
        Ok(answer.token)
    }

    async fn verification_token(
        &mut self,
        name: &str,
        identifier: VerifiableIdentifier,
    ) -> Result<String, Status> {
        let (name, identifier) = (name.to_owned(), identifier.into());
        let request = CreateVerificationTokenRequest { name, identifier };
        let answer = self.tokens.create_verification_token(with_token(request, &self.root)).await;
        let answer = answer?.into_inner();
        assert!(answer.token.starts_with("twv_") && answer.expire_time.is_some());
        Ok(answer.token)
    }
}

async fn a_reset_from_the_administrator_to_the_next_login(engine: Engine) {
    let Some(served) = serve(engine).await else { return };
    let mut client = served.client().await;
    let name = format!("users/{}", register(&mut client).await);
    let before = login(&mut client).await.tokens.unwrap();
    let mut application = Application::of(&served).await;
    let token = application.reset_token(&name).await.expect("a token");

    let reset = |token: &str| {
        let (token, new_password) = (token.to_owned(), NEW.to_owned());
        ResetPasswordRequest { token, new_password }
    };
    let seq = client.reset_password(reset(&token)).await.unwrap().into_inner().revocation_seq;
    let question = VerifyRequest { min_revocation_seq: seq, ..about(&before.access_token) };
    let verdict = client.verify(question).await.unwrap().into_inner();
    assert_eq!(verdict.revocation.expect("revoked").reason, "PASSWORD_CHANGED");
    client.login(login_request(NEW)).await.expect("the new password");

    let refused = is(Code::Unauthenticated, "INVALID_ONE_TIME_TOKEN");
    let unknown = format!("twr_{}", "A".repeat(43));
    for bad in [token.as_str(), &unknown, "x"] {
        assert_eq!(reason(client.reset_password(reset(bad)).await), refused, "{bad}");
        let verify = VerifyIdentifierRequest { token: bad.to_owned() };
        assert_eq!(reason(client.verify_identifier(verify).await), refused, "{bad}");
    }
    let empty = client.reset_password(ResetPasswordRequest::default()).await;
    assert_eq!(fields(empty), ["token", "new_password"]);
    served.stop().await;
}

async fn an_address_is_verified_and_shown_so(engine: Engine) {
    let Some(served) = serve(engine).await else { return };
    let mut client = served.client().await;
    let name = format!("users/{}", register(&mut client).await);
    let mut application = Application::of(&served).await;
    let email = VerifiableIdentifier::Email;
    let token = application.verification_token(&name, email).await.expect("a token");
    let mut users = users(&served).await;
    let mut shown = async || -> User {
        let request = GetUserRequest { name: name.clone() };
        let answer = users.get_user(with_token(request, &application.root)).await;
        answer.map(Response::into_inner).unwrap().user.unwrap()
    };
    assert_eq!(shown().await.email_verify_time, None);
    client.verify_identifier(VerifyIdentifierRequest { token }).await.expect("verified");
    let user = shown().await;
    assert!(user.email_verify_time.is_some() && user.phone_verify_time.is_none());
    served.stop().await;
}

async fn requests_for_tokens_are_told_what_is_wrong(engine: Engine) {
    let Some(served) = serve(engine).await else { return };
    let id = register(&mut served.client().await).await;
    let (name, email) = (format!("users/{id}"), VerifiableIdentifier::Email);
    let mut application = Application::of(&served).await;
    for bad in ["", &id, "users/alice", "users/"] {
        assert_eq!(fields(application.reset_token(bad).await), ["name"], "{bad}");
        assert_eq!(fields(application.verification_token(bad, email).await), ["name"], "{bad}");
    }
    let unsaid = application.verification_token(&name, VerifiableIdentifier::Unspecified).await;
    assert_eq!(fields(unsaid), ["identifier"]);
    let missing = is(Code::NotFound, "NOT_FOUND");
    let nobody = "users/018f3a5e-7c1b-7d2e-8f3a-1b2c3d4e5f60";
    assert_eq!(reason(application.reset_token(nobody).await), missing);
    let phone = VerifiableIdentifier::Phone;
    assert_eq!(reason(application.verification_token(&name, phone).await), missing);

    application.reset_token(&name).await.expect("a token");
    let again = application.reset_token(&name).await.expect_err("a moment ago");
    let (code, reason_of, details) = told(&again);
    assert_eq!((code, reason_of.as_str()), (Code::ResourceExhausted, "ISSUED_RECENTLY"));
    let delay = details.retry_info().unwrap().retry_delay.unwrap();
    assert_eq!(delay.as_secs(), 60, "the clock stands");
    application.verification_token(&name, email).await.expect("another use, another token");

    let disable = with_token(DisableUserRequest { name: name.clone() }, &application.root);
    users(&served).await.disable_user(disable).await.expect("disabled");
    let disabled = reason(application.reset_token(&name).await);
    assert_eq!(disabled, is(Code::FailedPrecondition, "USER_DISABLED"));
    served.stop().await;
}
