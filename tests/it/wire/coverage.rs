//! Every method that is described has its malformed request, its refused
//! credentials and its outage, so that none can be forgotten.

use prost::Message;
use prost_reflect::{DescriptorPool, Kind, MessageDescriptor};
use tokenward::{
    domain::one_time::Contact,
    grpc::pb::FILE_DESCRIPTOR_SET,
    grpc::pb::auth::{
        BatchVerifyRequest, ChangePasswordRequest, GetJwksRequest, IssueClientTokenRequest,
        ListSessionsRequest, LoginRequest, RefreshRequest, RegisterRequest, ResetPasswordRequest,
        RevokeRequest, TokenPair, VerifyIdentifierRequest, VerifyRequest,
        auth_service_client::AuthServiceClient, issue_client_token_request::Credentials,
        revoke_request::Target,
    },
    service::Administrator,
};
use tonic::{Code, Request, Status, transport::Channel};

use super::{
    calls::{about, login, login_request, refresh_request, register},
    clients::worker,
    raw::{Method, methods, send_request},
    serve,
    told::{fields, is, reason},
};
use crate::{
    on_both_engines,
    support::{
        served::Served,
        world::{Engine, PASSWORD},
    },
};

on_both_engines!(every_method_has_its_failures);

/// What is expected of one method.
struct Row {
    method: &'static str,
    /// A call that succeeds.
    good: Call,
    /// What is sent without the database, if the good call can be made only
    /// once.
    later: Option<Call>,
    /// A request that breaks a rule, and the field it names. `None`: the
    /// request has no field.
    malformed: Option<(Call, &'static str)>,
    /// A call with bad credentials, and the reason that it gets. `None`: the
    /// good call carries no credentials at all.
    refused: Option<(Call, &'static str)>,
    without_store: WithoutStore,
}

#[derive(Clone, Copy)]
enum WithoutStore {
    IsUnavailable,
    StillAnswers,
}

/// A message, and perhaps a bearer token beside it.
struct Call {
    message: Vec<u8>,
    bearer: Option<String>,
}

impl Call {
    fn new(message: &impl Message) -> Self {
        Self { message: message.encode_to_vec(), bearer: None }
    }

    fn with(message: &impl Message, bearer: &str) -> Self {
        Self { bearer: Some(format!("Bearer {bearer}")), ..Self::new(message) }
    }

    async fn send(&self, channel: &Channel, method: &Method) -> Result<Vec<u8>, Status> {
        let mut request = Request::new(self.message.clone());
        if let Some(bearer) = &self.bearer {
            request.metadata_mut().insert("authorization", bearer.parse().unwrap());
        }
        send_request(channel, &method.path, request).await
    }
}

/// One row for each method. The session of `spare` is the one to revoke,
/// `carols` is that of a user whose password may change, `one_time` are a reset
/// token and a verification token, and `secret` is that of the client `worker`.
fn rows(
    tokens: &TokenPair,
    spare: &TokenPair,
    carols: &TokenPair,
    one_time: &[String; 2],
    secret: &str,
) -> Vec<Row> {
    let mut rows = credential_rows(tokens, spare);
    rows.push(client_row(secret));
    rows.push(change_row(tokens, carols));
    rows.extend(one_time_rows(one_time));
    rows.extend(verdict_rows(&tokens.access_token));
    rows
}

/// Methods that read or write the database.
fn credential_rows(tokens: &TokenPair, spare: &TokenPair) -> Vec<Row> {
    use WithoutStore::IsUnavailable;
    let newcomer = |password: &str| RegisterRequest {
        username: "bob".into(),
        password: password.into(),
        ..RegisterRequest::default()
    };
    let unfit = LoginRequest { label: "a\nb".into(), ..login_request(PASSWORD) };
    let page = |page_size| ListSessionsRequest { page_size, ..ListSessionsRequest::default() };
    let revoke = |token: &str| RevokeRequest { target: Some(Target::Token(token.into())) };
    vec![
        Row {
            method: "Register",
            good: Call::new(&newcomer(PASSWORD)),
            later: None,
            malformed: Some((Call::new(&newcomer("short")), "password")),
            refused: None,
            without_store: IsUnavailable,
        },
        Row {
            method: "Login",
            good: Call::new(&login_request(PASSWORD)),
            later: None,
            malformed: Some((Call::new(&unfit), "label")),
            refused: Some((Call::new(&login_request("wrong")), "INVALID_CREDENTIALS")),
            without_store: IsUnavailable,
        },
        Row {
            method: "ListSessions",
            good: Call::with(&page(0), &tokens.access_token),
            later: None,
            malformed: Some((Call::with(&page(-1), &tokens.access_token), "page_size")),
            refused: Some((Call::new(&page(0)), "MISSING_TOKEN")),
            without_store: IsUnavailable,
        },
        Row {
            method: "Refresh",
            good: Call::new(&refresh_request(&tokens.refresh_token)),
            later: None,
            malformed: Some((Call::new(&RefreshRequest::default()), "refresh_token")),
            refused: Some((Call::new(&refresh_request("a.b.c")), "INVALID_TOKEN")),
            without_store: IsUnavailable,
        },
        Row {
            method: "Revoke",
            good: Call::new(&revoke(&spare.refresh_token)),
            later: None,
            malformed: Some((Call::new(&revoke("")), "token")),
            refused: None,
            without_store: IsUnavailable,
        },
    ]
}

fn client_row(secret: &str) -> Row {
    let by = |secret: &str| IssueClientTokenRequest {
        client_id: "worker".into(),
        credentials: Some(Credentials::ClientSecret(secret.into())),
        ..IssueClientTokenRequest::default()
    };
    let unproved = IssueClientTokenRequest { credentials: None, ..by(secret) };
    Row {
        method: "IssueClientToken",
        good: Call::new(&by(secret)),
        later: None,
        malformed: Some((Call::new(&unproved), "credentials")),
        refused: Some((Call::new(&by("wrong")), "INVALID_CLIENT")),
        without_store: WithoutStore::IsUnavailable,
    }
}

/// No other call may come with the session that a change was made in before.
fn change_row(tokens: &TokenPair, carols: &TokenPair) -> Row {
    let change = |current: &str, new: &str| ChangePasswordRequest {
        current_password: current.into(),
        new_password: new.into(),
        ..ChangePasswordRequest::default()
    };
    let good = change(PASSWORD, "another horse, another staple");
    let wrong = change("wrong", "another horse, another staple");
    Row {
        method: "ChangePassword",
        good: Call::with(&good, &carols.access_token),
        later: Some(Call::with(&good, &tokens.access_token)),
        malformed: Some((
            Call::with(&change(PASSWORD, "short"), &carols.access_token),
            "new_password",
        )),
        refused: Some((Call::with(&wrong, &carols.access_token), "INVALID_CREDENTIALS")),
        without_store: WithoutStore::IsUnavailable,
    }
}

/// Methods whose credentials are in the message.
fn one_time_rows([reset, verification]: &[String; 2]) -> [Row; 2] {
    use WithoutStore::IsUnavailable;
    let new = |token: &str, new: &str| ResetPasswordRequest {
        token: token.into(),
        new_password: new.into(),
    };
    let about = |token: &str| VerifyIdentifierRequest { token: token.into() };
    let refused = "INVALID_ONE_TIME_TOKEN";
    [
        Row {
            method: "ResetPassword",
            good: Call::new(&new(reset, PASSWORD)),
            later: None,
            malformed: Some((Call::new(&new(reset, "short")), "new_password")),
            refused: Some((Call::new(&new(verification, PASSWORD)), refused)),
            without_store: IsUnavailable,
        },
        Row {
            method: "VerifyIdentifier",
            good: Call::new(&about(verification)),
            later: None,
            malformed: Some((Call::new(&about("")), "token")),
            refused: Some((Call::new(&about(reset)), refused)),
            without_store: IsUnavailable,
        },
    ]
}

/// Methods that answer from memory.
fn verdict_rows(access_token: &str) -> [Row; 3] {
    use WithoutStore::StillAnswers;
    let unnamed = VerifyRequest { required_scopes: vec![String::new()], ..about(access_token) };
    let batch = |requests| BatchVerifyRequest { requests };
    [
        Row {
            method: "Verify",
            good: Call::new(&about(access_token)),
            later: None,
            malformed: Some((Call::new(&unnamed), "required_scopes")),
            refused: None,
            without_store: StillAnswers,
        },
        Row {
            method: "BatchVerify",
            good: Call::new(&batch(vec![about(access_token)])),
            later: None,
            malformed: Some((Call::new(&batch(Vec::new())), "requests")),
            refused: None,
            without_store: StillAnswers,
        },
        Row {
            method: "GetJwks",
            good: Call::new(&GetJwksRequest {}),
            later: None,
            malformed: None,
            refused: None,
            without_store: StillAnswers,
        },
    ]
}

async fn login_of_carol(client: &mut AuthServiceClient<Channel>) -> TokenPair {
    register_another(client, "carol").await;
    let login = LoginRequest { identifier: "carol".into(), ..login_request(PASSWORD) };
    client.login(login).await.unwrap().into_inner().tokens.unwrap()
}

/// A reset token and a verification token of Dave's, as an administrator gets them.
async fn tokens_of_dave(served: &Served) -> [String; 2] {
    register_another(&mut served.client().await, "dave").await;
    let admin = Administrator::command_line();
    let dave = served.auth.find_user("dave").await.unwrap().id;
    let reset = served.auth.create_password_reset_token(dave, &admin).await.unwrap();
    let email = Contact::Email;
    let verification = served.auth.create_verification_token(dave, email, &admin).await.unwrap();
    [reset, verification].map(|issued| issued.token.expose().to_owned())
}

async fn register_another(client: &mut AuthServiceClient<Channel>, name: &str) {
    let (username, password) = (name.to_owned(), PASSWORD.to_owned());
    let email = format!("{name}@example.org");
    let another = RegisterRequest { username, email, password, ..RegisterRequest::default() };
    client.register(another).await.unwrap();
}

async fn every_method_has_its_failures(engine: Engine) {
    let Some(served) = serve(engine).await else { return };
    let mut client = served.client().await;
    register(&mut client).await;
    let [tokens, spare] = [login(&mut client).await, login(&mut client).await];
    let carols = login_of_carol(&mut client).await;
    let one_time = tokens_of_dave(&served).await;
    let secret = worker(&served).await;
    let table = rows(&tokens.tokens.unwrap(), &spare.tokens.unwrap(), &carols, &one_time, &secret);
    let covered = pair_up(methods(), table);
    with_the_store(&served, &covered).await;
    served.store.close().await;
    without_the_store(&served, &covered).await;
}

/// Every method with its row; fails when one of them has no other.
fn pair_up(mut methods: Vec<Method>, mut rows: Vec<Row>) -> Vec<(Method, Row)> {
    methods.sort_by(|a, b| a.name.cmp(&b.name));
    rows.sort_by_key(|row| row.method);
    let described: Vec<_> = methods.iter().map(|method| method.name.as_str()).collect();
    let listed: Vec<_> = rows.iter().map(|row| row.method).collect();
    assert_eq!(described, listed, "each method needs a row here, and each row a method");
    methods.into_iter().zip(rows).collect()
}

async fn with_the_store(served: &Served, covered: &[(Method, Row)]) {
    let channel = served.channel().await;
    for (method, row) in covered {
        match &row.malformed {
            Some((call, field)) => {
                assert_eq!(fields(call.send(&channel, method).await), [*field], "{}", row.method);
            }
            None => assert!(method.request.field.is_empty(), "{} has fields", row.method),
        }
        match &row.refused {
            Some((call, why)) => {
                let answer = reason(call.send(&channel, method).await);
                assert_eq!(answer, is(Code::Unauthenticated, why), "{}", row.method);
            }
            None => assert!(row.good.bearer.is_none(), "{} takes a token", row.method),
        }
    }
    // Whatever was refused has used nothing up.
    for (method, row) in covered {
        row.good.send(&channel, method).await.unwrap_or_else(|status| {
            panic!("the good call of {} fails: {status:?}", row.method);
        });
    }
}

async fn without_the_store(served: &Served, covered: &[(Method, Row)]) {
    let channel = served.channel().await;
    for (method, row) in covered {
        let answer = row.later.as_ref().unwrap_or(&row.good).send(&channel, method).await;
        match row.without_store {
            WithoutStore::StillAnswers => assert!(answer.is_ok(), "{}: {answer:?}", row.method),
            WithoutStore::IsUnavailable => {
                let down = is(Code::Unavailable, "DATABASE_UNAVAILABLE");
                assert_eq!(reason(answer), down, "{}", row.method);
            }
        }
    }
}

/// TM-09: no request of `AuthService` has a field for a time, so nobody's clock
/// counts but ours.
#[test]
fn tm_09_no_call_takes_a_time_from_its_caller() {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("descriptors");
    let service = pool.get_service_by_name("tokenward.auth.v1.AuthService").expect("the service");
    let named = |message: &MessageDescriptor| {
        let messages = message.fields().filter_map(|field| match field.kind() {
            Kind::Message(inner) => Some(inner.full_name().to_owned()),
            _ => None,
        });
        messages.collect::<Vec<_>>()
    };
    let timestamp = "google.protobuf.Timestamp".to_owned();
    assert!(service.methods().any(|method| named(&method.output()).contains(&timestamp)));
    for method in service.methods() {
        assert!(!named(&method.input()).contains(&timestamp), "{}", method.name());
    }
}
