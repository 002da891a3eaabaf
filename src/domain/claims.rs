//! What tokens say: written in one fixed order, read strictly.

use serde_json::{Map, Value, json};

use super::{
    account::Role,
    clock::Timestamp,
    id::{ClientId, SessionId, TokenId, UserId},
    json::{InvalidJson, StrictObject},
    policy::{Audience, Scopes},
};

/// `NumericDate` values are JSON integers from 1 to the last second that a
/// [`Timestamp`] can hold, in the year 294246 (RFC 7519 section 2). That is
/// far below 2^53, from where on JSON numbers are not exact everywhere.
const NUMERIC_DATE_MAX: i64 = i64::MAX / 1_000_000;

/// Claims that make an access token something that we never issue: bound to
/// a key that we cannot check (RFC 7800), of another kind, or used by one
/// party in the name of another (RFC 8693 section 4).
const FOREIGN: [&str; 4] = ["cnf", TOKEN_USE, "act", "may_act"];

/// Tells tokens that are no access tokens what they are.
const TOKEN_USE: &str = "token_use";
const COOKIE: &str = "cookie";

/// The other names that are no custom claim's: those that tokens of ours have,
/// those of RFC 7519 section 4.1, and `typ`.
const OURS: [&str; 20] = [
    "iss",
    "aud",
    "sub",
    "client_id",
    "iat",
    "nbf",
    "exp",
    "jti",
    "sid",
    "auth_time",
    "amr",
    "scope",
    "roles",
    "name",
    "email",
    "ver",
    "cver",
    "gen",
    "type",
    "typ",
];

/// Does the name mean something to us, or could somebody who compares names
/// without regard to case take it for one that does?
pub fn is_reserved(name: &str) -> bool {
    OURS.iter().chain(&FOREIGN).any(|reserved| reserved.eq_ignore_ascii_case(name))
}

/// In whose name an access token acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A user who has logged in.
    User(UserClaims),
    /// The client itself: `sub` is its `client_id` (RFC 9068 section 2.2), which
    /// is no UUID and so no user's.
    Client,
}

/// What only the access tokens of users say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserClaims {
    /// `sub`
    pub id: UserId,
    /// `sid`
    pub session_id: SessionId,
    /// `auth_time`
    pub auth_time: Timestamp,
    /// `amr` (RFC 8176)
    pub amr: Vec<String>,
    /// `roles`; absent when empty.
    pub roles: Vec<Role>,
    /// `name`
    pub name: Option<String>,
    /// `email`
    pub email: Option<String>,
}

/// Claims by which the token of a user is told from that of a client, which
/// has none of them.
const OF_USERS: [&str; 6] = ["sid", "auth_time", "amr", "roles", "name", "email"];

/// The claims of an access token (RFC 9068 section 2.2). Times have whole
/// seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessClaims {
    /// `iss`
    pub issuer: String,
    /// `aud`; never empty. One is written as a string, several as an array.
    pub audience: Vec<Audience>,
    /// `sub`, and what belongs to it.
    pub subject: Subject,
    /// `client_id`
    pub client_id: ClientId,
    /// `iat`
    pub issued_at: Timestamp,
    /// `exp`
    pub expires_at: Timestamp,
    /// `jti`
    pub token_id: TokenId,
    /// `scope`; absent when empty.
    pub scopes: Scopes,
    /// `ver`: the session's user version; of a client, the version floor when
    /// the token was issued.
    pub user_version: i64,
    /// `cver`: the client's version, at login for a session.
    pub client_version: i64,
    /// What the configuration adds. Written last, and not read back.
    pub custom: Map<String, Value>,
}

impl AccessClaims {
    /// What the token says of its user; `None` for the token of a client.
    pub fn user(&self) -> Option<&UserClaims> {
        match &self.subject {
            Subject::User(user) => Some(user),
            Subject::Client => None,
        }
    }

    /// The roles of its user. Clients have none.
    pub fn roles(&self) -> &[Role] {
        self.user().map_or(&[], |user| &user.roles)
    }

    /// `sub`
    pub fn subject(&self) -> String {
        self.user().map_or_else(|| self.client_id.to_string(), |user| user.id.to_string())
    }

