//! How clients say who they are (RFC 6749 section 2.3, RFC 7523 section 2.2).

use axum::http::{HeaderMap, header};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use crate::{
    domain::{assertion::claimed_client, id::ClientId},
    http::form::{Form, decode},
    service::client_auth::{ClientCredentials, ClientProof},
};

use super::error::OauthError;

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What a request says of its client, in one way and no more. An empty secret is
/// none, as libraries send for clients that have none.
pub(super) fn of(headers: &HeaderMap, form: &mut Form) -> Result<ClientCredentials, OauthError> {
    let basic = basic(headers)?;
    let named = form.take("client_id");
    let secret = form.take_secret("client_secret");
    let assertion = assertion(form)?;
    let (client_id, proof) = match (basic, secret, assertion) {
        (Some((id, secret)), None, None) => {
            (same(named, id)?, Some(secret).filter(is_given).map(ClientProof::Secret))
        }
        (None, Some(secret), None) => (named, Some(ClientProof::Secret(secret))),
        (None, None, Some(text)) => {
            let claimed = || claimed_client(text.expose_secret()).as_ref().map(ClientId::to_string);
            (named.or_else(claimed), Some(ClientProof::Assertion(text)))
        }
        (None, None, None) => (named, None),
        _ => return Err(OauthError::invalid_request("a client must authenticate in one way only")),
    };
    let client_id = client_id.ok_or_else(OauthError::invalid_client)?;
    Ok(ClientCredentials { client_id, proof })
}

/// The id and the secret of the `authorization` header. Both were encoded as
/// in a form; those who forget it lose nothing, since ours stay what they are.
fn basic(headers: &HeaderMap) -> Result<Option<(String, SecretString)>, OauthError> {
    let mut entries = headers.get_all(header::AUTHORIZATION).iter();
    let Some(entry) = entries.next() else { return Ok(None) };
    if entries.next().is_some() {
        return Err(OauthError::invalid_request("authorization must not be there more than once"));
    }
    let read = || {
        let (scheme, encoded) = entry.to_str().ok()?.split_once(' ')?;
        let is_basic = scheme.eq_ignore_ascii_case("basic");
        let bytes = Zeroizing::new(STANDARD.decode(encoded).ok().filter(|_| is_basic)?);
        let (id, secret) = std::str::from_utf8(&bytes).ok()?.split_once(':')?;
        Some((decode(id)?, SecretString::from(decode(secret)?)))
    };
    read().map(Some).ok_or_else(OauthError::invalid_client)
}

fn assertion(form: &mut Form) -> Result<Option<SecretString>, OauthError> {
    let text = form.take_secret("client_assertion");
    match form.take("client_assertion_type").as_deref() {
        Some(JWT_BEARER) if text.is_some() => Ok(text),
        None if text.is_none() => Ok(None),
        Some(other) if other != JWT_BEARER => Err(OauthError::invalid_client()),
        _ => Err(OauthError::invalid_request(
            "client_assertion and client_assertion_type must come together",
        )),
    }
}

/// The client of the header, which the form must not call by another name.
fn same(named: Option<String>, id: String) -> Result<Option<String>, OauthError> {
    if named.is_none_or(|named| named == id) {
        Ok(Some(id).filter(|id| !id.is_empty()))
    } else {
        Err(OauthError::invalid_request("client_id must be that of the authorization header"))
    }
}

