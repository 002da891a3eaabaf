//! What is done to the processes while people work with them.

pub(crate) mod delay;
pub(crate) mod faults;
pub(crate) mod full;
pub(crate) mod kill;
pub(crate) mod race;

use std::{sync::Arc, time::Duration};

use crate::{
    progress::Progress,
    recorder::Recorder,
    stage::{Dice, Stage},
    support::{
        postgres::{PostgresServer, fresh_database_on},
        program::Program,
        world::Engine,
    },
};

/// What a scenario is given.
pub(crate) struct Setting<'a> {
    pub(crate) engine: Engine,
    /// Where there is one. Only for a scenario on PostgreSQL.
    pub(crate) postgres: Option<&'a mut PostgresServer>,
    /// How often it does what it does.
    pub(crate) rounds: Progress,
    pub(crate) seed: u64,
}

impl Setting<'_> {
    /// The program on a new database, with keys and cheap hashes; and the URL
    /// of the database, if it has a server.
    pub(crate) async fn program(&self) -> (Program, Option<String>) {
        if self.engine == Engine::Sqlite {
            return (prepared(Program::new()), None);
        }
        let server = self.postgres.as_ref().expect("a server for PostgreSQL").url();
        let url = fresh_database_on(&server).await;
        (prepared(Program::new().env("TOKENWARD_DATABASE_URL", &url)), Some(url))
    }

    pub(crate) fn dice(&self) -> Dice {
        Dice::new(self.seed)
    }
}

/// Cheap hashes; failed logins and repeated refreshes are part of the play.
pub(crate) fn prepared(program: Program) -> Program {
    let program = program.with_cheap_hashes();
    let program = program.set("throttle.enabled", "false").set("tokens.replay_window", "5m");
    program
        .set("password.failure_grid", "0s")
        .set("log.level", "warn,tokenward::cli::serve=info")
        .with_keys()
}

/// Takes the stage down.
fn close(stage: Arc<Stage>) -> Recorder {
    Arc::into_inner(stage).expect("everybody has left").close()
}

/// Between two things that a person does, under load.
const BREATH: Duration = Duration::from_millis(1);
