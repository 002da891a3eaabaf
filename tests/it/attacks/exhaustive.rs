//! VE-33 to VE-35: every small change to one real token.

use super::{
    forge::segments,
    table::{Seen, Trial, refresh_token},
};

/// Both kinds of token are changed, and each is asked about where it belongs.
async fn accepted(trial: &Trial, changed: &str) -> bool {
    trial.verify(changed).await == Seen::Active
}

#[tokio::test]
async fn ve_33_no_beginning_of_a_token_is_a_token() {
    let trial = Trial::new().await;
    let good = trial.good();
    for end in 1..good.len() {
        assert!(!accepted(&trial, &good[..end]).await, "VE-33: the first {end} bytes");
        assert!(!accepted(&trial, &good[end..]).await, "VE-33: all but the first {end} bytes");
    }
    assert!(accepted(&trial, good).await);
}

#[tokio::test]
async fn ve_34_no_byte_can_be_left_out() {
    let trial = Trial::new().await;
    let good = trial.good();
    for at in 0..good.len() {
        let without = format!("{}{}", &good[..at], &good[at + 1..]);
        assert!(!accepted(&trial, &without).await, "VE-34: without byte {at}");
        let doubled = format!("{}{}", &good[..=at], &good[at..]);
        assert!(!accepted(&trial, &doubled).await, "VE-34: byte {at} twice");
    }
    assert!(accepted(&trial, good).await);
}

/// The eighth bit gives no UTF-8, so no such text reaches the service: a
/// gRPC string cannot carry it (see `transport`).
#[tokio::test]
async fn ve_35_no_bit_can_be_flipped() {
    let trial = Trial::new().await;
    let good = trial.good();
    let (mut judged, mut no_text) = (0, 0);
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bytes = good.as_bytes().to_vec();
            bytes[at] ^= 1 << bit;
            match String::from_utf8(bytes) {
                Ok(changed) => {
                    assert!(!accepted(&trial, &changed).await, "VE-35: byte {at}, bit {bit}");
                    judged += 1;
                }
                Err(_) => no_text += 1,
            }
        }
    }
    assert_eq!((judged, no_text), (7 * good.len(), good.len()));
    assert!(accepted(&trial, good).await);
}

/// The same with every letter of the alphabet, and at Refresh.
#[tokio::test]
async fn ve_35_no_letter_can_be_another() {
    let trial = Trial::new().await;
    let good = trial.good();
    let last = segments(good).map(|segment| segment.len() - 1);
    let ends = [last[0], last[0] + 2 + last[1], good.len() - 1];
    let alphabet = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['-', '_', '+', '/', '=']);
    for letter in alphabet {
        for at in ends {
            let changed = format!("{}{letter}{}", &good[..at], &good[at + 1..]);
            assert_eq!(
                accepted(&trial, &changed).await,
                changed == good,
                "VE-35: {letter} at {at}"
            );
        }
    }
    let refresh = refresh_token(&trial.login);
    for at in 0..refresh.len() {
        let mut bytes = refresh.clone().into_bytes();
        bytes[at] ^= 1;
        let changed = String::from_utf8(bytes).expect("ASCII");
        trial.world.refresh(&changed.into()).await.expect_err("VE-35: a changed refresh token");
    }
    trial.world.refresh(&refresh.into()).await.expect("and the honest one, still unused");
}
