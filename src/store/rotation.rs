//! Using a refresh token: one guarded write, and a judgement when that takes
//! nothing.

use super::{
    audit,
    engine::Engine,
    log,
    port::{Rotate, Rotated, StoreError},
    rows::standing,
    sessions, sql,
    unit::Unit,
};
use crate::domain::{
    audit::Event,
    error::{Fault, Refusal},
    id::SessionId,
    policy::Rotation,
    revocation::{Draft, Reason, Revocation},
    session::{Judgement, Session, Standing, judge},
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
        let event = request.event(&session);
        match judgement {
            // Once more after the write: on PostgreSQL it may have waited for
            // another one, and its guard knows users, clients and the floor
            // as they were before.
            Judgement::Refuse(refusal) => return Ok(Rotated::Refused(refusal)),
            _ if taken => {
                unit.tell(event);
                return Ok(Rotated::Advanced { session, account });
            }
            Judgement::Replay => {
                replayed(unit, &session, event).await?;
                return Ok(Rotated::Replayed { session, account });
            }
            Judgement::Reused => return misused(unit, request, Refusal::Reused, event).await,
            Judgement::RolledBack => {
                return misused(unit, request, Refusal::RolledBack, event).await;
            }
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

/// The first repetition of each generation has an entry, further ones a line:
/// who holds a token must not be able to fill the table with it.
async fn replayed<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    session: &Session,
    event: Event,
) -> Result<(), StoreError> {
    let event = event.because("REPLAY");
    let mark = unit.query(sql::MARK_REPLAYED).bind(session.id).bind(session.generation);
    if mark.optional().await?.is_some() {
        return audit::record(unit, event).await;
    }
    unit.tell(event);
    Ok(())
}

async fn misused<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    request: &Rotate,
    refusal: Refusal,
    event: Event,
) -> Result<Rotated, StoreError> {
    let ended = end(unit, request.session_id, request.misuse(Reason::of_misuse(refusal))).await?;
    let Some(revocation) = ended else { return Ok(Rotated::Refused(Refusal::Revoked)) };
    audit::record(unit, event.refused(revocation.reason.as_str().to_owned())).await?;
    Ok(Rotated::Ended { refusal, revocation })
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
    draft: Draft,
) -> Result<Option<Revocation>, StoreError> {
    if !sessions::mark_revoked(unit, session, &draft).await? {
        return Ok(None);
    }
    log::append(unit, draft).await.map(Some)
}
