//! VE where the transport has a say: what a request can be besides a token
//! that is wrong.

use futures_util::future::join_all;
use prost::Message as _;
use tokenward::grpc::pb::auth::{
    BatchVerifyRequest, VerifyRequest, VerifyResponse, auth_service_client::AuthServiceClient,
};

use super::{
    forge::encode,
    raw_call::{Answer, Caller, field, framed},
    table::Trial,
};
use crate::support::served::Served;

const OK: i32 = 0;
const INVALID_ARGUMENT: i32 = 3;
const UNIMPLEMENTED: i32 = 12;
const UNAUTHENTICATED: i32 = 16;

const ACTIVE: &str = "INACTIVE_REASON_UNSPECIFIED";
const INVALID: &str = "INACTIVE_REASON_INVALID";

/// A served world, a connection, the honest token and a forged one.
struct Scene {
    served: Served,
    caller: Caller,
    good: String,
    forged: String,
}

impl Scene {
    async fn new() -> Self {
        let trial = Trial::new().await;
        let (good, forged) = (trial.good().to_owned(), trial.forge.with_signature([0x5a; 256]));
        let served = trial.world.serve().await;
        let caller = Caller::connect(served.grpc).await;
        Self { served, caller, good, forged }
    }

    async fn verify(&self, message: &[u8]) -> Answer {
        self.caller.call("Verify", message, &[]).await
    }

    /// The reason that a message's token gets.
    async fn reason(&self, message: &[u8]) -> &'static str {
        reason(&self.verify(message).await)
    }

    /// The honest token is as good as before, and the server stops in order.
    async fn end(self) {
        self.assert_good_is_active().await;
        drop(self.caller);
        self.served.stop().await;
    }

    async fn assert_good_is_active(&self) {
        let token = field(1, self.good.as_bytes());
        assert_eq!(self.reason(&token).await, ACTIVE, "the honest token");
    }
}

fn reason(answer: &Answer) -> &'static str {
    VerifyResponse::decode(answer.message()).expect("a verdict").reason().as_str_name()
}

/// VE-25: over 8 KiB a token is INVALID without being read; over 1 MiB the
/// message is not read either.
#[tokio::test]
async fn ve_25_huge_tokens() {
    let scene = Scene::new().await;
    for size in [1 << 20, 4 << 20, (4 << 20) + 2] {
        for text in
            [".".repeat(size), "A".repeat(size), format!("{}.{}", scene.good, "A".repeat(size))]
        {
            // With the field's tag and length, the message is a little longer.
            let answer = scene.verify(&field(1, text.as_bytes())).await;
            assert_eq!(answer.code(), INVALID_ARGUMENT, "VE-25: {}", text.len());
            let below = &text[..(1 << 20) - 4];
            assert_eq!(scene.reason(&field(1, below.as_bytes())).await, INVALID, "VE-25");
        }
    }
    scene.end().await;
}

/// VE-26: ten thousand hostile calls, many at a time, and an honest one among
/// each hundred. No time is taken here; that all are answered is the point.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ve_26_honest_calls_among_hostile_ones() {
    let scene = Scene::new().await;
    let dots = ".".repeat(100_000);
    for _ in 0..100 {
        let hostile = [field(1, dots.as_bytes()), field(1, scene.forged.as_bytes())];
        let calls = (0..100).map(|n| scene.reason(&hostile[n % 2]));
        let (verdicts, ()) = tokio::join!(join_all(calls), scene.assert_good_is_active());
        assert!(verdicts.iter().all(|reason| *reason == INVALID), "VE-26");
    }
    scene.end().await;
}

fn bearer(value: &str) -> (&str, &str) {
    ("authorization", value)
}

/// VE-27, VE-28 decided: Verify judges its field and reads no credentials;
/// calls that need credentials take one `authorization`, as text.
#[tokio::test]
async fn ve_16_ve_27_ve_28_tokens_in_metadata() {
    let scene = Scene::new().await;
    let (good, forged) = (format!("Bearer {}", scene.good), format!("Bearer {}", scene.forged));
    let binary = encode(&good);
    for (token, metadata, expected) in
        [(&scene.forged, &good, INVALID), (&scene.good, &forged, ACTIVE)]
    {
        let headers = [("authorization", metadata.as_str())];
        let answer = scene.caller.call("Verify", &field(1, token.as_bytes()), &headers).await;
        assert_eq!(reason(&answer), expected, "VE-27: the field is judged");
    }
    let list = async |headers: &[(&str, &str)]| {
        scene.caller.call("ListSessions", &[], headers).await.code()
    };

    assert_eq!(list(&[bearer(&good)]).await, OK, "the neighbour");
    assert_eq!(list(&[]).await, UNAUTHENTICATED);
    assert_eq!(list(&[bearer(&forged)]).await, UNAUTHENTICATED);
    assert_eq!(list(&[bearer(&good), bearer(&good)]).await, INVALID_ARGUMENT, "VE-27");
    assert_eq!(list(&[bearer(&good), bearer(&forged)]).await, INVALID_ARGUMENT, "VE-27");
    assert_eq!(list(&[bearer(&format!("{good}, {good}"))]).await, INVALID_ARGUMENT, "VE-27");
    assert_eq!(list(&[("authorization-bin", &binary)]).await, INVALID_ARGUMENT, "VE-28");
    assert_eq!(
        list(&[bearer(&good), ("authorization-bin", &binary)]).await,
        INVALID_ARGUMENT,
        "VE-28"
    );
    assert_eq!(list(&[bearer(&good.replace(' ', "  "))]).await, INVALID_ARGUMENT, "VE-16");
    assert_eq!(list(&[bearer(&good.replace("Bearer", "bearer"))]).await, OK, "VE-16");
    assert_eq!(list(&[bearer(&scene.good)]).await, INVALID_ARGUMENT, "VE-16: no scheme");
}

