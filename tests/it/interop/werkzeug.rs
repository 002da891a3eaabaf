//! Users of a Flask application, and of others, who log in with the passwords
//! that they have. The hashes are made by the real libraries.

use std::{path::Path, process::Command, thread};

use serde_json::json;
use tokenward::{
    crypto::digest::sha256,
    domain::identifier::Identifier,
    grpc::pb::auth::{LoginRequest, auth_service_client::AuthServiceClient},
    store::{self, StoreOptions, port::Store},
};
use tonic::{Code, transport::Channel};

use super::{client, clients};
use crate::support::{command, program::Program, skip::skip, world::PASSWORD};

/// The parameters that the program is configured with.
const OURS: &str = "$argon2id$v=19$m=7168,t=1,p=1$";

/// Hashes of [`PASSWORD`]; `None`, said loudly, without the libraries.
pub(super) fn hashes() -> Option<Vec<String>> {
    let python = client("venv/bin/python", "--version")?;
    let libraries = "import werkzeug, bcrypt, argon2, passlib";
    let mut probe = Command::new(&python);
    if command::run(probe.args(["-W", "ignore", "-c", libraries]), "").code != 0 {
        let test = thread::current().name().unwrap_or("a test").to_owned();
        let why = format!("{} lacks one of: {libraries}", clients().join("venv").display());
        skip(&test, &why, "REQUIRE_TOOLS");
        return None;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/hashes.py");
    let printed = command::run(Command::new(python).arg("-B").arg(script), PASSWORD).success();
    Some(printed.lines().map(str::to_owned).collect())
}

async fn login(auth: &mut AuthServiceClient<Channel>, user: &str, password: &str) -> Code {
    let (identifier, password) = (user.to_owned(), password.to_owned());
    let request = LoginRequest { identifier, password, ..Default::default() };
    auth.login(request).await.map_or_else(|status| status.code(), |_| Code::Ok)
}

async fn stored(store: &dyn Store, user: &str) -> String {
    let found = store.credentials(Identifier::parse(user).expect("a name")).await;
    let hash = found.expect("readable").expect("there").password_hash;
    hash.expect("a hash").expose().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn hashes_of_real_libraries_are_imported_checked_and_replaced() {
    let Some(hashes) = hashes() else { return };
    assert_eq!(hashes.len(), 13);
    // A million iterations can take longer than a call has on a busy machine.
    let program = Program::new().with_cheap_hashes().set("grpc.request_timeout", "5m").with_keys();
    let rows = hashes.iter().enumerate().map(|(index, hash)| {
        json!({"username": format!("user-{index}"), "password_hash": hash}).to_string() + "\n"
    });
    let imported = program.run_with_input(&["user", "import"], &rows.collect::<String>());
    assert_eq!(imported.success(), "13 created, 0 taken, 0 invalid\n");

    let server = program.serve();
    let url = format!("http://{}", server.grpc);
    let mut auth = AuthServiceClient::connect(url).await.expect("the server accepts");
    let database = format!("sqlite:{}", program.data_dir().join("tokenward.db").display());
    let options = StoreOptions { create: false, ..StoreOptions::default() };
    let store =
        store::connect(&database.into(), options, sha256).await.expect("the database opens");
    for (index, hash) in hashes.iter().enumerate() {
        let user = format!("user-{index}");
        let wrong = format!("{PASSWORD}.");
        assert_eq!(login(&mut auth, &user, &wrong).await, Code::Unauthenticated, "{hash}");
        assert_eq!(stored(&*store, &user).await, *hash);
        assert_eq!(login(&mut auth, &user, PASSWORD).await, Code::Ok, "{hash}");
        let replaced = stored(&*store, &user).await;
        assert!(replaced.starts_with(OURS), "{hash} became {replaced}");
        assert_eq!(login(&mut auth, &user, PASSWORD).await, Code::Ok, "{hash}");
        assert_eq!(login(&mut auth, &user, &wrong).await, Code::Unauthenticated, "{hash}");
        assert_eq!(stored(&*store, &user).await, replaced, "once is enough");
    }
    store.close().await;
    server.stop();
}
