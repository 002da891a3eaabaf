//! For any input at all: the parsers do not panic, and what they accept is
//! what we would have written.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use proptest::prelude::*;
use tokenward::domain::{
    claims::{AccessClaims, RefreshClaims},
    json::StrictObject,
    token::{CompactToken, signing_input},
};

use super::forge::Members;

const HEADER: &str = r#"{"alg":"RS256","typ":"at+jwt","kid":"k-1"}"#;

/// Text from nearly a token to nothing like one.
fn token_like() -> impl Strategy<Value = String> {
    let header = prop_oneof![
        4 => Just(HEADER.to_owned()),
        1 => r#"\{"alg":"[A-Z0-9]{1,6}","typ":"(at\+jwt|JWT|rt\+jwt|x)","kid":"[A-Za-z0-9_-]{0,66}"\}"#,
        1 => ".{0,40}",
    ];
    let segment = || {
        prop_oneof![
            4 => prop::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| URL_SAFE_NO_PAD.encode(bytes)),
            1 => "[A-Za-z0-9_+/=. -]{0,40}",
            1 => ".{0,20}",
        ]
    };
    let whole = (header, segment(), segment(), 0..3_usize).prop_map(
        |(header, payload, signature, dots)| {
            format!(
                "{}.{payload}.{signature}{}",
                URL_SAFE_NO_PAD.encode(header),
                ".".repeat(dots / 2)
            )
        },
    );
    prop_oneof![8 => whole, 1 => any::<String>()]
}

/// JSON text of small objects in which names and values repeat often.
fn json_like() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_map(|n| format!("{n:e}")),
        "[a-c\u{e9}]{0,3}".prop_map(|text| format!("\"{text}\"")),
        Just(r#""\u0061""#.to_owned()),
    ];
    let value = leaf.prop_recursive(4, 24, 4, |inner| {
        let members = prop::collection::vec((name(), inner.clone()), 0..4);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            members.prop_map(|members| object(&members)),
        ]
    });
    prop::collection::vec((name(), value), 0..5).prop_map(|members| object(&members))
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-d]", Just(r"\u0061".to_owned()), Just("sub".to_owned())]
}

fn object(members: &[(String, String)]) -> String {
    let members: Vec<_> =
        members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

/// A second opinion: does any object, at any depth, have a name twice? Reads
/// text that [`json_like`] made, in which no string holds a bracket.
fn has_duplicate(text: &str) -> bool {
    let text = text.replace(r"\u0061", "a");
    let mut open: Vec<Vec<&str>> = Vec::new();
    let mut rest = text.as_str();
    while let Some(c) = rest.chars().next() {
        match c {
            '{' | '[' => open.push(Vec::new()),
            '}' | ']' => drop(open.pop()),
            '"' => {
                let end = rest[1..].find('"').expect("closed") + 1;
                let text = &rest[1..end];
                rest = &rest[end..];
                if rest[1..].starts_with(':') {
                    let names = open.last_mut().expect("an object");
                    if names.contains(&text) {
                        return true;
                    }
                    names.push(text);
                }
            }
            _ => {}
        }
        rest = &rest[rest.chars().next().map_or(0, char::len_utf8)..];
    }
    false
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// An accepted token is, byte for byte, what its parts give.
    #[test]
    fn compact_tokens_are_canonical(text in token_like()) {
        if let Ok(token) = CompactToken::parse(&text) {
            let payload = String::from_utf8_lossy(token.payload()).into_owned();
            if payload.as_bytes() == token.payload() {
                let input = signing_input(token.token_type, &token.kid, &payload);
                prop_assert_eq!(&input, token.signing_input);
            }
            let signature = URL_SAFE_NO_PAD.decode(token.signature).expect("canonical");
            prop_assert_eq!(URL_SAFE_NO_PAD.encode(signature), token.signature);
            prop_assert_eq!(format!("{}.{}", token.signing_input, token.signature), text);
        }
    }

    /// Any bytes: an object, or refused. And never claims.
    #[test]
    fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let lenient: Result<serde_json::Map<_, _>, _> = serde_json::from_slice(&bytes);
        prop_assert!(StrictObject::parse(&bytes).is_err() || lenient.is_ok());
        prop_assert!(AccessClaims::parse(&bytes).is_err());
        prop_assert!(RefreshClaims::parse(&bytes).is_err());
    }

    /// Strict reading is lenient reading minus duplicates.
    #[test]
    fn strict_objects_have_each_name_once(text in json_like()) {
        let lenient: Result<serde_json::Map<_, _>, _> = serde_json::from_str(&text);
        let strict = StrictObject::parse(text.as_bytes());
        prop_assert_eq!(strict.is_ok(), lenient.is_ok() && !has_duplicate(&text), "{}", text);
        if let (Ok(strict), Ok(lenient)) = (strict, lenient) {
            for (name, value) in &lenient {
                prop_assert!(strict.contains(name));
                prop_assert_eq!(strict.integer(name).ok(), value.as_i64());
                prop_assert_eq!(strict.string(name).ok(), value.as_str());
            }
        }
    }

    /// Claims that are accepted are written again as the same claims.
    #[test]
    fn accepted_claims_survive_writing(
        name in "(iss|aud|sub|client_id|iat|exp|jti|sid|auth_time|amr|scope|roles|name|email|ver|cver)",
        raw in prop_oneof!["-?[0-9]{1,20}", r#""[ -!#-\[\]-~]{0,40}""#, r#"\["[a-z]{0,3}"(,"[a-z]{0,3}")?\]"#],
    ) {
        let honest = r#"{"iss":"http://a","aud":"api","sub":"018f3a5e-7c1b-7d2e-8f3a-1b2c3d4e5f60","client_id":"web","iat":1800000000,"exp":1800000900,"jti":"018f3a5e-7c1b-7d2e-8f3a-1b2c3d4e5f61","sid":"018f3a5e-7c1b-7d2e-8f3a-1b2c3d4e5f62","auth_time":1800000000,"amr":["pwd"],"ver":1,"cver":0}"#;
        prop_assert!(AccessClaims::parse(honest.as_bytes()).is_ok());
        let text = Members::of(honest).set(&name, raw).text();
        if let Ok(claims) = AccessClaims::parse(text.as_bytes()) {
            let again = AccessClaims::parse(claims.to_json().as_bytes());
            prop_assert_eq!(again.ok(), Some(claims));
        }
    }
}
