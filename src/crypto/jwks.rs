//! JWK Set documents, made when keys are loaded and not when they are asked
//! for: between two loads they change only at instants that are known.

use std::sync::Arc;

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{port::JwksDocument, public_key::PublicKey};
use crate::domain::clock::Timestamp;

/// Every document that the set of keys will ever be, with the instant from
/// which it is the right one, latest first.
#[derive(Debug)]
pub(super) struct JwksTimeline {
    first: Arc<JwksDocument>,
    later: Vec<(Timestamp, Arc<JwksDocument>)>,
}

impl JwksTimeline {
    /// What `shown` says, which may say something else only at `changes`. The
    /// keys stand in the given order.
    pub(super) fn new<'a>(
        mut changes: Vec<Timestamp>,
        shown: impl Fn(Timestamp) -> Vec<&'a PublicKey>,
    ) -> Self {
        changes.sort_unstable();
        changes.dedup();
        let later = changes.iter().rev().map(|from| (*from, document(&shown(*from)))).collect();
        Self { first: document(&shown(Timestamp::from_micros(i64::MIN))), later }
    }

    /// The document of an instant.
    pub(super) fn at(&self, now: Timestamp) -> Arc<JwksDocument> {
        let current = self.later.iter().find(|(from, _)| *from <= now);
        Arc::clone(current.map_or(&self.first, |(_, document)| document))
    }
}

fn document(keys: &[&PublicKey]) -> Arc<JwksDocument> {
    let keys: Vec<_> = keys.iter().map(|key| key.jwk()).collect();
    let json = format!(r#"{{"keys":[{}]}}"#, keys.join(","));
    let hash = digest::digest(&digest::SHA256, json.as_bytes());
    let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(hash));
    Arc::new(JwksDocument { json: json.into(), etag })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(first: u8) -> PublicKey {
        let mut n = vec![first; 256];
        n[255] = 1;
        PublicKey::new(n, vec![1, 0, 1]).expect("a key")
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    /// VT-01: a key is shown up to its last instant, and the document changes
    /// at no other.
    #[test]
    fn vt_01_keys_leave_at_their_instants() {
        let keys = [key(0xa1), key(0xb1), key(0xc1)];
        let timeline = JwksTimeline::new(vec![at(200), at(100), at(200)], |now| {
            let ends = [i64::MAX, 200, 100].map(Timestamp::from_seconds);
            let lives = keys.iter().zip(ends).filter(|(_, end)| now < *end);
            lives.map(|(key, _)| key).collect()
        });
        let json = |shown: &[&PublicKey]| {
            let jwks: Vec<_> = shown.iter().map(|key| key.jwk()).collect();
            format!(r#"{{"keys":[{}]}}"#, jwks.join(","))
        };
        for (seconds, shown) in [
            (i64::MIN, &[&keys[0], &keys[1], &keys[2]][..]),
            (99, &[&keys[0], &keys[1], &keys[2]]),
            (100, &[&keys[0], &keys[1]]),
            (199, &[&keys[0], &keys[1]]),
            (200, &[&keys[0]]),
            (i64::MAX / 2_000_000, &[&keys[0]]),
        ] {
            assert_eq!(timeline.at(at(seconds)).json, json(shown), "at {seconds}");
        }
        assert!(Arc::ptr_eq(&timeline.at(at(100)), &timeline.at(at(199))), "made once");
    }

    #[test]
    fn the_entity_tag_is_strong_and_follows_the_bytes() {
        let of = |key: &PublicKey| document(&[key]).etag.clone();
        let tag = of(&key(0xa1));
        assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() == 45, "{tag}");
        assert_eq!(tag, of(&key(0xa1)));
        assert_ne!(tag, of(&key(0xb1)));
    }
}
