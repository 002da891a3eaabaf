//! The id of a request, in logs and answers.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{HeaderMap, HeaderValue};

use crate::domain::entropy::Entropy;

/// Carries the id of a request, both ways.
pub const REQUEST_ID: &str = "x-request-id";
const REQUEST_ID_MAX_LEN: usize = 64;

/// Names requests whose callers did not: random for the process, then
/// counted. Ids need to be unique, not secret.
#[derive(Debug)]
pub struct RequestIds {
    process: u64,
    next: AtomicU64,
}

impl RequestIds {
    /// Names for this process.
    pub fn new(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 8];
        // Without randomness the ids of replicas can collide, nothing worse;
        // and nothing that matters will be signed anyway.
        let _ = entropy.fill(&mut bytes);
        Self { process: u64::from_be_bytes(bytes), next: AtomicU64::new(1) }
    }

    /// The caller's own id when it is 1 to 64 harmless characters (it goes
    /// into logs and answers), or else a new one.
    pub fn of(&self, headers: &HeaderMap) -> HeaderValue {
        match headers.get(REQUEST_ID) {
            Some(given) if is_harmless(given.as_bytes()) => given.clone(),
            _ => self.make(),
        }
    }

    fn make(&self) -> HeaderValue {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let id = format!("{:016x}-{number:x}", self.process);
        HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("unnamed"))
    }
}

fn is_harmless(id: &[u8]) -> bool {
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=REQUEST_ID_MAX_LEN).contains(&id.len()) && id.iter().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::entropy::Sevens;

    #[test]
    fn gt_27_only_harmless_request_ids_are_taken_over() {
        let ids = RequestIds::new(&Sevens);
        let of = |given: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_bytes(given.as_bytes()).expect("a value"));
            ids.of(&headers)
        };
        let longest = "x".repeat(64);
        for good in ["a", "A.b_c-9", &longest] {
            assert_eq!(of(good), good);
        }
        let made = ids.of(&HeaderMap::new());
        assert_eq!(made, "0707070707070707-1");
        for bad in ["", "a b", "a\tb", "a\"b", "ä", &"x".repeat(65)] {
            let id = of(bad);
            assert!(id != bad && is_harmless(id.as_bytes()), "{bad:?}");
        }
    }
}
