//! What the server tells of its revocation log, as values.

use std::time::Duration;

use uuid::Uuid;

use crate::{
    domain::{
        clock::Timestamp,
        error::Fault,
        id::{ClientId, KeyId, SessionId, UserId},
        revocation::{Reason, Revocation, Target},
    },
    grpc::pb::auth::{RevocationEntry, WatchRevocationsResponse, revocation_entry::Target as Told},
};

/// One message of a watch.
#[derive(Debug)]
pub(super) struct Update {
    pub(super) epoch: Uuid,
    pub(super) seq: i64,
    pub(super) entries: Vec<Revocation>,
    pub(super) complete: bool,
    pub(super) staleness: Duration,
    pub(super) max_access_lifetime: Duration,
}

/// What is not understood may kill tokens: it is no update, and what is known
/// grows old.
impl TryFrom<WatchRevocationsResponse> for Update {
    type Error = Fault;

    fn try_from(told: WatchRevocationsResponse) -> Result<Self, Fault> {
        Ok(Self {
            epoch: Uuid::try_parse(&told.epoch).map_err(|_| odd("epoch"))?,
            seq: told.seq,
            entries: told.revocations.into_iter().map(revocation).collect::<Result<_, _>>()?,
            complete: told.complete,
            staleness: span(told.staleness).ok_or_else(|| odd("staleness"))?,
            max_access_lifetime: span(told.max_access_lifetime)
                .ok_or_else(|| odd("max_access_lifetime"))?,
        })
    }
}

/// What the wire does not tell, the index does not ask.
fn revocation(entry: RevocationEntry) -> Result<Revocation, Fault> {
    let target = entry.target.and_then(target).ok_or_else(|| odd("target"))?;
    Ok(Revocation {
        seq: entry.seq,
        id: Uuid::nil(),
        target,
        expires_at: entry.expire_time.map(timestamp),
        at: entry.revoke_time.map(timestamp).ok_or_else(|| odd("revoke_time"))?,
        reason: Reason::from_text(&entry.reason),
        actor: String::new(),
    })
}

fn target(told: Told) -> Option<Target> {
    Some(match told {
        Told::SessionId(id) => Target::Session(SessionId::parse(&id).ok()?),
        Told::User(floor) => {
            let id = UserId::parse(&floor.id).ok()?;
            Target::User { id, min_version: floor.min_version }
        }
        Told::Client(floor) => {
            let id = ClientId::parse(&floor.id).ok()?;
            Target::Client { id, min_version: floor.min_version }
        }
        Told::KeyId(kid) => Target::Key(KeyId::parse(&kid).ok()?),
        Told::AllBelowVersion(min_version) => Target::All { min_version },
    })
}

fn timestamp(told: prost_types::Timestamp) -> Timestamp {
    let micros = told.seconds.saturating_mul(1_000_000);
    Timestamp::from_micros(micros.saturating_add(i64::from(told.nanos) / 1_000))
}

fn span(told: Option<prost_types::Duration>) -> Option<Duration> {
    told?.try_into().ok()
}

fn odd(field: &str) -> Fault {
    Fault::from(format!("the server told a revocation that is not understood: {field}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(target: Option<Told>) -> WatchRevocationsResponse {
        let entry = RevocationEntry {
            seq: 7,
            target,
            revoke_time: Some(prost_types::Timestamp { seconds: 1, nanos: 2_000 }),
            expire_time: None,
            reason: "LOGOUT".to_owned(),
        };
        WatchRevocationsResponse {
            epoch: Uuid::nil().to_string(),
            seq: 7,
            revocations: vec![entry],
            complete: true,
            staleness: Some(prost_types::Duration { seconds: 0, nanos: 5_000_000 }),
            server_time: None,
            max_access_lifetime: Some(prost_types::Duration { seconds: 900, nanos: 0 }),
        }
    }

    #[test]
    fn what_is_told_is_taken_over() {
        let update = Update::try_from(told(Some(Told::AllBelowVersion(3)))).expect("understood");
        assert_eq!((update.seq, update.complete), (7, true));
        assert_eq!(update.staleness, Duration::from_millis(5));
        assert_eq!(update.max_access_lifetime, Duration::from_mins(15));
        let entry = update.entries.first().expect("one");
        assert_eq!(entry.target, Target::All { min_version: 3 });
        assert_eq!((entry.at, &entry.reason), (Timestamp::from_micros(1_000_002), &Reason::Logout));
        assert_eq!(entry.expires_at, None);
    }

    #[test]
    fn what_is_not_understood_is_no_update() {
        let mut later = told(None);
        assert!(Update::try_from(later).is_err(), "the target of a newer version");
        let upper = "018F3A5E-7C1B-7D2E-8F3A-1B2C3D4E5F60".to_owned();
        assert!(Update::try_from(told(Some(Told::SessionId(upper)))).is_err());
        let good = || told(Some(Told::KeyId("k".to_owned())));
        assert!(Update::try_from(good()).is_ok());
        for spoil in [
            (|told| told.epoch.clear()) as fn(&mut WatchRevocationsResponse),
            |told| told.staleness = None,
            |told| told.max_access_lifetime = None,
            |told| {
                told.max_access_lifetime = Some(prost_types::Duration { seconds: -1, nanos: 0 });
            },
            |told| told.revocations[0].revoke_time = None,
        ] {
            later = good();
            spoil(&mut later);
            assert!(Update::try_from(later).is_err());
        }
    }
}