    /// The JSON text, the same bytes for the same claims.
    pub fn to_json(&self) -> String {
        Value::Object(self.members()).to_string()
    }

    /// The JSON text of a cookie, which says that it is one.
    pub fn to_cookie_json(&self) -> String {
        let mut claims = self.members();
        claims.insert(TOKEN_USE.to_owned(), json!(COOKIE));
        Value::Object(claims).to_string()
    }

    fn members(&self) -> Map<String, Value> {
        let mut claims = Map::new();
        let mut put = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        put("iss", json!(self.issuer));
        put("aud", audience_value(&self.audience));
        put("sub", json!(self.subject()));
        put("client_id", json!(self.client_id.as_str()));
        put("iat", json!(self.issued_at.seconds()));
        put("exp", json!(self.expires_at.seconds()));
        put("jti", json!(self.token_id.to_string()));
        if let Some(user) = self.user() {
            put("sid", json!(user.session_id.to_string()));
            put("auth_time", json!(user.auth_time.seconds()));
            put("amr", json!(user.amr));
        }
        if !self.scopes.is_empty() {
            put("scope", json!(self.scopes.to_string()));
        }
        if let Some(user) = self.user() {
            user.put_profile(&mut put);
        }
        put("ver", json!(self.user_version));
        put("cver", json!(self.client_version));
        for (name, value) in &self.custom {
            claims.entry(name).or_insert_with(|| value.clone());
        }
        claims
    }

    /// Reads claims whose signature has been checked. Claims that we never
    /// write are ignored, but for those that change what the token means:
    /// `cnf`, `token_use`, `act` and `may_act`, and an `nbf` later than `iat`
    /// (we never issue a token before it may be used).
    pub fn parse(payload: &[u8]) -> Result<Self, InvalidJson> {
        let object = StrictObject::parse(payload)?;
        if FOREIGN.iter().any(|name| object.contains(name)) {
            return Err(InvalidJson);
        }
        Self::from_object(&object)
    }

    /// Reads the claims of a cookie, which are a user's, and whose signature
    /// has been checked.
    pub fn parse_cookie(payload: &[u8]) -> Result<Self, InvalidJson> {
        let object = StrictObject::parse(payload)?;
        let mut foreign = FOREIGN.iter().filter(|name| **name != TOKEN_USE);
        if foreign.any(|name| object.contains(name)) || object.string(TOKEN_USE)? != COOKIE {
            return Err(InvalidJson);
        }
        let claims = Self::from_object(&object)?;
        if claims.user().is_some() { Ok(claims) } else { Err(InvalidJson) }
    }

    fn from_object(object: &StrictObject) -> Result<Self, InvalidJson> {
        let issued_at = numeric_date(object, "iat")?;
        let expires_at = numeric_date(object, "exp")?;
        if expires_at <= issued_at {
            return Err(InvalidJson);
        }
        if object.contains("nbf") && numeric_date(object, "nbf")? > issued_at {
            return Err(InvalidJson);
        }
        let client_id = parse_one(object.string("client_id")?, ClientId::parse)?;
        Ok(Self {
            issuer: object.string("iss")?.to_owned(),
            audience: parse_each(&object.string_or_strings("aud")?, Audience::parse)?,
            subject: Subject::from_object(object, &client_id)?,
            client_id,
            issued_at,
            expires_at,
            token_id: parse_one(object.string("jti")?, TokenId::parse)?,
            scopes: parse_one(object.optional_string("scope")?.unwrap_or_default(), Scopes::parse)?,
            user_version: version(object, "ver")?,
            client_version: version(object, "cver")?,
            custom: Map::new(),
        })
    }
}

impl Subject {
    /// Whose id is a UUID is a user, whatever else the token says.
    fn from_object(object: &StrictObject, client_id: &ClientId) -> Result<Self, InvalidJson> {
        let subject = object.string("sub")?;
        if let Ok(id) = UserId::parse(subject) {
            return UserClaims::from_object(object, id).map(Self::User);
        }
        let is_client = subject == client_id.as_str() && !client_id.is_uuid();
        if is_client && !OF_USERS.iter().any(|name| object.contains(name)) {
            Ok(Self::Client)
        } else {
            Err(InvalidJson)
        }
    }
}