fn is_given(secret: &SecretString) -> bool {
    !secret.expose_secret().is_empty()
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderValue, StatusCode, header::AUTHORIZATION};
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    const BEARER: &str = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";

    fn basic_of(pair: &str) -> String {
        format!("Basic {}", STANDARD.encode(pair))
    }

    fn read(headers: &[&str], form: &str) -> Result<(String, String), StatusCode> {
        let header = |text: &&str| (AUTHORIZATION, HeaderValue::from_str(text).expect("a value"));
        let mut all = HeaderMap::new();
        headers.iter().map(header).for_each(|(name, value)| _ = all.append(name, value));
        let mut form = Form::parse(form).unwrap_or_else(|_| panic!("{form}"));
        let credentials = of(&all, &mut form).map_err(|error| error.status())?;
        let proof = match credentials.proof {
            None => "none".to_owned(),
            Some(ClientProof::Secret(secret)) => format!("secret {}", secret.expose_secret()),
            Some(ClientProof::Assertion(text)) => format!("assertion {}", text.expose_secret()),
        };
        Ok((credentials.client_id, proof))
    }

    fn pair(client: &str, proof: &str) -> (String, String) {
        (client.to_owned(), proof.to_owned())
    }

    /// RFC 6749 section 2.3.1: both halves are encoded, by some libraries down to
    /// the last hyphen, and by others not at all.
    #[test]
    fn basic_credentials_are_read_encoded_or_not() {
        for text in ["web-1:tws_a-b", "web%2D1:tws%5Fa%2Db", "%77eb-1:%74ws_a-b"] {
            assert_eq!(read(&[&basic_of(text)], ""), Ok(pair("web-1", "secret tws_a-b")), "{text}");
        }
        let text = basic_of("web:a:b").replace("Basic", "bAsIc");
        assert_eq!(read(&[&text], "client_id=web"), Ok(pair("web", "secret a:b")));
        assert_eq!(read(&[&basic_of("web:")], ""), Ok(pair("web", "none")));
    }

    #[test]
    fn forms_carry_secrets_assertions_or_a_name_alone() {
        assert_eq!(read(&[], "client_id=web&client_secret=s"), Ok(pair("web", "secret s")));
        assert_eq!(read(&[], "client_id=web&client_secret="), Ok(pair("web", "none")));
        let claims = URL_SAFE_NO_PAD.encode(r#"{"sub":"worker"}"#);
        let by = format!("client_assertion_type={BEARER}&client_assertion=a.{claims}.c");
        let proof = format!("assertion a.{claims}.c");
        assert_eq!(read(&[], &by), Ok(pair("worker", &proof)));
        // Whose it really is, is found out when it is checked.
        assert_eq!(read(&[], &format!("{by}&client_id=web")), Ok(pair("web", &proof)));
    }

    /// RFC 6749 section 2.3: one way in each request.
    #[test]
    fn what_contradicts_itself_is_an_invalid_request() {
        let basic = basic_of("web:s");
        let assertion = format!("client_assertion_type={BEARER}&client_assertion=a.b.c");
        for (headers, form) in [
            (&[basic.as_str()][..], "client_secret=s"),
            (&[&basic], &assertion),
            (&[&basic], "client_id=other"),
            (&[&basic, &basic], ""),
            (&[], &format!("client_id=web&client_secret=s&{assertion}")),
            (&[], "client_id=web&client_assertion=a.b.c"),
            (&[], &format!("client_id=web&client_assertion_type={BEARER}")),
        ] {
            assert_eq!(read(headers, form), Err(StatusCode::BAD_REQUEST), "{headers:?} {form}");
        }
    }

    #[test]
    fn whoever_does_not_say_who_it_is_is_no_client() {
        let unknown = "client_assertion_type=urn:other&client_assertion=a.b.c&client_id=web";
        let nobody = format!("client_assertion_type={BEARER}&client_assertion=a.b.c");
        for (headers, form) in [
            (&[][..], ""),
            (&[], "client_secret=s"),
            (&[], "client_id="),
            (&[], unknown),
            (&[], &nobody),
            (&["Bearer a.b.c"], "client_id=web"),
            (&["Basic"], ""),
            (&["Basic  "], ""),
            (&["Basic !"], ""),
            (&["Basic d2ViOnM"], ""),
            (&[&basic_of("no colon")], ""),
            (&[&basic_of(":s")], ""),
            (&[&basic_of("web:%ff")], ""),
        ] {
            assert_eq!(read(headers, form), Err(StatusCode::UNAUTHORIZED), "{headers:?} {form}");
        }
    }
}
