//! What clients, administrators and thieves do, and what they make of the
//! answers.

use std::{sync::Arc, time::Duration};

use secrecy::SecretString;
use tokenward::{
    domain::{
        error::{AuthError, Refusal},
        id::ClientId,
        password::Password,
    },
    service::{
        Administrator, Auth, Caller, change_password::ChangePasswordRequest, index::Needs,
        login::LoginRequest, profile::ProfileRequest, revoke::RevokeTarget,
        update_user::UpdateUserRequest, verify::Question,
    },
};

use super::{
    model::{Begun, Covers, Model, Quiet},
    world::{CLIENTS, ROLES, World},
};

impl World {
    /// Somebody does something.
    pub(super) fn act(&mut self) {
        let at = self.any_replica();
        match self.ground.dice.below(100) {
            0..30 => self.verify(at),
            30..34 => self.verify_many(at),
            34..54 => self.refresh(at),
            54..58 => self.refresh_twice(at),
            58..61 => self.steal(at),
            61..74 => self.login(at),
            74..79 => self.revoke_token(at),
            79..82 => self.revoke_own_session(at),
            82..84 => self.revoke_own_sessions(at),
            84..87 => self.revoke_user(at),
            87 => self.revoke_client(at),
            88 => self.revoke_all(at),
            89..92 => self.change_password(at),
            92..94 => self.set_password(at),
            94..96 => self.disable(at),
            96..98 => self.enable(at),
            98 => self.set_roles(at),
            _ => self.delete(at),
        }
    }

    // --- Verify ---

    fn verify(&mut self, at: usize) {
        if let Some(token) = self.any_token() {
            let needs = self.any_needs();
            self.verify_token(at, token, needs);
        }
    }

    pub(super) fn verify_token(&mut self, at: usize, token: usize, needs: Needs) {
        let question = self.question(token, needs);
        let work = |auth: Arc<Auth>| async move { auth.verify(&question).await };
        self.call("verify", at, work, move |model, begun, clock, outcome| match outcome {
            Some(Ok(verdict)) => model.judged(begun, clock, token, needs, &verdict),
            Some(Err(error)) => drop(model.refusal(&error)),
            None => {}
        });
    }

    fn verify_many(&mut self, at: usize) {
        let tokens: Vec<usize> = (0..3).filter_map(|_| self.any_token()).collect();
        if tokens.is_empty() {
            return;
        }
        let needs = self.any_needs();
        let questions: Vec<Question> = tokens.iter().map(|t| self.question(*t, needs)).collect();
        let work = |auth: Arc<Auth>| async move { auth.batch_verify(&questions).await };
        self.call("batch_verify", at, work, move |model, begun, clock, outcome| match outcome {
            Some(Ok(verdicts)) => {
                for (token, verdict) in tokens.iter().zip(&verdicts) {
                    model.judged(begun, clock, *token, needs, verdict);
                }
            }
            Some(Err(error)) => drop(model.refusal(&error)),
            None => {}
        });
    }

    fn question(&self, token: usize, needs: Needs) -> Question {
        let token = self.model().tokens[token].text.clone();
        Question { token, needs, ..Question::default() }
    }

    fn any_token(&self) -> Option<usize> {
        let count = self.model().tokens.len();
        // The newest ones are worth more of a look.
        let oldest =
            if self.ground.dice.one_of_thousand(700) { count.saturating_sub(6) } else { 0 };
        let numbers: Vec<usize> = (oldest..count).collect();
        self.ground.dice.pick(&numbers).copied()
    }

    fn any_needs(&self) -> Needs {
        let dice = &self.ground.dice;
        let model = self.model();
        let known = model.kills.iter().filter_map(|kill| kill.seq).max().unwrap_or(0);
        let min_revocation_seq = if dice.one_of_thousand(300) { known } else { 0 };
        let max_staleness = match dice.below(10) {
            0 => Some(Duration::ZERO),
            1 => Some(Duration::from_millis(80)),
            2 => Some(Duration::from_secs(3)),
            _ => None,
        };
        Needs { min_revocation_seq, max_staleness }
    }

    // --- Login ---

