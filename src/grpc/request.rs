//! What a request says besides its message: its id, who sends it, and with
//! which credentials.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use axum::http::{Extensions, HeaderMap, HeaderValue};
use tonic::metadata::MetadataMap;

use crate::{
    domain::{entropy::Entropy, error::AuthError},
    service::Caller,
};

/// Carries the id of a request, both ways.
pub(super) const REQUEST_ID: &str = "x-request-id";
const REQUEST_ID_MAX_LEN: usize = 64;

/// Names requests whose callers did not: random for the process, then
/// counted. Ids need to be unique, not secret.
#[derive(Debug)]
pub(super) struct RequestIds {
    process: u64,
    next: AtomicU64,
}

impl RequestIds {
    pub(super) fn new(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 8];
        // Without randomness the ids of replicas can collide, nothing worse;
        // and nothing that matters will be signed anyway.
        let _ = entropy.fill(&mut bytes);
        Self { process: u64::from_be_bytes(bytes), next: AtomicU64::new(1) }
    }

    /// The caller's own id when it is 1 to 64 harmless characters (it goes
    /// into logs and answers), or else a new one.
    pub(super) fn of(&self, headers: &HeaderMap) -> HeaderValue {
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

/// What the edge has found out about a call.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    /// Where it comes from; `None` when the transport did not say.
    pub(super) source: Option<IpAddr>,
    /// Its id.
    pub(super) id: HeaderValue,
    /// When it is given up, by the clock's monotonic time.
    pub(super) deadline: Duration,
}

/// Who is at the other end.
pub(super) fn caller<T>(request: &tonic::Request<T>) -> Caller {
    let user_agent = request.metadata().get("user-agent").and_then(|agent| agent.to_str().ok());
    let arrival = request.extensions().get::<Arrival>();
    let id = arrival.and_then(|arrival| arrival.id.to_str().ok());
    Caller {
        ip: arrival.and_then(|arrival| arrival.source),
        user_agent: user_agent.unwrap_or_default().to_owned(),
        request_id: id.unwrap_or_default().to_owned(),
        deadline: arrival.map(|arrival| arrival.deadline),
    }
}

/// The peer of a request, whoever it speaks for, for counting what it takes. All of
/// which the transport did not say count as one.
pub(super) fn peer(extensions: &Extensions) -> IpAddr {
    extensions.get().map_or(Ipv4Addr::UNSPECIFIED.into(), SocketAddr::ip)
}

/// The caller's access token (RFC 6750 section 2.1): one `authorization` of
/// the form `Bearer`, one space, token. No credentials at all, or those of
/// another scheme, are `None`; more than one, or a malformed one, are an
/// invalid request (section 3.1), since any choice could be the wrong one.
pub(super) fn bearer(metadata: &MetadataMap) -> Result<Option<&str>, AuthError> {
    let malformed = || {
        let rule = "must be one entry: 'Bearer', one space, and the access token";
        AuthError::invalid("authorization", rule)
    };
    if metadata.contains_key("authorization-bin") {
        return Err(malformed());
    }
    let mut entries = metadata.get_all("authorization").iter();
    let Some(entry) = entries.next() else { return Ok(None) };
    if entries.next().is_some() {
        return Err(malformed());
    }
    let text = entry.to_str().map_err(|_| malformed())?;
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Ok(None);
    }
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic() && b != b',') {
        return Err(malformed());
    }
    Ok(Some(token))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::entropy::EntropyError;

    struct Sevens;

    impl Entropy for Sevens {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
            bytes.fill(7);
            Ok(())
        }
    }

    fn metadata(entries: &[(&'static str, &str)]) -> MetadataMap {
        let mut headers = HeaderMap::new();
        for (name, value) in entries {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
        }
        MetadataMap::from_headers(headers)
    }

    #[test]
    fn ve_16_the_scheme_is_case_insensitive_and_followed_by_one_space() {
        for good in ["Bearer a.b-c_d", "bearer a.b-c_d", "BEARER a.b-c_d"] {
            let metadata = metadata(&[("authorization", good)]);
            assert_eq!(bearer(&metadata).expect(good), Some("a.b-c_d"));
        }
        for bad in
            ["Bearer", "Bearer ", "Bearer  a", "Bearer a ", "Bearer a b", "Bearer a,b", "Bearer ä"]
        {
            let metadata = metadata(&[("authorization", bad)]);
            assert!(matches!(bearer(&metadata), Err(AuthError::InvalidArgument(_))), "{bad:?}");
        }
    }

    #[test]
    fn other_schemes_and_no_credentials_are_none() {
        assert_eq!(bearer(&metadata(&[])).expect("none"), None);
        for other in ["Basic dTpw", "", "a.b.c", "Bearera b"] {
            let metadata = metadata(&[("authorization", other)]);
            assert_eq!(bearer(&metadata).expect(other), None, "{other:?}");
        }
    }

    #[test]
    fn ve_27_ve_28_gt_25_ambiguous_credentials_are_refused() {
        let twice = [("authorization", "Bearer a"), ("authorization", "Bearer a")];
        let binary = [("authorization-bin", "QmVhcmVyIGE")];
        let both = [("authorization", "Bearer a"), ("authorization-bin", "QmVhcmVyIGE")];
        for entries in [&twice[..], &binary, &both] {
            let metadata = metadata(entries);
            assert!(matches!(bearer(&metadata), Err(AuthError::InvalidArgument(_))), "{entries:?}");
        }
    }

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
