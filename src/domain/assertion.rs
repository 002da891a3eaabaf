//! Assertions: what a client signs to prove who it is (RFC 7523 section 3),
//! read strictly.
//!
//! Other people's libraries write them, so the members of the header may stand
//! in any order; what they may be is fixed. The algorithm is never chosen by
//! the header: it has to name that of the registered key.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    client_keys::ClientKey,
    clock::Timestamp,
    id::ClientId,
    json::{InvalidJson, StrictObject},
    token::TOKEN_MAX_LEN,
};

/// The longest that an assertion may still live when it is presented.
pub const ASSERTION_LIFE_MAX: Duration = Duration::from_mins(5);
/// How far ahead of our clock its `iat` and `nbf` may be.
pub const ASSERTION_AHEAD_MAX: Duration = Duration::from_mins(1);
/// The longest `jti`, in bytes.
const JTI_MAX_LEN: usize = 256;

/// Text that is not a good assertion of the client; no more is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an assertion of this client")]
pub struct InvalidAssertion;

impl From<InvalidJson> for InvalidAssertion {
    fn from(_: InvalidJson) -> Self {
        Self
    }
}

/// An assertion taken apart, which says what it has to. Its signature has not
/// been checked.
#[derive(Clone, Debug)]
pub struct Assertion<'a> {
    /// `exp`
    pub expires_at: Timestamp,
    /// `jti`
    pub id: String,
    /// The signed octets, exactly as received.
    pub signing_input: &'a str,
    /// The signature.
    pub signature: Vec<u8>,
    algorithm: String,
    kid: Option<String>,
}

impl<'a> Assertion<'a> {
    /// Takes an assertion apart, and checks that it is one of `client` for
    /// `issuer` at `now`.
    pub fn parse(
        text: &'a str,
        client: &ClientId,
        issuer: &str,
        now: Timestamp,
    ) -> Result<Self, InvalidAssertion> {
        if text.len() > TOKEN_MAX_LEN {
            return Err(InvalidAssertion);
        }
        let (signing_input, signature) = text.rsplit_once('.').ok_or(InvalidAssertion)?;
        let (header, payload) = signing_input.split_once('.').ok_or(InvalidAssertion)?;
        let header = StrictObject::parse(&decode(header)?)?;
        check_header(&header)?;
        let claims = StrictObject::parse(&decode(payload)?)?;
        check_parties(&claims, client, issuer)?;
        Ok(Self {
            expires_at: check_times(&claims, now)?,
            id: check_jti(&claims)?,
            signing_input,
            signature: decode(signature)?,
            algorithm: header.string("alg")?.to_owned(),
            kid: header.optional_string("kid")?.map(str::to_owned),
        })
    }

    /// Can it have been signed by this key? By the algorithm, which is the
    /// key's, and by the key's name if the assertion gives one.
    pub fn may_be_by(&self, key: &ClientKey) -> bool {
        self.algorithm == key.algorithm().as_str() && (self.kid.is_none() || self.kid == key.kid)
    }
}

/// The client that a text says it is an assertion of: only to know whose keys
/// to check it with.
pub fn claimed_client(text: &str) -> Option<ClientId> {
    let payload = text.split('.').nth(1).filter(|_| text.len() <= TOKEN_MAX_LEN)?;
    let claims = StrictObject::parse(&decode(payload).ok()?).ok()?;
    ClientId::parse(claims.string("sub").ok()?).ok()
}

/// base64url without padding, in its one canonical spelling.
fn decode(segment: &str) -> Result<Vec<u8>, InvalidAssertion> {
    URL_SAFE_NO_PAD.decode(segment).map_err(|_| InvalidAssertion)
}

/// What is in no list is not understood: `crit`, `b64`, keys and links to keys.
fn check_header(header: &StrictObject) -> Result<(), InvalidAssertion> {
    let typ = header.optional_string("typ")?.unwrap_or("JWT");
    let known = header.names().all(|name| matches!(name, "alg" | "typ" | "kid"));
    // RFC 7519 section 5.1, and the draft that replaces RFC 7523.
    if known && matches!(typ, "JWT" | "client-authentication+jwt") {
        Ok(())
    } else {
        Err(InvalidAssertion)
    }
}

/// For nobody but us: one that others would take too, one of them could give us.
fn check_parties(
    claims: &StrictObject,
    client: &ClientId,
    issuer: &str,
) -> Result<(), InvalidAssertion> {
    let by_client =
        claims.string("iss")? == client.as_str() && claims.string("sub")? == client.as_str();
    if by_client && claims.string_or_strings("aud")? == [issuer] {
        Ok(())
    } else {
        Err(InvalidAssertion)
    }
}

fn check_times(claims: &StrictObject, now: Timestamp) -> Result<Timestamp, InvalidAssertion> {
    let expires_at = Timestamp::from_seconds(claims.integer("exp")?);
    if now >= expires_at || expires_at > now.plus(ASSERTION_LIFE_MAX) {
        return Err(InvalidAssertion);
    }
    for name in ["iat", "nbf"] {
        if claims.contains(name)
            && Timestamp::from_seconds(claims.integer(name)?) > now.plus(ASSERTION_AHEAD_MAX)
        {
            return Err(InvalidAssertion);
        }
    }
    Ok(expires_at)
}

