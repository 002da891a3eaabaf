//! The compact form of our tokens (RFC 7515 section 3.1), written one way and
//! read only that way.
//!
//! The header is a fixed text around `typ` and `kid`: what we do not write we
//! do not read. So there is no algorithm to choose, no key to fetch, no
//! `crit` to overlook, and equal tokens are equal bytes for ever.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::id::KeyId;

/// The longest token that is looked at, in bytes, and the longest that is
/// minted.
pub const TOKEN_MAX_LEN: usize = 8192;

/// The `typ` header of access tokens, by configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AccessTokenType {
    /// `at+jwt`, as RFC 9068 section 2.1 wants it.
    AtJwt,
    /// `JWT`, for verifiers that know nothing else.
    Jwt,
}

/// What kind of token a header says that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenType {
    /// For resource servers.
    Access(AccessTokenType),
    /// For the Refresh call only.
    Refresh,
    /// For the browser that it was given to, and for nobody behind the gateway.
    Cookie,
}

impl TokenType {
    /// The `typ` header.
    pub const fn header_value(self) -> &'static str {
        match self {
            Self::Access(AccessTokenType::AtJwt) => "at+jwt",
            Self::Access(AccessTokenType::Jwt) => "JWT",
            Self::Refresh => "rt+jwt",
            Self::Cookie => "ck+jwt",
        }
    }

    fn from_header_value(text: &str) -> Option<Self> {
        match text {
            "at+jwt" => Some(Self::Access(AccessTokenType::AtJwt)),
            "JWT" => Some(Self::Access(AccessTokenType::Jwt)),
            "rt+jwt" => Some(Self::Refresh),
            "ck+jwt" => Some(Self::Cookie),
            _ => None,
        }
    }
}

const HEADER_START: &str = r#"{"alg":"RS256","typ":""#;
const HEADER_MIDDLE: &str = r#"","kid":""#;
const HEADER_END: &str = r#""}"#;

/// What is signed: encoded header and claims, joined by a dot.
pub fn signing_input(token_type: TokenType, kid: &KeyId, claims_json: &str) -> String {
    let typ = token_type.header_value();
    let header = format!("{HEADER_START}{typ}{HEADER_MIDDLE}{kid}{HEADER_END}");
    let header = URL_SAFE_NO_PAD.encode(header);
    format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims_json))
}

/// Text that is not a token of our form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a token of the expected form")]
pub struct Malformed;

/// A token taken apart. Its signature has not been checked.
#[derive(Clone, Debug)]
pub struct CompactToken<'a> {
    /// What its header says it is.
    pub token_type: TokenType,
    /// The key that its header names.
    pub kid: KeyId,
    /// The signed octets, exactly as received.
    pub signing_input: &'a str,
    /// The signature, in canonical base64url.
    pub signature: &'a str,
    payload: Vec<u8>,
}

impl<'a> CompactToken<'a> {
    /// Takes a token apart. Touches nothing but the text.
    pub fn parse(text: &'a str) -> Result<Self, Malformed> {
        if text.len() > TOKEN_MAX_LEN {
            return Err(Malformed);
        }
        let (signing_input, signature) = text.rsplit_once('.').ok_or(Malformed)?;
        let (header, payload) = signing_input.split_once('.').ok_or(Malformed)?;
        if payload.contains('.') {
            return Err(Malformed);
        }
        let (token_type, kid) = parse_header(&decode(header)?)?;
        let payload = decode(payload)?;
        decode(signature)?;
        Ok(Self { token_type, kid, signing_input, signature, payload })
    }

    /// The claims' bytes. To be believed only once the signature is checked.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }
}

/// base64url without padding, not empty, in its one canonical spelling.
fn decode(segment: &str) -> Result<Vec<u8>, Malformed> {
    if segment.is_empty() {
        return Err(Malformed);
    }
    URL_SAFE_NO_PAD.decode(segment).map_err(|_| Malformed)
}

fn parse_header(bytes: &[u8]) -> Result<(TokenType, KeyId), Malformed> {
    let text = std::str::from_utf8(bytes).map_err(|_| Malformed)?;
    let inner = text
        .strip_prefix(HEADER_START)
        .and_then(|rest| rest.strip_suffix(HEADER_END))
        .ok_or(Malformed)?;
    let (typ, kid) = inner.split_once(HEADER_MIDDLE).ok_or(Malformed)?;
    let token_type = TokenType::from_header_value(typ).ok_or(Malformed)?;
    Ok((token_type, KeyId::parse(kid).map_err(|_| Malformed)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kid() -> KeyId {
        KeyId::parse("k-1").expect("valid")
    }

    #[test]
    fn what_is_written_is_read_back() {
        for token_type in [
            TokenType::Access(AccessTokenType::AtJwt),
            TokenType::Access(AccessTokenType::Jwt),
            TokenType::Refresh,
            TokenType::Cookie,
        ] {
            let text = format!("{}.AAAA", signing_input(token_type, &kid(), "{}"));
            let token = CompactToken::parse(&text).expect("our own form");
            assert_eq!((token.token_type, token.kid), (token_type, kid()));
            assert_eq!(token.payload, b"{}");
            assert_eq!(token.signature, "AAAA");
        }
    }

    /// VE-24: the size limit is exact.
    #[test]
    fn ve_24_size_limit_is_exact() {
        let start = format!("{}.", signing_input(TokenType::Refresh, &kid(), "{}"));
        let of_len = |len: usize| format!("{start}{}", "A".repeat(len - start.len()));
        // A canonical segment cannot have every length: take the nearest ones.
        let fits = [8192, 8191].map(of_len).iter().any(|text| CompactToken::parse(text).is_ok());
        assert!(fits);
        for len in [8193, 8194, 8195, 8196] {
            assert!(CompactToken::parse(&of_len(len)).is_err(), "{len}");
        }
    }
}
