//! VC, second half: the clock moves.

use std::time::Duration;

use tokenward::{
    config::Span,
    domain::{
        clock::Timestamp,
        error::{AuthError, Refusal},
    },
    service::{Administrator, verify::InactiveReason},
    store::port::RevokeTarget,
};

use super::{
    claims::{LIFE, NOW, dated},
    forge::Members,
    table::{Seen, Table, Trial, access_token, refresh_token},
};
use crate::support::{determinism::START, world::question};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

/// VC-18 decided: with a leeway of L, `exp = now - L` is just over, as with
/// none `exp = now` is.
#[tokio::test]
async fn vc_18_leeway_is_exact() {
    let leeway = Span(Duration::from_mins(1));
    let trial = Trial::with(|settings| settings.tokens.leeway = leeway).await;
    let mut table = Table::default();
    for (offset, expected) in [
        (1, Seen::Active),
        (0, Seen::Active),
        (-59, Seen::Active),
        (-60, Seen::Expired),
        (-61, Seen::Expired),
    ] {
        let token = trial.forge.with_claims(&dated(&trial, NOW - 100, NOW + offset));
        table.expect("VC-18", format!("exp now{offset:+}"), token, expected);
    }
    trial.judge(table).await;
    // For the other kind of token as well.
    let sid = r#""018f3a5e-7c1b-7d2e-8f3a-1b2c3d4e5f60""#;
    for (offset, expected) in [(-59, Refusal::SessionExpired), (-60, Refusal::Expired)] {
        let claims = trial.refresh_forge.claims.clone().set("sid", sid);
        let claims = claims.set("exp", (NOW + offset).to_string());
        assert_eq!(refusal(&trial, &claims).await, expected, "VC-18 exp now{offset:+}");
    }
}

async fn refusal(trial: &Trial, claims: &Members) -> Refusal {
    let token = trial.refresh_forge.with_claims(claims);
    match trial.world.refresh(&token.into()).await {
        Err(AuthError::Unauthenticated(refusal)) => refusal,
        other => panic!("a refusal was expected: {other:?}"),
    }
}

/// VC-19: what was accepted once is judged again.
#[tokio::test]
async fn vc_19_a_token_that_was_seen_expires_too() {
    let trial = Trial::new().await;
    let token = trial.forge.with_claims(&dated(&trial, NOW - 5, NOW + 1));
    for _ in 0..3 {
        assert_eq!(trial.verify(&token).await, Seen::Active);
    }
    trial.world.advance(Duration::from_micros(999_999)).await;
    assert_eq!(trial.verify(&token).await, Seen::Active, "a microsecond before");
    trial.world.advance(Duration::from_micros(1)).await;
    assert_eq!(trial.verify(&token).await, Seen::Expired);
    trial.world.advance(Duration::from_secs(1)).await;
    assert_eq!(trial.verify(&token).await, Seen::Expired);
    assert_eq!(trial.verify(trial.good()).await, Seen::Active);
}

/// Numbers that repeat (xorshift), for the models.
struct Numbers(u64);

impl Numbers {
    fn between(&mut self, low: i64, high: i64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        low + i64::try_from(self.0 % u64::try_from(high - low + 1).unwrap()).unwrap()
    }
}

/// VC-20: dates near the edges, against a model in one expression.
#[tokio::test]
async fn vc_20_access_tokens_agree_with_the_model() {
    let trial = Trial::new().await;
    let (mut numbers, mut table) = (Numbers(0x5eed), Table::default());
    let mut counts = [0; 3];
    for _ in 0..1_000 {
        let (issued, life) = match numbers.between(0, 3) {
            0 => (numbers.between(50, 70), numbers.between(-2, 50)),
            1 => (numbers.between(-LIFE - 3, -LIFE + 3), numbers.between(LIFE - 3, LIFE + 3)),
            2 => (numbers.between(-20, 0), numbers.between(-2, 22)),
            _ => (numbers.between(-2 * LIFE, 100), numbers.between(1, LIFE + 100)),
        };
        let expected = match (issued, life) {
            (_, ..=0) | (61.., _) => Seen::Invalid,
            (_, life) if life > LIFE => Seen::Invalid,
            (issued, life) if issued + life <= 0 => Seen::Expired,
            _ => Seen::Active,
        };
        counts
            [usize::from(expected == Seen::Expired) + 2 * usize::from(expected == Seen::Active)] +=
            1;
        let token = trial.forge.with_claims(&dated(&trial, NOW + issued, NOW + issued + life));
        table.expect("VC-20", format!("iat {issued}, life {life}"), token, expected);
    }
    assert!(counts.iter().all(|count| *count > 50), "each verdict often enough: {counts:?}");
    trial.judge(table).await;
}

/// VC-20: the same for refresh tokens. Of an unknown session, so that the
/// store has the last word on those that are not expired.
#[tokio::test]
async fn vc_20_refresh_tokens_agree_with_the_model() {
    let trial = Trial::new().await;
    let mut numbers = Numbers(0x5eed);
    let sid = r#""018f3a5e-7c1b-7d2e-8f3a-1b2c3d4e5f60""#;
    for _ in 0..1_000 {
        let offset = numbers.between(-20, 20);
        let claims = trial.refresh_forge.claims.clone().set("sid", sid);
        let claims = claims.set("exp", (NOW + offset).to_string());
        let expected = if offset <= 0 { Refusal::Expired } else { Refusal::SessionExpired };
        assert_eq!(refusal(&trial, &claims).await, expected, "VC-20 exp now{offset:+}");
    }
    trial.world.refresh(&refresh_token(&trial.login).into()).await.expect("the honest one");
}

