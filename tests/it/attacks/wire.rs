//! Every table once more, over a socket; and that no refusal says more than
//! another (VR-01, VR-04, VR-05).

use std::time::Duration;

use prost::Message as _;
use tokenward::grpc::pb::auth::{InactiveReason, VerifyResponse};

use super::{
    algorithm, claims, encoding, header, identity, json, key_id,
    raw_call::{Answer, Caller, field},
    signature,
    table::{Row, Seen, Table, Trial},
};

/// Longer tokens are for `transport`.
const LONGEST: usize = 64 << 10;

type Family = (&'static str, fn(&Trial) -> Table);

const FAMILIES: [Family; 8] = [
    ("VA", algorithm::rows),
    ("VK", key_id::rows),
    ("VH", header::rows),
    ("VC", claims::rows),
    ("VI", identity::rows),
    ("VJ", json::rows),
    ("VE", encoding::rows),
    ("VS", signature::rows),
];

/// VR-01 decided: everything that is not a genuine token of ours gets one
/// answer. VR-04: so a forgery for another audience is garbage.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vr_01_vr_04_vr_05_every_table_over_the_wire() {
    let trial = Trial::new().await;
    let good = trial.good().to_owned();
    let rows = rows(&trial);
    let served = trial.world.serve().await;
    let caller = Caller::connect(served.grpc).await;
    let garbage = verify(&caller, "garbage").await;
    assert_is_bare_invalid(&garbage);
    let mut wrong = Vec::new();
    for row in &rows {
        if let Err(told) = judge(row, &verify(&caller, &row.token).await, &garbage) {
            wrong.push(format!("{} {}: {told}", row.id, row.what));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(verdict(&verify(&caller, &good).await).active, "VT-34: the honest token, after");
    // VC-19: what was accepted on this connection a moment ago expires.
    served.clock.advance(Duration::from_mins(15));
    let expired = verdict(&verify(&caller, &good).await);
    assert!(!expired.active && expired.reason() == InactiveReason::Expired, "VC-19");
    drop(caller);
    served.stop().await;
}

/// The rows of every table.
pub(super) fn rows(trial: &Trial) -> Vec<Row> {
    let mut rows = Vec::new();
    for (family, make) in FAMILIES {
        let table = make(trial);
        assert!(table.0.iter().any(|row| row.id.starts_with(family)), "{family} has no rows");
        rows.extend(table.0.into_iter().filter(|row| row.token.len() <= LONGEST));
    }
    rows
}

async fn verify(caller: &Caller, token: &str) -> Answer {
    caller.call("Verify", &field(1, token.as_bytes()), &[]).await
}

fn verdict(answer: &Answer) -> VerifyResponse {
    VerifyResponse::decode(answer.message()).expect("a verdict")
}

/// VR-05: nothing of the token, nothing about why.
fn assert_is_bare_invalid(answer: &Answer) {
    let bare = VerifyResponse {
        reason: InactiveReason::Invalid.into(),
        staleness: Some(prost_types::Duration::default()),
        ..VerifyResponse::default()
    };
    assert!(verdict(answer) == bare, "{answer:?}");
}

fn judge(row: &Row, answer: &Answer, garbage: &Answer) -> Result<(), String> {
    let expected = match row.expected {
        Seen::BadRequest if answer.code() == 3 => return Ok(()),
        Seen::BadRequest => return Err(format!("code {}", answer.code())),
        Seen::Invalid if answer == garbage => return Ok(()),
        Seen::Invalid => return Err(format!("not the answer for garbage: {answer:?}")),
        Seen::Active => InactiveReason::Unspecified,
        Seen::Expired => InactiveReason::Expired,
        Seen::Revoked => InactiveReason::Revoked,
        Seen::WrongAudience => InactiveReason::WrongAudience,
        Seen::WrongType => InactiveReason::WrongType,
        Seen::Other => return Err("no row expects that".to_owned()),
    };
    let verdict = verdict(answer);
    let agrees = verdict.reason() == expected && verdict.active == (row.expected == Seen::Active);
    if agrees { Ok(()) } else { Err(verdict.reason().as_str_name().to_owned()) }
}
