//! Clients, as administrators manage them over gRPC, and what clients get.

use tokenward::{
    grpc::pb::{
        admin::{
            self, CreateClientRequest, CreateClientResponse, DeleteClientRequest,
            DisableClientRequest, EnableClientRequest, GetClientRequest, ListClientsRequest,
            RevokeClientTokensRequest, RotateClientSecretRequest, UpdateClientRequest,
            client_service_client::ClientServiceClient,
        },
        auth::{
            InactiveReason, IssueClientTokenRequest, ListSessionsRequest, TokenPair,
            issue_client_token_request::Credentials,
        },
    },
    service::{
        Administrator, client_profile::ClientProfileRequest, clients::CreateClientRequest as New,
    },
};
use tonic::{Code, Status, transport::Channel};

use super::{
    administrators::administrator,
    calls::{about, with_token},
    serve,
    told::{fields, is, reason},
};
use crate::{
    on_both_engines,
    support::{served::Served, world::Engine},
};

on_both_engines!(
    a_client_from_creation_to_deletion,
    ad_22_clients_are_listed_page_by_page,
    what_only_the_server_says_is_refused,
);

/// Makes the client `worker`, and gives its secret.
pub(super) async fn worker(served: &Served) -> String {
    let profile = ClientProfileRequest {
        audiences: vec!["api".to_owned()],
        ..ClientProfileRequest::default()
    };
    let new = New { id: "worker".to_owned(), profile, with_secret: true };
    let made = served.auth.create_client(new, &Administrator::command_line()).await;
    made.expect("a new client").secret.expect("a secret").expose().to_owned()
}

struct Setting {
    served: Served,
    root: TokenPair,
    clients: ClientServiceClient<Channel>,
}

impl Setting {
    async fn new(engine: Engine) -> Option<Self> {
        let served = serve(engine).await?;
        let root = administrator(&served).await;
        let clients = ClientServiceClient::new(served.channel().await);
        Some(Self { served, root, clients })
    }

    async fn create(
        &mut self,
        id: &str,
        client: admin::Client,
    ) -> Result<CreateClientResponse, Status> {
        let (client_id, client) = (id.to_owned(), Some(client));
        let request = CreateClientRequest { client_id, client, generate_secret: true };
        Ok(self.clients.create_client(with_token(request, &self.root)).await?.into_inner())
    }

    async fn update(
        &mut self,
        client: admin::Client,
        paths: &[&str],
    ) -> Result<admin::Client, Status> {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        let update_mask = Some(prost_types::FieldMask { paths });
        let request = UpdateClientRequest { client: Some(client), update_mask };
        let updated = self.clients.update_client(with_token(request, &self.root)).await?;
        Ok(updated.into_inner().client.unwrap())
    }

    async fn token(&self, secret: &str) -> Result<TokenPair, Status> {
        let request = IssueClientTokenRequest {
            client_id: "worker".to_owned(),
            credentials: Some(Credentials::ClientSecret(secret.to_owned())),
            ..IssueClientTokenRequest::default()
        };
        let mut client = self.served.client().await;
        Ok(client.issue_client_token(request).await?.into_inner().tokens.unwrap())
    }

    async fn is_active(&self, tokens: &TokenPair) -> bool {
        let question = about(&tokens.access_token);
        let verdict = self.served.client().await.verify(question).await.unwrap().into_inner();
        assert!(verdict.active || verdict.reason() == InactiveReason::Revoked);
        verdict.active
    }
}

fn for_api() -> admin::Client {
    admin::Client {
        audiences: vec!["api".to_owned()],
        scopes: vec!["read".to_owned()],
        default_scopes: vec!["read".to_owned()],
        ..admin::Client::default()
    }
}

fn name() -> String {
    "clients/worker".to_owned()
}