    fn login(&mut self, at: usize) {
        let user = self.any_user();
        let client = self.ground.dice.pick(&CLIENTS).copied().unwrap_or(CLIENTS[0]);
        let password = self.any_password(user);
        self.login_with(at, user, client, password);
    }

    pub(super) fn login_with(
        &mut self,
        at: usize,
        user: usize,
        client: &'static str,
        password: String,
    ) {
        let max_sessions = self.ground.mood.max_sessions;
        let quiet = self.model().begin_login(user, max_sessions);
        let request = LoginRequest {
            identifier: self.model().users[user].name.clone(),
            password: Password::parse(password.clone()),
            client_id: client.to_owned(),
            audience: Vec::new(),
            scope: String::new(),
            label: String::new(),
            no_refresh_token: false,
        };
        let work = |auth: Arc<Auth>| async move { auth.login(request, &Caller::default()).await };
        self.call("login", at, work, move |model, begun, clock, outcome| match outcome {
            Some(Ok(login)) => {
                let whose = (user, client, password.as_str());
                let crowded = model.users[user].logins > max_sessions;
                let (id, tokens) = (login.session_id, &login.tokens);
                model.logged_in(begun, clock, whose, quiet, id, tokens, crowded);
            }
            Some(Err(error)) => {
                let refusal = model.refusal(&error);
                if refusal == Some(Refusal::InvalidCredentials) {
                    model.login_refused(user, &password, quiet);
                }
            }
            None => {}
        });
    }

    fn any_user(&self) -> usize {
        usize::try_from(self.ground.dice.below(self.ground.mood.users as u64)).unwrap_or(0)
    }

    /// Mostly one that may be right.
    fn any_password(&self, user: usize) -> String {
        let dice = &self.ground.dice;
        let model = self.model();
        let old = format!("a secret of {user}");
        if dice.one_of_thousand(80) {
            old
        } else {
            dice.pick(&model.users[user].passwords).cloned().unwrap_or(old)
        }
    }

    fn new_password(&self) -> String {
        format!("new secret {:016x}", self.ground.dice.roll())
    }

    // --- Refresh ---

    fn any_session(&self) -> Option<usize> {
        let count = self.model().sessions.len();
        let oldest =
            if self.ground.dice.one_of_thousand(700) { count.saturating_sub(4) } else { 0 };
        let numbers: Vec<usize> = (oldest..count).collect();
        self.ground.dice.pick(&numbers).copied()
    }

    fn refresh(&mut self, at: usize) {
        if let Some(session) = self.any_session() {
            self.refresh_session(at, session);
        }
    }

    /// Two tabs, or a proxy that tries again elsewhere.
    fn refresh_twice(&mut self, at: usize) {
        if let Some(session) = self.any_session() {
            let elsewhere = self.any_replica();
            self.refresh_session(at, session);
            self.refresh_session(elsewhere, session);
        }
    }

    pub(super) fn refresh_session(&mut self, at: usize, session: usize) {
        let held = self.model().sessions[session].held.clone();
        if let Some(token) = held.filter(|_| self.model().may_present(session)) {
            self.present(at, session, token);
        }
    }

    /// A thief has an old token.
    fn steal(&mut self, at: usize) {
        let Some(session) = self.any_session() else { return };
        let stolen = self.ground.dice.pick(&self.model().sessions[session].spent).cloned();
        if let Some(token) = stolen {
            if self.model().sessions[session].is_busy {
                return;
            }
            self.model().doubt_session(session);
            self.present(at, session, token);
        }
    }

    fn present(&mut self, at: usize, session: usize, token: String) {
        let is_right = self.replicas[at].clock_state().is_right;
        let (quiet, client) = {
            let mut model = self.model();
            model.begin_call(session);
            if !is_right {
                model.wrong_time(session);
            }
            let found = &model.sessions[session];
            (model.quiet(found.user), found.client)
        };
        let presented = SecretString::from(token.clone());
        let work = move |auth: Arc<Auth>| async move {
            auth.refresh(presented, client, &Caller::default()).await
        };
        self.call("refresh", at, work, move |model, begun, clock, outcome| {
            model.end_call(begun, clock, session);
            match outcome {
                Some(Ok(answer)) => {
                    model.refreshed(begun, (session, &token), quiet, &answer.tokens);
                }
                Some(Err(error)) => {
                    let refusal = model.refusal(&error);
                    if refusal.is_some_and(|refusal| model.refresh_refused(session, refusal)) {
                        let covers = Covers::sessions("theft was noticed", vec![session]);
                        model.killed(begun, &covers, None);
                    }
                }
                None => {}
            }
        });
    }

