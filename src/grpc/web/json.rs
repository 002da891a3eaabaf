//! Messages as canonical JSON, by their descriptors.
//!
//! Stricter than the specification where leniency would be dangerous: a field
//! that is misspelled, or given twice, is refused and not ignored. The one
//! that is left out by mistake may be what a token had to be good for.

use prost::Message as _;
use prost_reflect::{DynamicMessage, Kind, MessageDescriptor, SerializeOptions};
use serde_json::{Map, Value};

use crate::{
    domain::{error::AuthError, json::parse_object},
    grpc::codec::FIELDS_MAX,
};

/// A name that is longer is not repeated.
const NAME_MAX_LEN: usize = 64;

/// From JSON to protobuf.
pub(super) fn decode(json: &[u8], of: &MessageDescriptor) -> Result<Vec<u8>, AuthError> {
    let no_object = || refused("must be one JSON object, with no name twice");
    // Three bytes of an empty text become a hundred in memory. Of what has so
    // many commas, the codec would refuse the message.
    if json.split(|byte| *byte == b',').nth(FIELDS_MAX + 1).is_some() {
        return Err(no_object());
    }
    let object = parse_object(json).map_err(|_| no_object())?;
    check_names(&object, of)?;
    // What the parser says of values may repeat them, and a value may be a
    // password; so the field is found by trying each alone.
    read(&object, of).map(|message| message.encode_to_vec()).ok_or_else(|| {
        let unfit = |(name, value): &(&String, &Value)| {
            read(&Map::from_iter([((*name).clone(), (*value).clone())]), of).is_none()
        };
        match object.iter().find(unfit) {
            Some((name, _)) => refused(format!("has a value of another type in \"{name}\"")),
            None => refused("must not have two fields of a oneof"),
        }
    })
}

/// From protobuf to JSON, with every field that is not a message, even if it
/// is false, zero or empty: whoever reads `active` must find it.
pub(super) fn encode(protobuf: &[u8], of: &MessageDescriptor) -> Option<Vec<u8>> {
    let options = SerializeOptions::new().skip_default_fields(false);
    let message = DynamicMessage::decode(of.clone(), protobuf).ok()?;
    let mut serializer = serde_json::Serializer::new(Vec::new());
    message.serialize_with_options(&mut serializer, &options).ok()?;
    Some(serializer.into_inner())
}

fn read(object: &Map<String, Value>, of: &MessageDescriptor) -> Option<DynamicMessage> {
    DynamicMessage::deserialize(of.clone(), object).ok()
}

/// Every name is that of a field, in lowerCamelCase or as in the `.proto`
/// file, and no two are of the same.
fn check_names(object: &Map<String, Value>, of: &MessageDescriptor) -> Result<(), AuthError> {
    let mut seen = Vec::new();
    for (name, value) in object {
        let field = of.get_field_by_json_name(name).or_else(|| of.get_field_by_name(name));
        let field = field.ok_or_else(|| unknown(name, of))?;
        if seen.contains(&field.number()) {
            return Err(refused(format!("must not have \"{name}\" in two spellings")));
        }
        seen.push(field.number());
        if let Kind::Message(inner) = field.kind() {
            let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
            values.iter().filter_map(Value::as_object).try_for_each(|o| check_names(o, &inner))?;
        }
    }
    Ok(())
}

fn unknown(name: &str, of: &MessageDescriptor) -> AuthError {
    let plausible = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let repeated = name.len() <= NAME_MAX_LEN && name.bytes().all(plausible);
    let name = if repeated { name } else { "..." };
    refused(format!("has \"{name}\", which is no field of {}", of.name()))
}

fn refused(rule: impl Into<String>) -> AuthError {
    AuthError::invalid("request", rule)
}

#[cfg(test)]
mod tests {
    use prost_reflect::DescriptorPool;

    use super::*;
    use crate::grpc::pb::{
        FILE_DESCRIPTOR_SET,
        auth::{BatchVerifyRequest, RevokeRequest, VerifyRequest, revoke_request::Target},
    };

    fn message(name: &str) -> MessageDescriptor {
        let name = format!("tokenward.auth.v1.{name}");
        let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("complete");
        pool.get_message_by_name(&name).expect("described")
    }

    /// As bytes: messages may hold secrets and do not print.
    fn question(json: &str) -> Result<Vec<u8>, String> {
        decode(json.as_bytes(), &message("VerifyRequest")).map_err(|error| error.to_string())
    }

