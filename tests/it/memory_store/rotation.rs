//! Using a refresh token.

use std::time::Duration;

use tokenward::{
    domain::{
        audit::Event,
        error::Refusal,
        policy::Rotation,
        revocation::Reason,
        session::{Judgement, Presented, Standing, judge},
    },
    store::port::{Rotate, Rotated, StoreError},
};

use super::{Bug, state::State};

impl State {
    pub(super) fn rotate(&mut self, request: &Rotate) -> Result<Rotated, StoreError> {
        let found = self.standing(request.session_id);
        let judgement = self.judged(found.as_ref(), &request.presented);
        let Some(standing) = found else {
            return Ok(Rotated::Refused(Refusal::SessionExpired));
        };
        let event = request.event(&standing.session);
        match judgement {
            Judgement::Refuse(refusal) => Ok(Rotated::Refused(refusal)),
            Judgement::Rotate => Ok(self.advance(request, standing)),
            Judgement::Replay => Ok(self.replay(standing, event)),
            Judgement::Reused => self.misused(request, Refusal::Reused, event),
            Judgement::RolledBack => self.misused(request, Refusal::RolledBack, event),
        }
    }

    /// The judgement, or what a bug makes of it.
    fn judged(&self, found: Option<&Standing>, presented: &Presented) -> Judgement {
        let Some(bug) = self.bug else { return judge(found, presented) };
        let (mut found, mut presented) = (found.cloned(), presented.clone());
        if let Some(standing) = &mut found {
            let session = &mut standing.session;
            match bug {
                Bug::RotationIgnoresGeneration => presented.generation = session.generation,
                Bug::RotationIgnoresRevocation => session.revoked_at = None,
                Bug::RotationIgnoresUserVersion => standing.account.version = session.user_version,
                Bug::RotationIgnoresFloor => standing.version_floor = 0,
                Bug::ReplayWindowHasNoEnd => presented.replay_window = Duration::MAX,
                Bug::ReplayWindowIsEmpty => presented.replay_window = Duration::ZERO,
                _ => {}
            }
        }
        judge(found.as_ref(), &presented)
    }

    fn advance(&mut self, request: &Rotate, standing: Standing) -> Rotated {
        let (now, mut session) = (request.presented.now, standing.session);
        session.idle_expires_at = request.idle.map(|idle| now.plus(idle));
        if request.rotation == Rotation::On {
            session.generation += 1;
            session.rotated_at = now;
        }
        if !self.has(Bug::RotationIsLost)
            && let Some(row) = self.sessions.get_mut(&session.id)
        {
            row.session = session.clone();
        }
        Rotated::Advanced { session, account: standing.account }
    }

    /// The first repetition of each generation has an entry.
    fn replay(&mut self, Standing { session, account, .. }: Standing, event: Event) -> Rotated {
        let row = self.sessions.get_mut(&session.id);
        let first = row.filter(|row| row.replayed_generation < session.generation);
        if let Some(row) = first {
            row.replayed_generation = session.generation;
            self.tell(&event.because("REPLAY"));
        }
        Rotated::Replayed { session, account }
    }

    fn misused(
        &mut self,
        request: &Rotate,
        refusal: Refusal,
        event: Event,
    ) -> Result<Rotated, StoreError> {
        let reason = Reason::of_misuse(refusal);
        let revocation = self.end_session(request.session_id, request.misuse(reason.clone()))?;
        self.tell(&event.refused(reason.as_str().to_owned()));
        Ok(Rotated::Ended { refusal, revocation })
    }
}