    // --- Revoke ---

    fn revoke_token(&mut self, at: usize) {
        let Some(session) = self.any_session() else { return };
        let token = {
            let model = self.model();
            let found = &model.sessions[session];
            let access = model.tokens.iter().rfind(|token| token.session == session);
            let tokens: Vec<&String> =
                found.held.iter().chain(&found.spent).chain(access.map(|t| &t.text)).collect();
            self.ground.dice.pick(&tokens).copied().cloned()
        };
        let Some(token) = token else { return };
        let covers = Covers::sessions("a token was revoked", vec![session]);
        let work =
            |auth: Arc<Auth>| async move { auth.revoke_token(&token, &Caller::default()).await };
        self.kill("revoke_token", at, covers, work);
    }

    fn revoke_own_session(&mut self, at: usize) {
        let (Some(token), Some(session)) = (self.any_token(), self.any_session()) else { return };
        let (text, id) = {
            let model = self.model();
            let user = |session: usize| model.sessions[session].user;
            if user(model.tokens[token].session) != user(session) {
                return;
            }
            (model.tokens[token].text.clone(), model.sessions[session].id.to_string())
        };
        let covers = Covers::sessions("its user ended the session", vec![session]);
        let work = |auth: Arc<Auth>| async move {
            let claims = auth.authenticate(Some(&text)).await?;
            auth.revoke_own_session(&claims, &id, &Caller::default()).await
        };
        self.kill("revoke_own_session", at, covers, work);
    }

    fn revoke_own_sessions(&mut self, at: usize) {
        let Some(token) = self.any_token() else { return };
        let (text, user, id, earlier) = {
            let model = self.model();
            let token = &model.tokens[token];
            let user = model.sessions[token.session].user;
            let id = model.users[user].id.to_string();
            (token.text.clone(), user, id, token.sessions_before)
        };
        // What was opened after the token may be beyond its version.
        let mut covers = self.all_of(user, "a user ended all own sessions");
        let maybe = covers.sessions.clone();
        covers.sessions.retain(|session| *session < earlier);
        covers.tokens.clear();
        self.model().begin_kill(&Covers::sessions("", maybe));
        let work = |auth: Arc<Auth>| async move {
            let claims = auth.authenticate(Some(&text)).await?;
            auth.revoke_own_sessions(&claims, &id, &Caller::default()).await
        };
        self.change("revoke_own_sessions", at, user, covers, work, |_, _, _, _| {});
    }

    fn revoke_user(&mut self, at: usize) {
        let user = self.any_user();
        let covers = self.all_of(user, "a user was revoked");
        let target = RevokeTarget::User(self.model().users[user].id);
        let work = |auth: Arc<Auth>| async move { revoke(&auth, target).await };
        self.change("revoke_user", at, user, covers, work, |_, _, _, _| {});
    }

    fn revoke_client(&mut self, at: usize) {
        let client = self.ground.dice.pick(&CLIENTS).copied().unwrap_or(CLIENTS[0]);
        let target = RevokeTarget::Client(ClientId::parse(client).expect("a client id"));
        let model = self.model();
        let all = model.sessions.iter().enumerate();
        let sessions = all.filter(|(_, s)| s.client == client).map(|(number, _)| number).collect();
        drop(model);
        self.revoke_many(
            "revoke_client",
            at,
            Covers::sessions("a client was revoked", sessions),
            target,
        );
    }

    fn revoke_all(&mut self, at: usize) {
        let sessions = (0..self.model().sessions.len()).collect();
        let covers = Covers::sessions("everything was revoked", sessions);
        self.revoke_many("revoke_all", at, covers, RevokeTarget::All);
    }

