//! Every table once more, by the library that verifies without asking: its
//! verdicts are the server's.

use tokenward::client::{InactiveReason, Options, Requirements, Verifier};
use tokio::time::timeout;
use tonic::transport::Endpoint;

use super::{table::Trial, wire};
use crate::support::{served::PATIENCE, world::question};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vr_01_vr_04_every_table_by_the_client_library() {
    let trial = Trial::new().await;
    let good = trial.good().to_owned();
    let rows = wire::rows(&trial);
    let issuer = trial.world.settings.issuer.clone();
    let served = trial.world.serve().await;
    let options = Options { clock: served.clock.clone(), ..Options::new(issuer) };
    let endpoint = Endpoint::from_shared(format!("http://{}", served.grpc)).unwrap();
    let verifier = Verifier::new(endpoint, options);
    timeout(PATIENCE, verifier.ready()).await.expect("it becomes ready");

    let any = Requirements::default();
    let mut wrong = Vec::new();
    for row in &rows {
        let local = verifier.verify(&row.token, &any).expect("a local verdict");
        let (reason, claims) = match served.auth.verify(&question(&row.token)).await {
            // Nobody else has the refresh key: what it signs is garbage.
            Ok(verdict) if verdict.reason == Some(InactiveReason::WrongType) => {
                (Some(InactiveReason::Invalid), None)
            }
            Ok(verdict) => (verdict.reason, verdict.claims.map(|claims| claims.json)),
            // No token at all is a mistake of whoever asks the server.
            Err(_) => (Some(InactiveReason::Invalid), None),
        };
        if (&local.reason, local.claims.map(|claims| claims.json)) != (&reason, claims) {
            wrong.push(format!("{} {}: {:?}, not {reason:?}", row.id, row.what, local.reason));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert_eq!(verifier.verify(&good, &any).unwrap().reason, None, "VT-34: the honest one, after");
    served.stop().await;
}