impl UserClaims {
    /// What stands behind the scopes.
    fn put_profile(&self, put: &mut impl FnMut(&str, Value) -> Option<Value>) {
        if !self.roles.is_empty() {
            put("roles", self.roles.iter().map(Role::as_str).collect());
        }
        if let Some(name) = &self.name {
            put("name", json!(name));
        }
        if let Some(email) = &self.email {
            put("email", json!(email));
        }
    }

    fn from_object(object: &StrictObject, id: UserId) -> Result<Self, InvalidJson> {
        Ok(Self {
            id,
            session_id: parse_one(object.string("sid")?, SessionId::parse)?,
            auth_time: numeric_date(object, "auth_time")?,
            amr: object.strings("amr")?,
            roles: parse_each(&object.strings("roles")?, Role::parse)?,
            name: object.optional_string("name")?.map(str::to_owned),
            email: object.optional_string("email")?.map(str::to_owned),
        })
    }
}

/// The claims of a refresh token. `aud` is the issuer itself: no resource
/// server can be meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshClaims {
    /// `iss`, and `aud` too.
    pub issuer: String,
    /// `sub`
    pub subject: UserId,
    /// `client_id`
    pub client_id: ClientId,
    /// `iat`
    pub issued_at: Timestamp,
    /// `exp`: the end of the session.
    pub expires_at: Timestamp,
    /// `jti`
    pub token_id: TokenId,
    /// `sid`
    pub session_id: SessionId,
    /// `gen`: which token of its session this is, counted from 1.
    pub generation: i64,
    /// `ver`: the session's user version. A change of the password moves its
    /// session to a newer one, and leaves older refresh tokens behind.
    pub user_version: i64,
}

impl RefreshClaims {
    /// The JSON text, the same bytes for the same claims. `type` says the
    /// same as `token_use`, for verifiers that look there.
    pub fn to_json(&self) -> String {
        json!({
            "iss": self.issuer,
            "aud": self.issuer,
            "sub": self.subject.to_string(),
            "client_id": self.client_id.as_str(),
            "iat": self.issued_at.seconds(),
            "exp": self.expires_at.seconds(),
            "jti": self.token_id.to_string(),
            "sid": self.session_id.to_string(),
            "token_use": "refresh",
            "type": "refresh",
            "gen": self.generation,
            "ver": self.user_version,
        })
        .to_string()
    }

    /// Reads claims whose signature has been checked.
    pub fn parse(payload: &[u8]) -> Result<Self, InvalidJson> {
        let object = StrictObject::parse(payload)?;
        let issuer = object.string("iss")?;
        let is_refresh = |name| object.string(name).map(|kind| kind == "refresh");
        if object.string("aud")? != issuer || !is_refresh("token_use")? || !is_refresh("type")? {
            return Err(InvalidJson);
        }
        Ok(Self {
            issuer: issuer.to_owned(),
            subject: parse_one(object.string("sub")?, UserId::parse)?,
            client_id: parse_one(object.string("client_id")?, ClientId::parse)?,
            issued_at: numeric_date(&object, "iat")?,
            expires_at: numeric_date(&object, "exp")?,
            token_id: parse_one(object.string("jti")?, TokenId::parse)?,
            session_id: parse_one(object.string("sid")?, SessionId::parse)?,
            generation: object
                .integer("gen")
                .and_then(|n| if n >= 1 { Ok(n) } else { Err(InvalidJson) })?,
            user_version: version(&object, "ver")?,
        })
    }
}

fn audience_value(audience: &[Audience]) -> Value {
    match audience {
        [only] => json!(only.as_str()),
        several => several.iter().map(Audience::as_str).collect(),
    }
}

fn numeric_date(object: &StrictObject, name: &str) -> Result<Timestamp, InvalidJson> {
    match object.integer(name)? {
        seconds @ 1..=NUMERIC_DATE_MAX => Ok(Timestamp::from_seconds(seconds)),
        _ => Err(InvalidJson),
    }
}

fn version(object: &StrictObject, name: &str) -> Result<i64, InvalidJson> {
    object.integer(name).and_then(|n| if n >= 0 { Ok(n) } else { Err(InvalidJson) })
}

