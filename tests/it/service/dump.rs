//! P8: whoever steals a dump of the database can log in as nobody with it.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret as _, SecretString};
use tokenward::{
    config::Settings,
    domain::{
        error::{AuthError, Refusal},
        one_time::Contact,
        password::Password,
    },
    service::{
        Administrator, Caller, profile::ProfileRequest, users::CreateUserRequest,
        verify::InactiveReason,
    },
};

use crate::{
    on_both_engines,
    support::{
        beside,
        world::{Engine, PASSWORD, World},
    },
};

on_both_engines!(p8_a_dump_logs_nobody_in);

const EMAIL: &str = "alice@example.org";
/// Typed at a login that failed, as password and as identifier.
const MISTYPED: &str = "planted and mistyped password";
const REPLACED: &str = "planted and replaced password";

/// Nothing may be told apart by having been tried too often.
fn uncounted(settings: &mut Settings) {
    settings.throttle.enabled = false;
}

async fn p8_a_dump_logs_nobody_in(engine: Engine) {
    let Some(world) = World::with(engine, uncounted).await else { return };
    let secrets = plant(&world).await;
    let rows = dump(engine, &world).await;
    let text = rows.join("\n");
    assert!(text.contains(EMAIL) && text.contains("$argon2id$"), "the dump is one: {text}");
    for secret in &secrets {
        let (first, second) = secret.split_at(secret.len() / 2);
        for half in [first, second] {
            assert!(!text.contains(half), "half of {secret}");
            assert!(!text.contains(&hexadecimal(half.as_bytes())), "half of {secret}");
            assert!(!text.contains(&URL_SAFE_NO_PAD.encode(half)), "half of {secret}");
        }
    }
    let credentials = credentials(&rows);
    assert!(credentials.len() > 30, "{credentials:?}");
    for credential in credentials {
        opens_nothing(&world, credential).await;
    }
    // The doors are real: what was planted opens them.
    world.try_login(EMAIL, PASSWORD).await.expect("the password");
}

/// Fills every table that could hold a secret; gives the secrets.
async fn plant(world: &World) -> Vec<String> {
    let (auth, admin) = (world.auth(), Administrator::command_line());
    let (email, phone) = (EMAIL.to_owned(), "+41446681800".to_owned());
    let profile = ProfileRequest { email, phone, ..ProfileRequest::default() };
    let password = Some(Password::parse(REPLACED.to_owned()));
    let user = auth.create_user(CreateUserRequest { profile, password }, &admin).await.unwrap();
    let mut secrets = [PASSWORD, MISTYPED, REPLACED].map(str::to_owned).to_vec();

    let spent = auth.create_password_reset_token(user, &admin).await.unwrap();
    let new = Password::parse(PASSWORD.to_owned());
    let caller = Caller::default();
    auth.reset_password(&spent.token.expose().into(), new, &caller).await.expect("reset");
    let live = [
        auth.create_password_reset_token(user, &admin).await.unwrap(),
        auth.create_verification_token(user, Contact::Email, &admin).await.unwrap(),
        auth.create_verification_token(user, Contact::Phone, &admin).await.unwrap(),
    ];
    secrets.extend(live.iter().chain([&spent]).map(|issued| issued.token.expose()[4..].to_owned()));
    for (identifier, password) in [(EMAIL, MISTYPED), (MISTYPED, PASSWORD)] {
        world.try_login(identifier, password).await.expect_err("mistyped");
    }
    for _ in 0..3 {
        let tokens = world.try_login(EMAIL, PASSWORD).await.expect("logged in").tokens;
        let refresh = tokens.refresh_token.expect("a refresh token");
        let next = world.refresh(&refresh).await.expect("refreshed").tokens;
        let texts = [refresh, tokens.access_token, next.access_token, next.refresh_token.unwrap()];
        secrets.extend(texts.map(|token| token.expose_secret().to_owned()));
    }
    secrets
}

/// Every row of every table, its columns one a line.
async fn dump(engine: Engine, world: &World) -> Vec<String> {
    let database = world.settings.database_url();
    let texts = async |sql: &str| beside::texts(database.expose(), sql).await;
    let tables = texts(match engine {
        Engine::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table'",
        Engine::Postgres => {
            "SELECT CAST(table_name AS TEXT) FROM information_schema.tables \
             WHERE table_schema = 'public'"
        }
    });
    let mut rows = Vec::new();
    // Of the scripts that were run, only names and checksums are there.
    for table in tables.await.iter().filter(|table| *table != "_sqlx_migrations") {
        let columns = match engine {
            Engine::Sqlite => format!("SELECT name FROM pragma_table_info('{table}')"),
            Engine::Postgres => format!(
                "SELECT CAST(column_name AS TEXT) FROM information_schema.columns \
                 WHERE table_schema = 'public' AND table_name = '{table}'"
            ),
        };
        for column in texts(&columns).await {
            let select = format!("SELECT COALESCE(CAST({column} AS TEXT), '') FROM {table}");
            rows.extend(texts(&select).await);
        }
    }
    rows
}

/// Whatever could be one: whole values, and their parts.
fn credentials(rows: &[String]) -> BTreeSet<&str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+' | '/' | '.');
    let parts =
        rows.iter().flat_map(move |row| row.split(move |c| !is_part(c)).chain([row.as_str()]));
    parts.filter(|part| part.len() >= 16).collect()
}

/// The text in the forms in which it could be a one-time token; a digest too.
fn as_one_time_tokens(text: &str) -> [String; 3] {
    let bytes = bytes(text).filter(|bytes| bytes.len() == 32);
    let secret = bytes.map_or_else(|| text.to_owned(), |bytes| URL_SAFE_NO_PAD.encode(bytes));
    [text.to_owned(), format!("twr_{secret}"), format!("twv_{secret}")]
}

async fn opens_nothing(world: &World, credential: &str) {
    let (auth, caller) = (world.auth(), Caller::default());
    let secret = SecretString::from(credential);
    is_refused(credential, world.refresh(&secret).await);
    is_refused(credential, auth.authenticate(Some(credential)).await);
    let verdict = world.verify(&secret).await.reason;
    assert!(matches!(verdict, Some(InactiveReason::Invalid)), "{credential}: {verdict:?}");
    is_refused(credential, world.try_login(EMAIL, credential).await);
    for token in as_one_time_tokens(credential).map(SecretString::from) {
        let new = Password::parse(PASSWORD.to_owned());
        is_refused(credential, auth.reset_password(&token, new, &caller).await);
        is_refused(credential, auth.verify_identifier(&token, &caller).await);
    }
}

fn is_refused<T>(credential: &str, result: Result<T, AuthError>) {
    use Refusal::{InvalidCredentials, InvalidOneTimeToken, InvalidToken};
    let Err(error) = result else { panic!("{credential} opens something") };
    let is_refusal = matches!(
        error,
        AuthError::Unauthenticated(InvalidCredentials | InvalidOneTimeToken | InvalidToken)
    );
    assert!(is_refusal, "{credential}: {error}");
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    digits.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}
