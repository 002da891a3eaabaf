//! Public keys that clients prove who they are with: a JWK Set (RFC 7517
//! section 5), read strictly. What is in it is public.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use super::json::{InvalidJson, StrictObject};

/// The longest text of a set, in bytes.
pub const KEYS_MAX_LEN: usize = 16_384;
/// The most keys in a set: one that signs, one to come, and some to spare.
pub const KEYS_MAX_COUNT: usize = 8;
/// The longest `kid`, in bytes.
const KID_MAX_LEN: usize = 128;
/// A modulus of 2048 to 4096 bits, in bytes.
const MODULUS_LEN: std::ops::RangeInclusive<usize> = 256..=512;
/// 65537, as every RSA key of today has it.
const EXPONENT: &str = "AQAB";
/// Bytes of a coordinate on P-256.
const COORDINATE_LEN: usize = 32;
/// Members that only a private or a symmetric key has (RFC 7518 section 6).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// A signature algorithm of assertions (RFC 7518 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Rs256, Self::Es256];

    /// The `alg` header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }
}

/// The numbers of a public key, big-endian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyNumbers {
    /// RSA with the exponent 65537.
    Rsa {
        /// The modulus.
        n: Vec<u8>,
    },
    /// A point of P-256.
    P256 {
        /// Its coordinates, of 32 bytes each.
        x: Vec<u8>,
        /// The other one.
        y: Vec<u8>,
    },
}

/// A public key of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientKey {
    /// The name by which assertions can choose it.
    pub kid: Option<String>,
    /// The key. Whether the numbers are one, cryptography says.
    pub numbers: KeyNumbers,
}

/// The public keys of a client; may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientKeys(Vec<ClientKey>);