    fn revoke_many(&mut self, name: &'static str, at: usize, covers: Covers, target: RevokeTarget) {
        let users = 0..self.ground.mood.users;
        let quiet: Vec<Quiet> = users.clone().map(|user| self.model().begin_change(user)).collect();
        self.model().begin_kill(&covers);
        let work = |auth: Arc<Auth>| async move { revoke(&auth, target).await };
        self.call(name, at, work, move |model, begun, _, outcome| {
            for (user, quiet) in users.zip(quiet) {
                model.end_change(user, quiet);
            }
            match outcome {
                // The command line does it, which judges no token itself.
                Some(Ok(seq)) => {
                    model.killed(&begun.elsewhere(), &covers, Some(seq));
                }
                Some(Err(error)) => drop(model.refusal(&error)),
                None => {}
            }
        });
    }

    /// A call that ends one session.
    fn kill<W>(
        &mut self,
        name: &'static str,
        at: usize,
        covers: Covers,
        work: impl FnOnce(Arc<Auth>) -> W,
    ) where
        W: Future<Output = Result<i64, AuthError>> + Send + 'static,
    {
        self.model().begin_kill(&covers);
        self.call(name, at, work, move |model, begun, _, outcome| match outcome {
            Some(Ok(seq)) => drop(model.killed(begun, &covers, Some(seq))),
            Some(Err(error)) => drop(model.refusal(&error)),
            None => {}
        });
    }

    /// A call that changes a user, and so ends what `covers` says. `end` is told
    /// which kill it was, or that it may have been none; and whether nothing
    /// else can come after it.
    fn change<W, E>(
        &mut self,
        name: &'static str,
        at: usize,
        user: usize,
        covers: Covers,
        work: impl FnOnce(Arc<Auth>) -> W,
        end: E,
    ) where
        W: Future<Output = Result<i64, AuthError>> + Send + 'static,
        E: FnOnce(&mut Model, &Begun, Option<usize>, bool) + Send + 'static,
    {
        self.model().begin_kill(&covers);
        let quiet = self.model().begin_change(user);
        self.call(name, at, work, move |model, begun, _, outcome| {
            let certain = model.end_change(user, quiet);
            let kill = match outcome {
                Some(Ok(seq)) => Some(model.killed(begun, &covers, Some(seq))),
                Some(Err(error)) => {
                    model.refusal(&error);
                    None
                }
                None => None,
            };
            end(model, begun, kill, certain);
        });
    }

    /// Every session of the user, and all its access tokens.
    fn all_of(&self, user: usize, what: &'static str) -> Covers {
        let model = self.model();
        Covers { what, sessions: model.sessions_of(user), tokens: model.tokens_of(user) }
    }

    // --- Users ---

    fn set_password(&mut self, at: usize) {
        let user = self.any_user();
        let covers = self.all_of(user, "a password was set");
        let (id, password) = (self.model().users[user].id, self.new_password());
        let new = Password::parse(password.clone());
        let work = move |auth: Arc<Auth>| async move {
            let admin = Administrator::command_line();
            let account = auth.find_user(&id.to_string()).await?;
            auth.set_password(&account, new, &admin).await
        };
        self.change("set_password", at, user, covers, work, move |model, _, kill, certain| {
            model.may_have_password(user, password, kill.filter(|_| certain));
        });
    }

    fn disable(&mut self, at: usize) {
        let user = self.any_user();
        let covers = self.all_of(user, "a user was disabled");
        let id = self.model().users[user].id;
        let work = move |auth: Arc<Auth>| async move {
            auth.disable_user(id, &Administrator::command_line()).await
        };
        self.change("disable_user", at, user, covers, work, move |model, _, kill, certain| {
            model.may_be_disabled(user, kill.filter(|_| certain));
        });
    }

    /// What died stays dead.
    fn enable(&mut self, at: usize) {
        let user = self.any_user();
        let id = self.model().users[user].id;
        let quiet = self.model().begin_change(user);
        self.model().may_be_enabled(user, false);
        let work = move |auth: Arc<Auth>| async move {
            auth.enable_user(id, &Administrator::command_line()).await
        };
        self.call("enable_user", at, work, move |model, _, _, outcome| {
            let certain = model.end_change(user, quiet);
            let answered = matches!(outcome, Some(Ok(())));
            if let Some(Err(error)) = outcome {
                model.refusal(&error);
            }
            model.may_be_enabled(user, answered && certain);
        });
    }

