//! Using a refresh token: one guarded write, and a judgement when that takes
//! nothing.

use uuid::Uuid;

use super::{
    engine::Engine,
    log::{self, Draft},
    port::{Rotate, Rotated, StoreError},
    rows::standing,
    sessions, sql,
    unit::Unit,
};
use crate::domain::{
    clock::Timestamp,
    error::{Fault, Refusal},
    id::SessionId,
    policy::Rotation,
    revocation::{Reason, Revocation, Target},
    session::{Judgement, Standing, judge},
};

/// How often the guarded write is tried. A second time is needed only when
/// what stood in its way went away between it and the look that followed.
const ATTEMPTS: usize = 3;

pub(super) async fn rotate<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    request: &Rotate,
) -> Result<Rotated, StoreError> {
    for _ in 0..ATTEMPTS {
        let taken = take(unit, request).await?;
        let found = look(unit, request.session_id).await?;
        let judgement = judge(found.as_ref(), &request.presented);
        let Some(Standing { session, account, .. }) = found else {
            return Ok(Rotated::Refused(Refusal::SessionExpired));
        };
        match judgement {
            // Once more after the write: on PostgreSQL it may have waited for
            // another one, and its guard knows users, clients and the floor
            // as they were before.
            Judgement::Refuse(refusal) => return Ok(Rotated::Refused(refusal)),
            _ if taken => return Ok(Rotated::Advanced { session, account }),
            Judgement::Replay => return Ok(Rotated::Replayed { session, account }),
            Judgement::Reused => return misused(unit, request, Refusal::Reused).await,
            Judgement::RolledBack => return misused(unit, request, Refusal::RolledBack).await,
            Judgement::Rotate => {}
        }
    }
    Err(StoreError::Unavailable(Fault::from("a session was changed too often to refresh it")))
}

/// True when the token was taken.
async fn take<DB: Engine>(unit: &mut Unit<'_, DB>, request: &Rotate) -> Result<bool, StoreError> {
    let presented = &request.presented;
    let statement = match request.rotation {
        Rotation::On => sql::ADVANCE,
        Rotation::Off => sql::PROLONG,
    };
    let guarded = unit.query(statement).bind(request.session_id).bind(presented.generation);
    let guarded = guarded.bind(&presented.client_id).bind(presented.now);
    let idle_end = request.idle.map(|idle| presented.now.plus(idle));
    let guarded = guarded.bind(idle_end).bind(presented.user_version);
    Ok(guarded.optional().await?.is_some())
}

async fn misused<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    request: &Rotate,
    refusal: Refusal,
) -> Result<Rotated, StoreError> {
    let now = request.presented.now;
    Ok(match end(unit, request.session_id, refusal, request.entry_id, now).await? {
        Some(revocation) => Rotated::Ended { refusal, revocation },
        None => Rotated::Refused(Refusal::Revoked),
    })
}

/// The session and all that it depends on, as they stand now.
pub(super) async fn look<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    session: SessionId,
) -> Result<Option<Standing>, StoreError> {
    let row = unit.query(sql::SELECT_STANDING).bind(session).optional().await?;
    row.as_ref().map(standing::<DB>).transpose()
}

/// Revokes the session of a misused refresh token. The alarm is raised once:
/// `None` for whoever comes second, who is refused like any holder of a
/// revoked session.
pub(super) async fn end<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    session: SessionId,
    refusal: Refusal,
    entry_id: Uuid,
    now: Timestamp,
) -> Result<Option<Revocation>, StoreError> {
    let reason = match refusal {
        Refusal::RolledBack => Reason::DatabaseRolledBack,
        _ => Reason::RefreshReuse,
    };
    let target = Target::Session(session);
    let draft = Draft { id: entry_id, target, at: now, reason, actor: "system" };
    if !sessions::mark_revoked(unit, session, &draft).await? {
        return Ok(None);
    }
    log::append(unit, draft).await.map(Some)
}