/// Text that is not such a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be {0}")]
pub struct InvalidKeys(&'static str);

const NO_SET: InvalidKeys = InvalidKeys("a JWK Set of 1 to 8 public keys in at most 16384 bytes");
const NO_KEY: InvalidKeys = InvalidKeys(
    "a JWK Set whose keys are public ones for signatures, RSA (RS256, 2048 to 4096 bits, e = 65537) \
     or EC on P-256 (ES256), without private members and with distinct kids",
);

impl ClientKeys {
    /// Reads a set. Members that mean nothing to us are left out.
    pub fn parse(text: &str) -> Result<Self, InvalidKeys> {
        if text.len() > KEYS_MAX_LEN {
            return Err(NO_SET);
        }
        let set = StrictObject::parse(text.as_bytes()).map_err(|_| NO_SET)?;
        let keys = set.objects("keys").map_err(|_| NO_SET)?;
        if !(1..=KEYS_MAX_COUNT).contains(&keys.len()) {
            return Err(NO_SET);
        }
        let keys: Vec<_> = keys.iter().map(parse_key).collect::<Result<_, _>>()?;
        let mut kids: Vec<_> = keys.iter().filter_map(|key| key.kid.as_ref()).collect();
        kids.sort();
        let named = kids.len();
        kids.dedup();
        if kids.len() == named { Ok(Self(keys)) } else { Err(NO_KEY) }
    }

    /// The set as it is kept and shown: the same text for the same keys, and
    /// none where there are none.
    pub fn to_text(&self) -> String {
        if self.is_empty() {
            return String::new();
        }
        json!({ "keys": self.0.iter().map(ClientKey::to_json).collect::<Vec<_>>() }).to_string()
    }

    /// Each key.
    pub fn iter(&self) -> impl Iterator<Item = &ClientKey> {
        self.0.iter()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl ClientKey {
    /// The one algorithm that it is for.
    pub const fn algorithm(&self) -> Algorithm {
        match self.numbers {
            KeyNumbers::Rsa { .. } => Algorithm::Rs256,
            KeyNumbers::P256 { .. } => Algorithm::Es256,
        }
    }

    fn to_json(&self) -> Value {
        let mut jwk = Map::new();
        let mut put = |name: &str, value: &str| jwk.insert(name.to_owned(), json!(value));
        if let Some(kid) = &self.kid {
            put("kid", kid);
        }
        put("use", "sig");
        put("alg", self.algorithm().as_str());
        match &self.numbers {
            KeyNumbers::Rsa { n } => {
                put("kty", "RSA");
                put("n", &URL_SAFE_NO_PAD.encode(n));
                put("e", EXPONENT);
            }
            KeyNumbers::P256 { x, y } => {
                put("kty", "EC");
                put("crv", "P-256");
                put("x", &URL_SAFE_NO_PAD.encode(x));
                put("y", &URL_SAFE_NO_PAD.encode(y));
            }
        }
        Value::Object(jwk)
    }
}

fn parse_key(jwk: &StrictObject) -> Result<ClientKey, InvalidKeys> {
    let kid = jwk.optional_string("kid").map_err(|_| NO_KEY)?;
    if kid.is_some_and(|kid| !(1..=KID_MAX_LEN).contains(&kid.len())) {
        return Err(NO_KEY);
    }
    if PRIVATE.iter().any(|name| jwk.contains(name)) {
        return Err(NO_KEY);
    }
    let numbers = parse_numbers(jwk).map_err(|_| NO_KEY)?;
    let key = ClientKey { kid: kid.map(str::to_owned), numbers };
    let says = |name, expected: &str| match jwk.optional_string(name) {
        Ok(said) => said.is_none_or(|said| said == expected),
        Err(InvalidJson) => false,
    };
    if says("use", "sig") && says("alg", key.algorithm().as_str()) { Ok(key) } else { Err(NO_KEY) }
}

fn parse_numbers(jwk: &StrictObject) -> Result<KeyNumbers, InvalidJson> {
    let number = |name| URL_SAFE_NO_PAD.decode(jwk.string(name)?).map_err(|_| InvalidJson);
    match jwk.string("kty")? {
        "RSA" if jwk.string("e")? == EXPONENT => {
            let n = number("n")?;
            // The first bit is part of the length.
            let whole = n.first().is_some_and(|byte| *byte >= 0x80);
            if whole && MODULUS_LEN.contains(&n.len()) {
                Ok(KeyNumbers::Rsa { n })
            } else {
                Err(InvalidJson)
            }
        }
        "EC" if jwk.string("crv")? == "P-256" => {
            let (x, y) = (number("x")?, number("y")?);
            if x.len() == COORDINATE_LEN && y.len() == COORDINATE_LEN {
                Ok(KeyNumbers::P256 { x, y })
            } else {
                Err(InvalidJson)
            }
        }
        _ => Err(InvalidJson),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
    const Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";

    fn rsa(bytes: usize, first: u8) -> Value {
        let mut n = vec![0xff; bytes];
        n[0] = first;
        json!({ "kty": "RSA", "n": URL_SAFE_NO_PAD.encode(n), "e": "AQAB" })
    }

    fn ec() -> Value {
        json!({ "kty": "EC", "crv": "P-256", "x": X, "y": Y })
    }

    fn parse(keys: &[Value]) -> Result<ClientKeys, InvalidKeys> {
        ClientKeys::parse(&json!({ "keys": keys }).to_string())
    }

    fn with(mut jwk: Value, name: &str, value: Value) -> Value {
        jwk[name] = value;
        jwk
    }

    #[test]
    fn sets_are_kept_in_one_form() {
        let set = parse(&[
            with(with(rsa(256, 0x80), "kid", json!("one")), "x5t", json!("left out")),
            with(ec(), "use", json!("sig")),
        ]);
        let set = set.expect("two keys");
        let text = set.to_text();
        assert!(!text.contains("x5t") && text.contains(r#""alg":"ES256""#), "{text}");
        assert_eq!(ClientKeys::parse(&text), Ok(set));
    }

    #[test]
    fn sizes_and_counts_have_edges() {
        for (bytes, first, fits) in [
            (256, 0x80, true),
            (256, 0x7f, false),
            (255, 0xff, false),
            (512, 0xff, true),
            (513, 0x80, false),
        ] {
            assert_eq!(parse(&[rsa(bytes, first)]).is_ok(), fits, "{bytes} {first}");
        }
        let many = |count| parse(&vec![ec(); count]);
        assert_eq!(many(0), Err(NO_SET));
        assert!(many(8).is_ok());
        assert_eq!(many(9), Err(NO_SET));
        let long = |len: usize| {
            let set = json!({ "keys": [ec()] }).to_string();
            ClientKeys::parse(&format!("{set}{}", " ".repeat(len - set.len())))
        };
        assert!(long(KEYS_MAX_LEN).is_ok());
        assert_eq!(long(KEYS_MAX_LEN + 1), Err(NO_SET));
    }

    #[test]
    fn va_05_only_public_keys_for_our_algorithms_are_taken() {
        for bad in [
            with(rsa(256, 0x80), "d", json!("AA")),
            with(ec(), "d", json!("AA")),
            with(rsa(256, 0x80), "e", json!("Aw")),
            with(rsa(256, 0x80), "alg", json!("PS256")),
            with(rsa(256, 0x80), "alg", json!("HS256")),
            with(ec(), "alg", json!("RS256")),
            with(ec(), "use", json!("enc")),
            with(ec(), "use", json!(1)),
            with(ec(), "crv", json!("P-384")),
            with(ec(), "x", json!("AA")),
            with(ec(), "kid", json!("")),
            with(ec(), "kid", json!("k".repeat(129))),
            with(ec(), "kty", json!("OKP")),
            json!({ "kty": "oct", "k": "AAAA" }),
            json!("text"),
        ] {
            assert!(parse(std::slice::from_ref(&bad)).is_err(), "{bad}");
        }
        let twins = [with(ec(), "kid", json!("a")), with(rsa(256, 0x80), "kid", json!("a"))];
        assert_eq!(parse(&twins), Err(NO_KEY));
        for bad in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[],"keys":[]}"#] {
            assert_eq!(ClientKeys::parse(bad), Err(NO_SET), "{bad}");
        }
    }
}
