//! Who may administer.

use crate::{
    domain::audit::{Actor, Origin},
    store::port::Context,
};

use super::{Auth, Caller};

/// Somebody who may administer: whoever has one has been judged. The calls
/// that need it cannot be made without.
#[derive(Clone, Debug)]
pub struct Administrator {
    actor: Actor,
    caller: Caller,
}

impl Administrator {
    /// Whoever may run the command line on the database.
    pub fn command_line() -> Self {
        Self { actor: Actor::Operator, caller: Caller::default() }
    }

    /// In whose name something happens.
    pub(super) fn origin(&self) -> Origin {
        self.caller.acting_as(self.actor.clone())
    }
}

impl Auth {
    /// What a step in the store is told of who wants it.
    pub(super) fn context(&self, admin: &Administrator) -> Context {
        Context { origin: admin.origin(), now: self.now() }
    }
}
