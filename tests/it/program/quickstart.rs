//! The first thing that a stranger does.

use crate::support::program::Program;

#[test]
fn quickstart_shows_every_step_and_works_a_second_time() {
    let program = Program::new();
    for _ in 0..2 {
        let tour = program.run(&["quickstart", "--exit"]).success();
        for step in [
            "1. Create a user",
            "JWKS: http://",
            "2. Login",
            "\"client_id\": \"default\"",
            "\"token_use\": \"refresh\"",
            "3. Verify: the access token is active",
            "4. Refresh",
            "\"gen\": 2",
            "5. Revoke",
            "reason = REVOKED (LOGOUT)",
            "grpcurl -plaintext",
        ] {
            assert!(tour.contains(step), "{step} is missing from:\n{tour}");
        }
    }
    let users = program.run(&["user", "list"]).success();
    assert_eq!(users.lines().count(), 2, "each tour has its own user");
}