fn check_jti(claims: &StrictObject) -> Result<String, InvalidAssertion> {
    let id = claims.string("jti")?;
    if (1..=JTI_MAX_LEN).contains(&id.len()) { Ok(id.to_owned()) } else { Err(InvalidAssertion) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::client_keys::ClientKeys;

    const NOW: i64 = 1_800_000_000;
    const ISSUER: &str = "https://auth.example";

    fn header() -> Value {
        json!({ "alg": "ES256", "typ": "JWT", "kid": "one" })
    }

    fn claims() -> Value {
        json!({ "iss": "worker", "sub": "worker", "aud": ISSUER, "exp": NOW + 60, "jti": "a" })
    }

    fn text(header: &Value, claims: &Value) -> String {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.AAAA", encode(header), encode(claims))
    }

    fn accepts(header: &Value, claims: &Value) -> bool {
        let client = ClientId::parse("worker").expect("an id");
        let now = Timestamp::from_seconds(NOW);
        Assertion::parse(&text(header, claims), &client, ISSUER, now).is_ok()
    }

    fn with(mut object: Value, name: &str, value: Value) -> Value {
        object[name] = value;
        object
    }

    fn without(mut object: Value, name: &str) -> Value {
        object.as_object_mut().and_then(|members| members.remove(name)).expect("a member");
        object
    }

    #[test]
    fn what_clients_write_is_read() {
        assert!(accepts(&header(), &claims()));
        assert!(accepts(&json!({ "alg": "RS256" }), &claims()));
        assert!(accepts(&with(header(), "typ", json!("client-authentication+jwt")), &claims()));
        assert!(accepts(&header(), &with(claims(), "aud", json!([ISSUER]))));
        assert!(accepts(&header(), &with(claims(), "anything", json!({ "else": 1 }))));
        for name in ["iat", "nbf"] {
            assert!(accepts(&header(), &with(claims(), name, json!(NOW + 60))), "{name}");
        }
    }

    #[test]
    fn whose_it_says_that_it_is_can_be_read_before_it_is_checked() {
        let name =
            |claims: &Value| claimed_client(&text(&header(), claims)).map(|id| id.to_string());
        assert_eq!(name(&claims()).as_deref(), Some("worker"));
        assert_eq!(name(&with(claims(), "sub", json!("no client"))), None);
        assert_eq!(name(&with(claims(), "sub", json!(1))), None);
        assert_eq!(name(&without(claims(), "sub")), None);
        let long = format!("{}{}", text(&header(), &claims()), "A".repeat(TOKEN_MAX_LEN));
        for bad in ["", ".", "a.b", "a.!.c", "a.bnVsbA.c", &long] {
            assert_eq!(claimed_client(bad), None, "{bad:.20}");
        }
    }

    /// The nearest neighbours of a good one.
    #[test]
    fn rf_01_what_is_not_exactly_for_us_is_refused() {
        for (name, value) in [
            ("iss", json!("other")),
            ("sub", json!("other")),
            ("aud", json!("https://auth.example/")),
            ("aud", json!([ISSUER, "https://other.example"])),
            ("aud", json!([])),
            ("exp", json!(NOW)),
            ("exp", json!(NOW + 301)),
            ("exp", json!(1_800_000_060.5)),
            ("exp", json!((NOW + 60).to_string())),
            ("exp", json!(i64::MAX)),
            ("iat", json!(NOW + 61)),
            ("nbf", json!(NOW + 61)),
            ("nbf", json!("soon")),
            ("jti", json!("")),
            ("jti", json!("x".repeat(257))),
            ("jti", json!(1)),
        ] {
            assert!(!accepts(&header(), &with(claims(), name, value.clone())), "{name} {value}");
        }
        for name in ["iss", "sub", "aud", "exp", "jti"] {
            assert!(!accepts(&header(), &without(claims(), name)), "without {name}");
        }
        assert!(accepts(&header(), &with(claims(), "exp", json!(NOW + 300))));
        assert!(accepts(&header(), &with(claims(), "exp", json!(NOW + 1))));
        assert!(accepts(&header(), &with(claims(), "jti", json!("x".repeat(256)))));
    }

    #[test]
    fn va_05_headers_that_say_more_are_refused() {
        for (name, value) in [
            ("crit", json!(["b64"])),
            ("b64", json!(false)),
            ("jwk", json!({ "kty": "oct" })),
            ("jku", json!("https://evil.example")),
            ("x5u", json!("https://evil.example")),
            ("typ", json!("at+jwt")),
            ("kid", json!(1)),
            ("alg", json!(1)),
        ] {
            assert!(!accepts(&with(header(), name, value.clone()), &claims()), "{name} {value}");
        }
        assert!(!accepts(&without(header(), "alg"), &claims()));
    }

    #[test]
    fn va_05_the_key_says_the_algorithm() {
        let key = r#"{"kty":"EC","crv":"P-256","kid":"one",
            "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
        let keys = ClientKeys::parse(&format!(r#"{{"keys":[{key}]}}"#)).expect("a key");
        let key = keys.iter().next().expect("one");
        let client = ClientId::parse("worker").expect("an id");
        let now = Timestamp::from_seconds(NOW);
        let by = |header: Value| {
            let text = text(&header, &claims());
            Assertion::parse(&text, &client, ISSUER, now).is_ok_and(|a| a.may_be_by(key))
        };
        assert!(by(header()));
        assert!(by(without(header(), "kid")));
        for other in ["none", "None", "", "HS256", "RS256", "ES384", "es256"] {
            assert!(!by(with(header(), "alg", json!(other))), "{other}");
        }
        assert!(!by(with(header(), "kid", json!("two"))));
    }
}