fn parse_one<T, E>(text: &str, parse: fn(&str) -> Result<T, E>) -> Result<T, InvalidJson> {
    parse(text).map_err(|_| InvalidJson)
}

fn parse_each<T, E>(
    texts: &[String],
    parse: fn(&str) -> Result<T, E>,
) -> Result<Vec<T>, InvalidJson> {
    texts.iter().map(|text| parse_one(text, parse)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_client() -> Map<String, Value> {
        let token = json!({
            "iss": "https://auth.example", "aud": "api", "sub": "worker", "client_id": "worker",
            "iat": 1_800_000_000, "exp": 1_800_000_900,
            "jti": "018f3a5e-7c1b-7d2e-8f3a-1b2c3d4e5f60", "scope": "read", "ver": 0, "cver": 1,
        });
        token.as_object().cloned().unwrap_or_default()
    }

    fn parse(claims: Map<String, Value>) -> Option<AccessClaims> {
        AccessClaims::parse(Value::Object(claims).to_string().as_bytes()).ok()
    }

    #[test]
    fn the_token_of_a_client_is_written_as_it_is_read() {
        let claims = parse(of_client()).expect("the token of a client");
        assert_eq!(claims.subject, Subject::Client);
        assert_eq!(claims.to_json(), Value::Object(of_client()).to_string());
    }

    #[test]
    fn a_cookie_is_no_access_token_and_the_other_way_round() {
        let mut claims = of_client();
        for (name, value) in [
            ("sub", json!("018f3a5e-7c1b-7d2e-8f3a-1b2c3d4e5f61")),
            ("sid", json!("018f3a5e-7c1b-7d2e-8f3a-1b2c3d4e5f62")),
            ("auth_time", json!(1_800_000_000)),
            ("amr", json!(["pwd"])),
        ] {
            claims.insert(name.to_owned(), value);
        }
        let access = parse(claims.clone()).expect("the token of a user");
        let parse_cookie = |json: &str| AccessClaims::parse_cookie(json.as_bytes());
        let cookie = access.to_cookie_json();
        assert_eq!(parse_cookie(&cookie).as_ref(), Ok(&access));
        assert_eq!(AccessClaims::parse(cookie.as_bytes()), Err(InvalidJson));
        assert_eq!(parse_cookie(&access.to_json()), Err(InvalidJson));
        let client = parse(of_client()).expect("the token of a client");
        assert_eq!(parse_cookie(&client.to_cookie_json()), Err(InvalidJson));
        for (name, value) in [("token_use", "refresh"), ("cnf", "x"), ("act", "x")] {
            let mut other = claims.clone();
            other.insert("token_use".to_owned(), json!("cookie"));
            other.insert(name.to_owned(), json!(value));
            assert_eq!(parse_cookie(&Value::Object(other).to_string()), Err(InvalidJson), "{name}");
        }
    }

    /// Neither can be made into the other by what is added or left out.
    #[test]
    fn ad_17_users_and_clients_are_not_mixed_up() {
        for (name, value) in [
            ("sid", json!("018f3a5e-7c1b-7d2e-8f3a-1b2c3d4e5f60")),
            ("auth_time", json!(1_800_000_000)),
            ("amr", json!([])),
            ("roles", json!([])),
            ("name", json!("")),
            ("email", Value::Null),
            ("sub", json!("other")),
            ("sub", json!("018f3a5e-7c1b-7d2e-8f3a-1b2c3d4e5f60")),
            ("sub", json!("")),
            ("client_id", json!("other")),
        ] {
            let mut claims = of_client();
            claims.insert(name.to_owned(), value);
            assert_eq!(parse(claims), None, "{name}");
        }
        let uuids = ["018f3a5e-7c1b-7d2e-8f3a-1b2c3d4e5f60", "018f3a5e7c1b7d2e8f3a1b2c3d4e5f60"];
        for id in uuids {
            let mut claims = of_client();
            for name in ["sub", "client_id"] {
                claims.insert(name.to_owned(), json!(id));
            }
            assert_eq!(parse(claims), None, "{id}");
        }
    }
}