    #[test]
    fn names_have_two_spellings_and_numbers_too() {
        let expected = VerifyRequest {
            token: "a.b.c".to_owned(),
            required_audience: "api".to_owned(),
            required_scopes: vec!["read".to_owned()],
            min_revocation_seq: 9_007_199_254_740_993,
            max_staleness: Some(prost_types::Duration { seconds: 1, nanos: 500_000_000 }),
            ..VerifyRequest::default()
        };
        for json in [
            r#"{"token":"a.b.c","requiredAudience":"api","requiredScopes":["read"],
                "minRevocationSeq":"9007199254740993","maxStaleness":"1.5s","requiredRoles":null}"#,
            r#"{"token":"a.b.c","required_audience":"api","required_scopes":["read"],
                "min_revocation_seq":9007199254740993,"max_staleness":"1.500s"}"#,
        ] {
            assert_eq!(question(json), Ok(expected.encode_to_vec()), "{json}");
        }
        assert_eq!(question("{}"), Ok(Vec::new()));
    }

    /// What a token must be good for must not be lost on the way.
    #[test]
    fn a_field_that_is_misspelled_or_given_twice_is_refused() {
        for (json, says) in [
            (
                r#"{"requiredAudiance":"api"}"#,
                r#"has "requiredAudiance", which is no field of VerifyRequest"#,
            ),
            (
                r#"{"RequiredAudience":"api"}"#,
                r#"has "RequiredAudience", which is no field of VerifyRequest"#,
            ),
            ("{\"required\\nAudience\":\"\"}", r#"has "...", which is no field of VerifyRequest"#),
            (
                r#"{"requiredAudience":"api","required_audience":""}"#,
                r#"must not have "required_audience" in two spellings"#,
            ),
            (
                r#"{"requiredAudience":"api","requiredAudience":""}"#,
                "must be one JSON object, with no name twice",
            ),
        ] {
            assert_eq!(question(json), Err(format!("invalid argument: request {says}")), "{json}");
        }
        let batch = message("BatchVerifyRequest");
        let nested = br#"{"requests":[{"token":"a"},{"token":"b","requiredRole":["x"]}]}"#;
        let error = decode(nested, &batch).expect_err("misspelled");
        assert!(
            error.to_string().contains("\"requiredRole\", which is no field of VerifyRequest"),
            "{error}"
        );
    }

    /// P8: what is wrong with a value is told without the value.
    #[test]
    fn p8_values_of_another_type_are_not_repeated() {
        let login = message("LoginRequest");
        for json in [
            r#"{"identifier":"alice","password":48151623}"#,
            r#"{"identifier":"alice","password":["48151623"]}"#,
            r#"{"identifier":"alice","password":{"x":"48151623"}}"#,
        ] {
            let error = decode(json.as_bytes(), &login).expect_err(json).to_string();
            assert_eq!(
                error,
                "invalid argument: request has a value of another type in \"password\""
            );
        }
        for json in
            ["", "null", "[]", "\"48151623\"", "{} {}", "{\"password\":\"4815", "\u{feff}{}"]
        {
            let error = decode(json.as_bytes(), &login).expect_err(json).to_string();
            assert!(error.ends_with("must be one JSON object, with no name twice"), "{error}");
        }
        for json in [r#"{"minRevocationSeq":1.5}"#, r#"{"minRevocationSeq":"1e9"}"#] {
            assert!(question(json).is_err(), "{json}");
        }
        for json in [r#"{"maxStaleness":1}"#, r#"{"maxStaleness":"1"}"#] {
            assert!(question(json).is_err(), "{json}");
        }
    }

    #[test]
    fn of_a_oneof_there_is_one() {
        let revoke = message("RevokeRequest");
        let one = decode(br#"{"sessionId":"s","token":null}"#, &revoke).expect("one of them");
        let one = RevokeRequest::decode(one.as_slice()).expect("what was encoded");
        assert!(one.target == Some(Target::SessionId("s".to_owned())));
        let error = decode(br#"{"sessionId":"s","token":"t"}"#, &revoke).expect_err("two");
        assert!(error.to_string().contains("must not have two fields of a oneof"), "{error}");
    }

    /// GT-12, in JSON: depth and number are bounded before anything is made.
    #[test]
    fn gt_12_bombs_are_refused() {
        let (open, close) = ("[".repeat(100_000), "]".repeat(100_000));
        let deep = format!(r#"{{"requests":{open}{close}}}"#);
        let wide = format!(r#"{{"requiredScopes":["",{}""]}}"#, r#""","#.repeat(FIELDS_MAX));
        let batch = message("BatchVerifyRequest");
        assert!(decode(deep.as_bytes(), &batch).is_err());
        assert!(question(&wide).is_err());
        let full = BatchVerifyRequest {
            requests: vec![
                VerifyRequest {
                    required_scopes: vec!["s".to_owned(); 64],
                    required_roles: vec!["r".to_owned(); 64],
                    ..VerifyRequest::default()
                };
                100
            ],
        };
        let json = encode(&full.encode_to_vec(), &batch).expect("JSON");
        assert_eq!(decode(&json, &batch).expect("the largest batch"), full.encode_to_vec());
    }

    #[test]
    fn what_is_false_zero_or_empty_is_written() {
        let json = encode(&[], &message("VerifyResponse")).expect("JSON");
        let expected =
            r#"{"active":false,"reason":"INACTIVE_REASON_UNSPECIFIED","revocationSeq":"0"}"#;
        assert_eq!(String::from_utf8(json).expect("UTF-8"), expected);
    }
}