    /// A user who is gone is one who cannot log in, for ever.
    fn delete(&mut self, at: usize) {
        let user = self.any_user();
        let covers = self.all_of(user, "a user was deleted");
        let id = self.model().users[user].id;
        let work = move |auth: Arc<Auth>| async move {
            auth.delete_user(id, &Administrator::command_line()).await
        };
        self.change("delete_user", at, user, covers, work, move |model, _, kill, certain| {
            model.may_be_disabled(user, kill.filter(|_| certain));
        });
    }

    /// Fewer roles end the access tokens, and no session.
    fn set_roles(&mut self, at: usize) {
        let user = self.any_user();
        let narrow = self.ground.dice.one_of_thousand(600);
        let roles = ROLES.iter().take(if narrow { 1 } else { ROLES.len() });
        let request = UpdateUserRequest {
            id: self.model().users[user].id,
            fields: vec!["roles".to_owned()],
            profile: ProfileRequest {
                roles: roles.map(|role| (*role).to_owned()).collect(),
                ..ProfileRequest::default()
            },
            revision: None,
        };
        self.model().users[user].roles_changed = true;
        let tokens = self.model().tokens_of(user);
        let covers = Covers { what: "a user has fewer roles", sessions: Vec::new(), tokens };
        self.model().begin_kill(&covers);
        let quiet = self.model().begin_change(user);
        let work = |auth: Arc<Auth>| async move {
            auth.update_user(request, &Administrator::command_line()).await
        };
        self.call("update_user", at, work, move |model, begun, _, outcome| {
            model.end_change(user, quiet);
            match outcome {
                Some(Ok((_, Some(seq)))) => drop(model.killed(begun, &covers, Some(seq))),
                Some(Ok((_, None))) => {}
                Some(Err(error)) => {
                    model.refusal(&error);
                    model.may_lose_roles(user);
                }
                None => model.may_lose_roles(user),
            }
        });
    }

    /// A user changes the password in a session, which survives.
    fn change_password(&mut self, at: usize) {
        let Some(session) = self.any_session() else { return };
        let password = self.new_password();
        let model = self.model();
        let found = &model.sessions[session];
        let user = found.user;
        let token = model.tokens.iter().rfind(|token| token.session == session);
        let (Some(held), Some(token)) = (found.held.clone(), token) else { return };
        let current = model.users[user].passwords.first().cloned().unwrap_or_default();
        if !model.may_change_password(session) {
            return;
        }
        let (text, new) = (token.text.clone(), Password::parse(password.clone()));
        drop(model);
        let mut covers = self.all_of(user, "a user has another password");
        covers.sessions.retain(|other| *other != session);
        // Without its answer the client has tokens of before.
        self.model().doubt_session(session);
        self.model().sessions[session].is_busy = true;
        self.model().begin_call(session);
        self.model().begin_kill(&covers);
        let quiet = self.model().begin_change(user);
        let request = ChangePasswordRequest {
            current: Password::parse(current),
            new,
            refresh_token: Some(SecretString::from(held)),
        };
        let work = |auth: Arc<Auth>| async move {
            let claims = auth.authenticate(Some(&text)).await?;
            auth.change_password(&claims, request, &Caller::default()).await
        };
        self.call("change_password", at, work, move |model, begun, clock, outcome| {
            model.end_call(begun, clock, session);
            model.sessions[session].is_busy = false;
            let certain = model.end_change(user, quiet);
            let kill = match outcome {
                Some(Ok(changed)) => {
                    let kill = model.killed(begun, &covers, Some(changed.revocation_seq));
                    model.survived(begun, session, kill, &changed.tokens);
                    Some(kill)
                }
                Some(Err(error)) => {
                    model.refusal(&error);
                    None
                }
                None => None,
            };
            model.may_have_password(user, password, kill.filter(|_| certain));
        });
    }
}

impl Covers {
    fn sessions(what: &'static str, sessions: Vec<usize>) -> Self {
        Self { what, sessions, tokens: Vec::new() }
    }
}

async fn revoke(auth: &Auth, target: RevokeTarget) -> Result<i64, AuthError> {
    let seq = auth.revoke(target, &Administrator::command_line()).await?;
    seq.ok_or(AuthError::NotFound("user"))
}
