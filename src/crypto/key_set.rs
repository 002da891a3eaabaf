//! The public keys of a JWKS, for whoever checks signatures and makes none.

use std::collections::HashMap;

use aws_lc_rs::signature::ParsedPublicKey;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::provider::parse_public;
use crate::domain::{
    id::KeyId,
    json::{InvalidJson, StrictObject},
    token::CompactToken,
};

/// The longest text of a set, in bytes.
pub const JWKS_MAX_LEN: usize = 256 << 10;

/// Text that is not such a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a JWK Set of at most 256 KiB with RSA keys for RS256 under distinct key ids")]
pub struct InvalidKeySet;

/// Keys that are parsed once. Never empty.
#[derive(Debug)]
pub struct KeySet(HashMap<KeyId, ParsedPublicKey>);

impl KeySet {
    /// Reads a set (RFC 7517 section 5). Keys of another kind or for another
    /// use are left out, as that section wants it.
    pub fn parse(jwks: &str) -> Result<Self, InvalidKeySet> {
        if jwks.len() > JWKS_MAX_LEN {
            return Err(InvalidKeySet);
        }
        let set = StrictObject::parse(jwks.as_bytes()).map_err(|_| InvalidKeySet)?;
        let mut keys = HashMap::new();
        for jwk in set.objects("keys").map_err(|_| InvalidKeySet)? {
            if let Some((kid, key)) = parse_key(&jwk).ok().flatten()
                && keys.insert(kid, key).is_some()
            {
                return Err(InvalidKeySet);
            }
        }
        if keys.is_empty() { Err(InvalidKeySet) } else { Ok(Self(keys)) }
    }

    /// Is there a key of this name?
    pub fn contains(&self, kid: &KeyId) -> bool {
        self.0.contains_key(kid)
    }

    /// Is the token's signature that of the key which its header names?
    pub fn verifies(&self, token: &CompactToken<'_>) -> bool {
        let signature = URL_SAFE_NO_PAD.decode(token.signature);
        self.0.get(&token.kid).zip(signature.ok()).is_some_and(|(key, signature)| {
            key.verify_sig(token.signing_input.as_bytes(), &signature).is_ok()
        })
    }
}

fn parse_key(jwk: &StrictObject) -> Result<Option<(KeyId, ParsedPublicKey)>, InvalidJson> {
    let is = |name, expected| jwk.string(name).is_ok_and(|said| said == expected);
    if !is("kty", "RSA") || !is("use", "sig") || !is("alg", "RS256") {
        return Ok(None);
    }
    let kid = KeyId::parse(jwk.string("kid")?).map_err(|_| InvalidJson)?;
    let number = |name| URL_SAFE_NO_PAD.decode(jwk.string(name)?).map_err(|_| InvalidJson);
    let key = parse_public(&number("n")?, &number("e")?);
    Ok(key.map(|key| (kid, key)))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rsa::{KeyPair, KeySize};
    use aws_lc_rs::signature::KeyPair as _;

    use super::*;

    fn jwk(kid: &str) -> String {
        let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key");
        let n =
            URL_SAFE_NO_PAD.encode(pair.public_key().modulus().big_endian_without_leading_zero());
        format!(r#"{{"kty":"RSA","kid":"{kid}","use":"sig","alg":"RS256","n":"{n}","e":"AQAB"}}"#)
    }

    fn kids(keys: &[&str]) -> Result<Vec<String>, InvalidKeySet> {
        let set = KeySet::parse(&format!(r#"{{"keys":[{}]}}"#, keys.join(",")))?;
        let mut kids: Vec<_> = set.0.keys().map(ToString::to_string).collect();
        kids.sort();
        Ok(kids)
    }

    #[test]
    fn keys_that_are_not_for_us_are_left_out() {
        let (one, two) = (jwk("a"), jwk("b"));
        assert_eq!(kids(&[&one, &two]).expect("both"), ["a", "b"]);
        for other in [
            two.replace("RS256", "PS256"),
            two.replace("\"sig\"", "\"enc\""),
            two.replace("\"RSA\"", "\"EC\""),
            two.replace("AQAB", "*"),
            two.replace("\"e\"", "\"f\""),
            two.replace("AQAB", "AA"),
            two.replace("\"b\"", "\"../b\""),
            "{}".to_owned(),
        ] {
            assert_eq!(kids(&[&one, &other]).expect("one of them"), ["a"], "{other}");
        }
    }

    #[test]
    fn what_has_no_key_or_two_of_one_name_is_no_set() {
        let one = jwk("a");
        assert!(kids(&[]).is_err(), "no key");
        assert!(kids(&[&one, &one]).is_err(), "the same name twice");
        for text in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[1]}"#] {
            assert!(KeySet::parse(text).is_err(), "{text}");
        }
        let spaces = " ".repeat(JWKS_MAX_LEN);
        assert!(KeySet::parse(&format!(r#"{{"keys":[{one}]}}{spaces}"#)).is_err(), "too long");
    }
}