/// VE-29: a protobuf string is UTF-8. This is every flip of an eighth bit
/// (VE-35) too.
#[tokio::test]
async fn ve_29_ve_35_bytes_that_are_no_text() {
    let scene = Scene::new().await;
    for at in (0..scene.good.len()).step_by(7) {
        let mut bytes = scene.good.clone().into_bytes();
        bytes[at] ^= 0x80;
        assert_eq!(
            scene.verify(&field(1, &bytes)).await.code(),
            INVALID_ARGUMENT,
            "VE-29: byte {at}"
        );
    }
    for bytes in [&[0xff_u8][..], &[0xc0, 0x80], &[0xed, 0xa0, 0x80], &[0xf4, 0x90, 0x80, 0x80]] {
        let answer = scene.verify(&field(1, bytes)).await;
        assert_eq!(answer.code(), INVALID_ARGUMENT, "VE-29: {bytes:02x?}");
    }
    scene.end().await;
}

/// VE-30 decided: a few unknown fields are ignored (protobuf lets messages
/// grow), masses are refused; of a field that comes twice the last counts.
#[tokio::test]
async fn ve_30_odd_protobuf() {
    let scene = Scene::new().await;
    let (good, forged) = (field(1, scene.good.as_bytes()), field(1, scene.forged.as_bytes()));
    assert_eq!(scene.reason(&[&forged[..], &good].concat()).await, ACTIVE, "the last");
    assert_eq!(scene.reason(&[&good[..], &forged].concat()).await, INVALID, "the last");
    let unknown = field(1_000, b"x");
    assert_eq!(scene.reason(&[&unknown.repeat(500), &good[..]].concat()).await, ACTIVE);
    let masses = [&unknown.repeat(100_000), &good[..]].concat();
    assert_eq!(scene.verify(&masses).await.code(), INVALID_ARGUMENT, "VE-30: 100 000 fields");
    // An unknown group (field 100): deprecated, well formed, and skipped.
    let group = [0xa3, 0x06, 0xa4, 0x06];
    assert_eq!(scene.reason(&[&group, &good[..]].concat()).await, ACTIVE);
    for (what, bytes) in [
        ("a group for the token", &[0x0b, 0x0c][..]),
        ("a number for the token", &[0x08, 0x01]),
        ("a group that is not closed", &[0xa3, 0x06]),
        ("a group that is not open", &[0xa4, 0x06]),
        ("groups in groups", &[0xa3, 0x06].repeat(10_000)),
        ("longer than the message", &[0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]),
        (
            "a length without an end",
            &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        ),
        ("field number 0", &[0x02, 0x00]),
        ("wire type 7", &[0x0f]),
        ("garbage", &[0xde, 0xad, 0xbe, 0xef]),
    ] {
        let answer = scene.verify(&[&good[..], bytes].concat()).await;
        assert_eq!(answer.code(), INVALID_ARGUMENT, "VE-30: {what}");
        assert!(!answer.shows(&scene.good[..40]), "VR-05: {what}");
    }
    scene.end().await;
}

/// VE-31: nothing is inflated. The bytes begin as gzip does; what follows
/// does not matter, since nobody looks.
#[tokio::test]
async fn ve_31_compressed_requests() {
    let scene = Scene::new().await;
    let gzip = [&[0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0, 0xff][..], &[0; 10_000]].concat();
    for encoding in ["gzip", "deflate", "zstd", "br", "x"] {
        let headers = [("grpc-encoding", encoding)];
        let answer = scene.caller.send("Verify", &framed(1, &gzip), &headers).await;
        assert_eq!(answer.code(), UNIMPLEMENTED, "VE-31: {encoding}");
    }
    let unnamed = scene.caller.send("Verify", &framed(1, &gzip), &[]).await;
    assert_eq!(unnamed.code(), INVALID_ARGUMENT, "VE-31: compressed by nothing");
    let odd_flag =
        scene.caller.send("Verify", &framed(2, &field(1, scene.good.as_bytes())), &[]).await;
    assert_eq!(odd_flag.code(), INVALID_ARGUMENT, "VE-31: a flag that there is not");
    scene.end().await;
}

#[tokio::test]
async fn ve_32_empty_requests() {
    let scene = Scene::new().await;
    for message in [&[][..], &field(1, b""), &field(2, b"api")] {
        assert_eq!(scene.verify(message).await.code(), INVALID_ARGUMENT, "VE-32");
    }
    for body in [&[][..], &[0], &[0, 0, 0, 0], &[0, 0, 0, 0, 9]] {
        let code = scene.caller.send("Verify", body, &[]).await.code();
        assert_eq!(code, INVALID_ARGUMENT, "VE-32: a body of {} bytes", body.len());
    }
    scene.end().await;
}

/// One batch: each token gets the verdict that it gets alone.
#[tokio::test]
async fn a_batch_judges_each_token_by_itself() {
    let scene = Scene::new().await;
    let question = |n: usize| VerifyRequest {
        token: if n.is_multiple_of(2) { scene.good.clone() } else { scene.forged.clone() },
        ..VerifyRequest::default()
    };
    let request = BatchVerifyRequest { requests: (0..100).map(question).collect() };
    let mut client = AuthServiceClient::new(scene.served.channel().await);
    let verdicts = client.batch_verify(request).await.expect("verdicts").into_inner().responses;
    let active: Vec<_> = verdicts.iter().map(|verdict| verdict.active).collect();
    assert_eq!(active, [true, false].repeat(50));
    drop(client);
    scene.end().await;
}