async fn a_client_from_creation_to_deletion(engine: Engine) {
    let Some(mut setting) = Setting::new(engine).await else { return };
    let made = setting.create("worker", for_api()).await.unwrap();
    let (client, secret) = (made.client.unwrap(), made.client_secret);
    assert!(secret.starts_with("tws_") && secret.len() == 47);
    assert_eq!((client.name.as_str(), client.secrets.len()), ("clients/worker", 1));
    assert_eq!(client.access_lifetime.map(|life| life.seconds), Some(900));
    assert_eq!(client.rotation(), admin::Rotation::On);
    let again = setting.create("worker", for_api()).await;
    assert_eq!(reason(again), is(Code::AlreadyExists, "ALREADY_EXISTS"));

    let tokens = setting.token(&secret).await.unwrap();
    assert_eq!((tokens.refresh_token.as_str(), tokens.session_expire_time), ("", None));
    let question = about(&tokens.access_token);
    let verdict = setting.served.client().await.verify(question).await.unwrap().into_inner();
    let claims = verdict.claims.unwrap();
    assert_eq!((claims.subject.as_str(), claims.client_id.as_str()), ("worker", "worker"));
    assert_eq!((claims.session_id.as_str(), claims.auth_time), ("", None));
    assert_eq!((claims.scopes, claims.roles), (vec!["read".to_owned()], Vec::<String>::new()));
    let own = with_token(ListSessionsRequest::default(), &tokens);
    let answer = setting.served.client().await.list_sessions(own).await;
    assert_eq!(reason(answer), is(Code::PermissionDenied, "NOT_A_USER"));

    let renamed = admin::Client {
        name: name(),
        display_name: "Worker".to_owned(),
        etag: client.etag.clone(),
        ..admin::Client::default()
    };
    let updated = setting.update(renamed.clone(), &["display_name"]).await.unwrap();
    assert_eq!((updated.display_name.as_str(), &updated.scopes), ("Worker", &client.scopes));
    let lost = reason(setting.update(renamed.clone(), &["display_name"]).await);
    assert_eq!(lost, is(Code::Aborted, "CONFLICT"));
    assert_eq!(fields(setting.update(renamed, &["name"]).await), ["update_mask"]);

    let grace_period = Some(prost_types::Duration { seconds: 60, nanos: 0 });
    let rotate = RotateClientSecretRequest { name: name(), grace_period };
    let rotated = setting.clients.rotate_client_secret(with_token(rotate, &setting.root)).await;
    let new = rotated.unwrap().into_inner();
    assert_eq!(new.client.unwrap().secrets.len(), 2);
    assert!(
        setting.token(&secret).await.is_ok() && setting.token(&new.client_secret).await.is_ok()
    );

    let revoke = RevokeClientTokensRequest { name: name() };
    setting.clients.revoke_client_tokens(with_token(revoke, &setting.root)).await.unwrap();
    assert!(!setting.is_active(&tokens).await);
    let tokens = setting.token(&secret).await.unwrap();
    let disable = DisableClientRequest { name: name() };
    setting.clients.disable_client(with_token(disable, &setting.root)).await.unwrap();
    assert!(!setting.is_active(&tokens).await);
    let refused = is(Code::Unauthenticated, "INVALID_CLIENT");
    assert_eq!(reason(setting.token(&secret).await), refused);
    let enable = EnableClientRequest { name: name() };
    setting.clients.enable_client(with_token(enable, &setting.root)).await.unwrap();
    let tokens = setting.token(&secret).await.unwrap();
    assert!(setting.is_active(&tokens).await);

    let delete = |etag: &str| DeleteClientRequest { name: name(), etag: etag.to_owned() };
    let stale = delete(&client.etag);
    let stale = setting.clients.delete_client(with_token(stale, &setting.root)).await;
    assert_eq!(reason(stale), is(Code::Aborted, "CONFLICT"));
    setting.clients.delete_client(with_token(delete(""), &setting.root)).await.unwrap();
    assert!(!setting.is_active(&tokens).await);
    assert_eq!(reason(setting.token(&secret).await), refused);
    let get = GetClientRequest { name: name() };
    let gone = setting.clients.get_client(with_token(get, &setting.root)).await;
    assert_eq!(reason(gone), is(Code::NotFound, "NOT_FOUND"));
    setting.served.stop().await;
}

async fn ad_22_clients_are_listed_page_by_page(engine: Engine) {
    let Some(mut setting) = Setting::new(engine).await else { return };
    for id in ["c", "a", "b-1", "b.2", "b_3"] {
        setting.create(id, for_api()).await.unwrap();
    }
    let (mut seen, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListClientsRequest { page_size: 2, page_token };
        let page = setting.clients.list_clients(with_token(request, &setting.root)).await;
        let page = page.unwrap().into_inner();
        seen.extend(page.clients.into_iter().map(|client| client.client_id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, ["a", "b-1", "b.2", "b_3", "c"], "byte by byte on every engine");
    for (page_size, page_token, field) in [(-1, "", "page_size"), (1, "x", "page_token")] {
        let request = ListClientsRequest { page_size, page_token: page_token.to_owned() };
        let refused = setting.clients.list_clients(with_token(request, &setting.root)).await;
        assert_eq!(fields(refused), [field]);
    }
    setting.served.stop().await;
}

async fn what_only_the_server_says_is_refused(engine: Engine) {
    let Some(mut setting) = Setting::new(engine).await else { return };
    let all = admin::Client { name: name(), disabled: true, etag: "x".to_owned(), ..for_api() };
    let told = fields(setting.create("worker", all).await);
    assert_eq!(told, ["client.name", "client.disabled", "client.etag"]);
    let odd = admin::Client { rotation: 9, ..for_api() };
    assert_eq!(fields(setting.create("worker", odd).await), ["rotation"]);
    let nanos = Some(prost_types::Duration { seconds: 60, nanos: -1 });
    let odd = admin::Client { access_lifetime: nanos, ..for_api() };
    assert_eq!(fields(setting.create("worker", odd).await), ["access_lifetime"]);
    let configured = setting.create("web", for_api()).await;
    assert_eq!(reason(configured), is(Code::FailedPrecondition, "CLIENT_CONFIGURED"));
    for name in ["worker", "clients/", "clients/No Id", "users/worker", "clients/a/b"] {
        let get = GetClientRequest { name: name.to_owned() };
        let refused = setting.clients.get_client(with_token(get, &setting.root)).await;
        assert_eq!(fields(refused), ["name"], "{name}");
    }
    setting.served.stop().await;
}
