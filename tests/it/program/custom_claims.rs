//! Custom claims, from the configuration file to the token.

use serde_json::{Value, json};

use super::{client, login, verify};
use crate::support::program::Program;

const CONFIG: &str = r#"
[clients.default]
audiences = ["api"]
scopes = ["read", "write"]
default_scopes = ["read", "write"]

[scopes.write]
roles = ["admin"]

[claims.api]
user_id = "{user.id}"
"https://acme.example/claims" = { login = "{user.username}", roles = "{user.roles}", plan = 3 }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn s3_1_a_configured_claim_arrives_in_the_token() {
    let program = Program::new().with_cheap_hashes().config(CONFIG).with_keys();
    let alice = program.create_user(&["alice", "--role", "editor"]);
    let server = program.serve();
    let mut auth = client(&server).await;
    let tokens = login(&mut auth).await.tokens.expect("tokens");
    assert_eq!(tokens.scope, "read", "write is for admins");
    let claims = verify(&mut auth, &tokens.access_token).await.claims.expect("active");
    let claims: Value = serde_json::from_str(&claims.json).expect("JSON");
    assert_eq!(claims["user_id"], alice);
    let data = json!({"login": "alice", "plan": 3, "roles": ["editor"]});
    assert_eq!(claims["https://acme.example/claims"], data);
    assert_eq!(claims["scope"], "read");
    server.stop();
}

#[test]
fn ad_20_a_reserved_or_mistaken_claim_stops_the_start() {
    let config = CONFIG.replace("user_id =", "Sub =").replace("{user.username}", "{user.nmae}");
    let refused = Program::new().config(&config).run(&["config", "check"]);
    assert_eq!(refused.code, 2);
    for told in [
        "claims.\"api\": \"Sub\" is reserved, in any case of letters\n",
        "claims.\"api\": \"https://acme.example/claims\" has a \"{\" that begins none of",
    ] {
        assert!(refused.stderr.contains(told), "{}", refused.stderr);
    }
    let printed = Program::new().config(CONFIG).run(&["config", "print"]).success();
    assert!(printed.contains("user_id = \"{user.id}\""), "{printed}");
}
