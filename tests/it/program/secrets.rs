//! P8: whatever is logged, and whatever goes wrong, no secret is in it. The
//! real program logs everything that it and its libraries have to say.

use std::{collections::BTreeMap, fmt::Write as _, fs, net::TcpListener, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use serde_json::Value;

use super::{
    client,
    oauth_calls::OauthCalls,
    tour::{self, Tour},
};
use crate::{
    on_both_engines,
    support::{beside, command::Finished, postgres::fresh_database, program::Program, world},
};

on_both_engines!(p8_lo_01_lo_02_no_secret_is_logged_and_each_failure_is_one_line);

const DATABASE_PASSWORD: &str = "p8-database-password";

/// Everything that must not be found, with a name for it.
type Secrets = Vec<(String, String)>;

/// LO-06 and KM-28 too: of a token no more than its ids is in any line, and of a key
/// file nothing.
async fn p8_lo_01_lo_02_no_secret_is_logged_and_each_failure_is_one_line(engine: world::Engine) {
    let Some((program, url)) = program(engine).await else { return };
    let mut seen = String::new();
    let mut run = |arguments: &[&str], stdin: &str| {
        let Finished { code, stdout, stderr } = program.run_with_input(arguments, stdin);
        assert_eq!(code, 0, "{stderr}");
        writeln!(seen, "{stdout}\n{stderr}").unwrap();
    };
    run(&["keys", "generate"], "");
    run(&["user", "create", "alice", "--email", "alice@example.org"], tour::PASSWORD);
    run(&["config", "print"], "");
    // Its result is the secret: it is shown this once.
    let create = program.run(&["client", "create", "worker", "--audience", "api"]);
    let client_secret = create.success().trim_end().to_owned();
    run(&["client", "list", "--json"], "");
    run(&["client", "show", "worker"], "");

    let server = program.serve();
    let mut tour = Tour::new(client(&server).await);
    tour.everything(server.http).await;
    let [reset, verification] = one_time_tokens(&program, &mut seen);
    let refresh_token = tour.login().await.refresh_token;
    let oauth = OauthCalls::make(server.http, &client_secret, &refresh_token).await;
    tour.keep_others(oauth.tokens.clone());
    tour.one_time_tokens(&reset, &verification).await;
    tour.client_tokens(&client_secret).await;
    beside::run(&url, "ALTER TABLE users RENAME TO hidden_users").await;
    tour.login_fails(tour::PASSWORD).await;
    beside::run(&url, "ALTER TABLE revocation_head RENAME TO hidden_head").await;
    tour.verify_fails().await;
    let log = server.stop_and_log();

    let mut secrets = tour.secrets();
    let digests = beside::texts(&url, "SELECT digest FROM client_secrets").await;
    assert_eq!(digests.len(), 1);
    assert_eq!(found(&digests[0], &vec![("it".into(), client_secret.clone())]), "");
    secrets.extend(digests.into_iter().map(|digest| ("digest of a client's".to_owned(), digest)));
    secrets.push(("client secret".to_owned(), client_secret));
    secrets.push(("database password".into(), DATABASE_PASSWORD.into()));
    secrets.extend(hashes(&url).await);
    secrets.extend(keys(&program.data_dir().join("keys")));
    assert!(log.contains(r#""level":"TRACE""#) && log.contains(r#""target":"h2"#), "all of it");
    for place in [&seen, &log, &tour.answers(), &oauth.answers] {
        assert_eq!(found(place, &secrets), "");
    }
    let failed = [tour.failed.as_slice(), &oauth.failed].concat();
    let succeeded = [tour.succeeded.as_slice(), &oauth.succeeded].concat();
    each_failure_is_one_line(&log, &failed, &succeeded);
    let introspection = log.lines().find(|line| line.contains(r#""action":"INTROSPECT""#));
    assert!(introspection.is_some_and(|line| line.contains("WRONG_SECRET")), "{introspection:?}");
}

/// Standard output is where they are to be shown, once, and the only place.
fn one_time_tokens(program: &Program, seen: &mut String) -> [String; 2] {
    let verification = ["user", "verification-token", "alice", "--identifier", "email"];
    [&["user", "reset-token", "alice"][..], &verification].map(|arguments| {
        let Finished { code, stdout, stderr } = program.run(arguments);
        assert_eq!(code, 0, "{stderr}");
        writeln!(seen, "{stderr}").unwrap();
        stdout.trim_end().to_owned()
    })
}

/// A program that keeps nothing to itself. `None` where the engine is not to
/// be had.
async fn program(engine: world::Engine) -> Option<(Program, String)> {
    let program = talkative();
    let url = match engine {
        world::Engine::Sqlite => {
            format!("sqlite:{}", program.data_dir().join("tokenward.db").display())
        }
        world::Engine::Postgres => {
            let test = std::thread::current().name().unwrap_or("a test").to_owned();
            let mut url: url::Url = fresh_database(&test).await?.parse().expect("a URL");
            // Where the server wants a password, it is not ours to choose.
            if url.password().is_none() {
                url.set_password(Some(DATABASE_PASSWORD)).expect("a URL with a host");
            }
            url.into()
        }
    };
    let program = match engine {
        world::Engine::Sqlite => program,
        world::Engine::Postgres => program.env("TOKENWARD_DATABASE_URL", &url),
    };
    Some((program, url))
}

fn talkative() -> Program {
    let program = Program::new().set("log.level", "trace").set("registration.enabled", "true");
    program.set("browser.enabled", "true").with_cheap_hashes()
}

/// Each hash, its salt and its digest.
async fn hashes(url: &str) -> Secrets {
    let query = "SELECT password_hash FROM hidden_users WHERE password_hash IS NOT NULL";
    let hashes = beside::texts(url, query).await;
    assert!(hashes.len() >= 2, "{}", hashes.len());
    let parts = hashes.iter().flat_map(|hash| hash.rsplit('$').take(2));
    parts.map(|part| ("part of a password hash".to_owned(), part.to_owned())).collect()
}

/// Each line of each key file.
fn keys(dir: &Path) -> Secrets {
    let mut lines = Vec::new();
    for purpose in ["access", "refresh"] {
        for file in fs::read_dir(dir.join(purpose)).expect("a folder") {
            let text = fs::read_to_string(file.expect("a file").path()).expect("PEM");
            let body = text.lines().filter(|line| !line.starts_with('-'));
            // The first line is much the same in every RSA key.
            lines.extend(body.skip(1).map(|line| (format!("{purpose} key"), line.to_owned())));
        }
    }
    assert!(lines.len() > 2 * 20, "{}", lines.len());
    lines
}

/// What was found, by name; nothing, if all is well.
fn found(place: &str, secrets: &Secrets) -> String {
    let names = secrets.iter().filter(|(_, secret)| contains(place, secret));
    names.map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
}

/// The secret as it is, or as those who print bytes would write it.
fn contains(place: &str, secret: &str) -> bool {
    let bytes = secret.as_bytes();
    let mut hex = String::new();
    for byte in bytes {
        write!(hex, "{byte:02x}").unwrap();
    }
    let list = format!("{bytes:?}");
    let list = list.trim_matches(['[', ']']);
    let encoded = STANDARD_NO_PAD.encode(&bytes[..bytes.len() / 3 * 3]);
    [secret, &hex, list, &encoded].iter().any(|form| place.contains(form))
}

#[test]
fn the_search_for_secrets_can_fail() {
    let secrets = vec![("it".to_owned(), "hunter2!".to_owned())];
    for text in ["a hunter2! b", "68756e7465723221", "[1, 104, 117, 110, 116, 101, 114, 50, 33]"] {
        assert_eq!(found(text, &secrets), "it", "{text}");
    }
    assert_eq!(found(&STANDARD_NO_PAD.encode("hunter2!"), &secrets), "it");
    assert_eq!(found("hunter3", &secrets), "");
}

/// A call that failed is one line with its id; one that succeeded is none.
fn each_failure_is_one_line(log: &str, failed: &[String], succeeded: &[String]) {
    let mut lines: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in log.lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("JSON: {line}"));
        // The audit log tells of calls too, in its own lines.
        let is_audit = event["target"] == "tokenward::audit";
        if let Some(id) = event["request_id"].as_str().filter(|_| !is_audit) {
            lines.entry(id.to_owned()).or_default().push(event);
        }
    }
    assert!(failed.len() >= 12 && succeeded.len() >= 8, "{failed:?} {succeeded:?}");
    for id in failed {
        let [line] = lines.get(id).map_or(&[][..], Vec::as_slice) else {
            panic!("{id}: {:?}", lines.get(id));
        };
        let expected = if id.starts_with("oauth") {
            ["tokenward::http", "request failed"]
        } else {
            ["tokenward::grpc", "call failed"]
        };
        assert_eq!(["target", "message"].map(|name| &line[name]), expected);
    }
    for id in succeeded {
        assert!(!lines.contains_key(id), "{id}: {:?}", lines.get(id));
    }
}

/// LO-04: a start that fails tells everything but the password.
#[test]
fn p8_lo_04_a_database_out_of_reach_is_told_without_its_password() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for url in [
        format!("postgres://tokenward:{DATABASE_PASSWORD}@{nobody}/tokens"),
        format!("postgres://tokenward@{nobody}/tokens?password={DATABASE_PASSWORD}"),
        format!("postgres://tokenward:{DATABASE_PASSWORD}@{nobody}/tokens?sslmode=nonsense"),
        format!("mysql://tokenward:{DATABASE_PASSWORD}@{nobody}/tokens"),
    ] {
        let program = talkative().env("TOKENWARD_DATABASE_URL", &url);
        let program = program.set("database.acquire_timeout", "200ms").with_keys();
        let Finished { code, stdout, stderr } = program.run(&["serve"]);
        assert!(code > 0 && stderr.contains("database"), "{code} {stderr}");
        let secret = vec![("password".to_owned(), DATABASE_PASSWORD.to_owned())];
        assert_eq!(found(&(stdout + &stderr), &secret), "", "{url}");
    }
}
