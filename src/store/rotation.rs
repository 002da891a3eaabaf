//! Using a refresh token: one guarded write, and a judgement when that takes
//! nothing.

use super::{
    engine::Engine,
    log::{self, Draft},
    port::{Rotate, Rotated, StoreError},
    rows::standing,
    sessions, sql,
    unit::Unit,
};
use crate::domain::{
    error::{Fault, Refusal},
    policy::Rotation,
    revocation::{Reason, Target},
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
        let found = look(unit, request).await?;
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
            Judgement::Reused => return end(unit, request, Refusal::Reused).await,
            Judgement::RolledBack => return end(unit, request, Refusal::RolledBack).await,
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
    Ok(guarded.bind(idle_end).optional().await?.is_some())
}

async fn look<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    request: &Rotate,
) -> Result<Option<Standing>, StoreError> {
    let row = unit.query(sql::SELECT_STANDING).bind(request.session_id).optional().await?;
    row.as_ref().map(standing::<DB>).transpose()
}

/// Revokes the session. The alarm is raised once: whoever comes second is
/// refused like any holder of a revoked session.
async fn end<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    request: &Rotate,
    refusal: Refusal,
) -> Result<Rotated, StoreError> {
    let reason = match refusal {
        Refusal::RolledBack => Reason::DatabaseRolledBack,
        _ => Reason::RefreshReuse,
    };
    let draft = Draft {
        id: request.entry_id,
        target: Target::Session(request.session_id),
        at: request.presented.now,
        reason,
        actor: "system",
    };
    if sessions::mark_revoked(unit, request.session_id, &draft).await? {
        let revocation = log::append(unit, draft).await?;
        Ok(Rotated::Ended { refusal, revocation })
    } else {
        Ok(Rotated::Refused(Refusal::Revoked))
    }
}
