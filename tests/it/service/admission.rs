//! Who is let in to the password hashes while many want to be.

use std::{net::IpAddr, sync::Arc, time::Duration};

use tokenward::{
    config::Settings,
    domain::{clock::Clock as _, error::AuthError},
    service::Caller,
};
use tokio::task::JoinHandle;

use crate::support::{
    served::PATIENCE,
    world::{Engine, World, login_request},
};

/// One worker, and hashes that take long.
async fn slow_world() -> World {
    let slow = |settings: &mut Settings| {
        settings.workers.threads = 1;
        settings.password.iterations = 64;
        settings.throttle.enabled = false;
    };
    World::with(Engine::Sqlite, slow).await.unwrap()
}

fn from(address: &str) -> Caller {
    let ip: IpAddr = address.parse().unwrap();
    Caller { ip: Some(ip), ..Caller::default() }
}

type Login = JoinHandle<Result<(), AuthError>>;

fn login(world: &World, caller: Caller) -> Login {
    let auth = Arc::clone(world.auth());
    tokio::spawn(async move {
        auth.login(login_request("nobody", "anything"), &caller).await.map(|_| ())
    })
}

fn metric(world: &World, name: &str) -> usize {
    let text = world.core.metrics.encode().unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} is not in {text}")).parse().unwrap()
}

fn waiting(world: &World) -> usize {
    metric(world, "tokenward_hashing_queue_depth")
}

/// Logins from one source, of which the first runs and all others wait.
async fn flood(world: &World, count: usize) -> Vec<Login> {
    let flood = (0..count).map(|_| login(world, from("2001:db8::1"))).collect();
    let queued = async {
        while waiting(world) < count - 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, queued).await.expect("they wait");
    flood
}

/// LG-16: a source that floods the queue delays itself; a /64 is one source.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn lg_16_a_flood_delays_itself() {
    let world = slow_world().await;
    let flood = flood(&world, 8).await;
    let (same, other) =
        (login(&world, from("2001:db8::2")), login(&world, from("2001:db8:0:1::1")));
    assert!(matches!(other.await.unwrap(), Err(AuthError::Unauthenticated(_))));
    assert!(waiting(&world) >= 3, "most of the flood, and its own, still wait");
    assert!(!same.is_finished());
    flood.iter().chain([&same]).for_each(JoinHandle::abort);
}

/// LG-16: who would be served after its deadline is told so at once, and when
/// to come again; who would be served before is.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn lg_16_a_login_that_would_miss_its_deadline_is_refused_at_once() {
    let world = slow_world().await;
    let flood = flood(&world, 8).await;
    let within = |span| Some(world.clock.monotonic() + span);
    let hasty = Caller { deadline: within(Duration::from_millis(100)), ..from("2001:db8::1") };
    match login(&world, hasty).await.unwrap() {
        Err(AuthError::Overloaded { work: "password hashing", retry_after }) => {
            assert!(retry_after >= Duration::from_millis(100), "{retry_after:?}");
        }
        other => panic!("{other:?}"),
    }
    assert!(waiting(&world) >= 3, "it did not wait for the others");
    assert_eq!(metric(&world, r#"tokenward_hashing_shed_total{reason="deadline"}"#), 1);
    let patient = Caller { deadline: within(PATIENCE), ..from("192.0.2.1") };
    let served = login(&world, patient).await.unwrap();
    assert!(matches!(served, Err(AuthError::Unauthenticated(_))), "{served:?}");
    flood.iter().for_each(JoinHandle::abort);
}