/// VC-27 decided: versions order tokens and revocations, dates do not.
#[tokio::test]
async fn vc_27_an_old_version_is_dead_whatever_its_dates() {
    let trial = Trial::new().await;
    let forge = &trial.forge;
    let version: i64 = forge.claims.raw("ver").parse().expect("a number");
    for target in [RevokeTarget::User(trial.user), RevokeTarget::All] {
        trial.world.auth().revoke(target, &Administrator::command_line()).await.expect("revoked");
    }
    trial.world.look().await;
    let dates = [(NOW - 800, NOW + 1), (NOW, NOW + 600), (NOW + 60, NOW + 900)];
    for (issued_at, expires_at) in dates {
        let claims = dated(&trial, issued_at, expires_at);
        assert_eq!(
            trial.verify(&forge.with_claims(&claims)).await,
            Seen::Revoked,
            "VC-27 {issued_at}"
        );
        let newer = claims.set("ver", (version + 10).to_string());
        assert_eq!(
            trial.verify(&forge.with_claims(&newer)).await,
            Seen::Active,
            "VC-27 {issued_at}"
        );
    }
    let again = trial.world.login("alice").await;
    assert_eq!(trial.verify(access_token(&again)).await, Seen::Active);
}

/// VC-35 decided: the cap is the largest lifetime ever configured, so that
/// shortening it refuses no honest token; and it does not grow by itself.
#[tokio::test]
async fn vc_35_the_largest_lifetime_ever_configured_is_the_cap() {
    let hour = Span(Duration::from_hours(1));
    let trial = Trial::with(|settings| settings.tokens.access_lifetime = hour).await;
    let quarter = Span(Duration::from_mins(15));
    let replica =
        trial.world.replica_with(|settings| settings.tokens.access_lifetime = quarter).await;
    for (life, reason) in [(3_600, None), (3_601, Some(InactiveReason::Invalid))] {
        let token = trial.forge.with_claims(&dated(&trial, NOW, NOW + life));
        let verdict = replica.auth.verify(&question(&token)).await.expect("a verdict");
        assert_eq!(verdict.reason, reason, "VC-35 {life} s");
    }
}

/// VC-35 for refresh tokens: their session has the last word, so one that
/// claims a longer life has none.
#[tokio::test]
async fn vc_35_a_refresh_token_does_not_outlive_its_session() {
    let trial = Trial::new().await;
    let long = trial.refresh_forge.claims.clone().set("exp", (NOW + 400 * 86_400).to_string());
    trial.world.advance(Duration::from_hours(14 * 24)).await;
    assert_eq!(refusal(&trial, &long).await, Refusal::SessionExpired, "VC-35");
}

/// TM-05, VC-36: years in which 32 bits, signed and not, and four digits end.
#[tokio::test]
async fn vc_36_far_years() {
    for instant in ["2038-01-19T03:14:00Z", "2106-02-07T06:28:00Z", "9999-12-31T00:00:00Z"] {
        let trial = Trial::new().await;
        let then = Timestamp::parse_rfc3339(instant).expect(instant);
        trial.world.advance(then.since(START)).await;
        assert_eq!(trial.verify(trial.good()).await, Seen::Expired, "VC-36 {instant}");
        let login = trial.world.login("alice").await;
        assert_eq!(trial.verify(access_token(&login)).await, Seen::Active, "VC-36 {instant}");
        trial.world.advance(Duration::from_mins(10)).await;
        let refreshed = trial.world.refresh(&refresh_token(&login).into()).await.expect(instant);
        trial.world.advance(Duration::from_mins(10)).await;
        assert_eq!(trial.world.verify(&refreshed.tokens.access_token).await.reason, None);
        assert_eq!(trial.verify(access_token(&login)).await, Seen::Expired, "VC-36 {instant}");
    }
}

/// VC-37: a clock before 1970, or at either end of what can be told.
#[tokio::test]
async fn vc_37_a_clock_before_the_epoch_refuses_and_does_not_panic() {
    let trial = Trial::new().await;
    for now in [at(-1), at(0), at(-2_000_000_000), Timestamp::from_micros(i64::MIN)] {
        trial.world.clock.set(now);
        assert_eq!(trial.verify(trial.good()).await, Seen::Invalid, "VC-37 {now}: from the future");
    }
    trial.world.clock.set(START);
    trial.world.look().await;
    assert_eq!(trial.verify(trial.good()).await, Seen::Active);
}

/// VC-38: a clock that shows less than the leeway; nothing underflows.
#[tokio::test]
async fn vc_38_a_clock_below_the_leeway() {
    let leeway = Span(Duration::from_mins(1));
    let trial = Trial::with(|settings| settings.tokens.leeway = leeway).await;
    let token = trial.forge.with_claims(&dated(&trial, 1, 5));
    for (now, expected) in
        [(0, Seen::Active), (10, Seen::Active), (64, Seen::Active), (65, Seen::Expired)]
    {
        trial.world.clock.set(at(now));
        trial.world.look().await;
        assert_eq!(trial.verify(&token).await, expected, "VC-38 at {now}");
    }
}
