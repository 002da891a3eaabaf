//! Every statement of the store, once, for both engines: numbered
//! placeholders, no dates, no `now()`.
//!
//! Two rules of PostgreSQL's READ COMMITTED decide how they are cut. A write
//! that waited for another one checks its own row again, but not what its
//! subqueries saw: what must be fresh after waiting is asked for in a
//! statement of its own. And the state check stands in the `WHERE` of the
//! write: the row that it returns is the only proof of having won.

macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:expr;)*) => {
        $($(#[$doc])* pub const $name: &str = $sql;)*

        /// All of them with their names, to be prepared on both engines by a
        /// test: no macro could check one text against two databases.
        pub const ALL: &[(&str, &str)] = &[$((stringify!($name), $name)),*];
    };
}

/// An account, from `users u`.
macro_rules! account {
    () => {
        concat!(
            "u.id AS account_id, u.version AS account_version, u.revision, u.display_name, u.roles, \
             u.created_at AS account_created_at, u.disabled_at AS account_disabled_at, \
             u.last_login_at",
            identifier!("username"),
            identifier!("email"),
            identifier!("phone"),
            verified!("email"),
            verified!("phone")
        )
    };
}

/// A further column: the user's identifier of a kind, from `users u`.
macro_rules! identifier {
    ($kind:literal) => {
        concat!(
            ", (SELECT i.canonical FROM user_identifiers i WHERE i.user_id = u.id AND i.kind = '",
            $kind,
            "') AS ",
            $kind
        )
    };
}

/// A further column: when the user's identifier of a kind was verified.
macro_rules! verified {
    ($kind:literal) => {
        concat!(
            ", (SELECT i.verified_at FROM user_identifiers i WHERE i.user_id = u.id \
             AND i.kind = '",
            $kind,
            "') AS ",
            $kind,
            "_verified_at"
        )
    };
}

/// The roles of `users u`, each between two spaces.
macro_rules! roles {
    () => {
        "' ' || u.roles || ' '"
    };
}

/// A session, from `sessions s`.
macro_rules! session {
    () => {
        "s.id, s.user_id, s.user_version, s.min_refresh_version, s.client_id, s.client_version, s.generation, \
         s.rotated_at, s.created_at, s.expires_at, s.idle_expires_at, s.auth_time, s.amr, s.scope, \
         s.audience, s.label, s.ip, s.user_agent, s.revoked_at, s.revoke_reason"
    };
}

/// Clients that administrators made, each with its secrets one after another,
/// from `s` their settings that a condition chooses.
macro_rules! clients_where {
    ($condition:literal) => {
        concat!(
            "SELECT s.client_id, s.etag, s.display_name, s.audience, s.scope, s.default_scope, \
             s.access_lifetime_s, s.session_lifetime_s, s.idle_lifetime_s, s.rotation, \
             s.max_sessions_per_user, s.allow_login, s.jwks, s.created_at, s.updated_at, \
             c.version, c.disabled_at, h.version_floor, k.id AS secret_id, k.digest, \
             k.created_at AS secret_created_at, k.expires_at AS secret_expires_at \
             FROM client_settings s JOIN clients c ON c.id = s.client_id \
             CROSS JOIN revocation_head h LEFT JOIN client_secrets k ON k.client_id = s.client_id \
             WHERE ",
            $condition,
            " ORDER BY s.client_id, k.created_at, k.id"
        )
    };
}

/// A log entry, from `revocations`.
macro_rules! entry {
    () => {
        "seq, id, kind, subject, min_version, expires_at, at, reason, actor"
    };
}

/// An entry of the audit log, from `audit_events`.
macro_rules! audit_event {
    () => {
        "seq, at, action, outcome, reason, actor, user_id, session_id, client_id, source, \
         request_id, detail, digest"
    };
}

/// A user's version, but at least the version floor.
macro_rules! lifted {
    () => {
        "CASE WHEN version < (SELECT h.version_floor FROM revocation_head h) \
         THEN (SELECT h.version_floor FROM revocation_head h) ELSE version END"
    };
}

/// What must hold for a refresh token to be taken: $1 session, $2 generation,
/// $3 client, $4 now, $6 the user version that the token carries: the session's
/// own, or an older one since which no password was changed.
macro_rules! refreshable {
    () => {
        "id = $1 AND generation = $2 AND client_id = $3 \
         AND min_refresh_version <= $6 AND $6 <= user_version \
         AND revoked_at IS NULL \
         AND expires_at > $4 AND (idle_expires_at IS NULL OR idle_expires_at > $4) \
         AND user_version >= (SELECT h.version_floor FROM revocation_head h) \
         AND EXISTS (SELECT 1 FROM users u WHERE u.id = sessions.user_id \
             AND u.version = sessions.user_version AND u.disabled_at IS NULL) \
         AND EXISTS (SELECT 1 FROM clients c WHERE c.id = sessions.client_id \
             AND c.version = sessions.client_version AND c.disabled_at IS NULL)"
    };
}

/// The instant $N, less the largest access lifetime ever configured: what was
/// revoked before has no living token.
macro_rules! less_access_lifetime {
    ($instant:literal) => {
        concat!($instant, " - 1000000 * (SELECT h.max_access_lifetime_s FROM revocation_head h)")
    };
}

statements! {
    // --- instance ---
    /// Makes a new database ours: $1 issuer, $2 lifetime in s, $3 now.
    INSERT_INSTANCE = "INSERT INTO instance (only_row, issuer, max_session_lifetime_s, created_at) \
        VALUES (1, $1, $2, $3) ON CONFLICT (only_row) DO NOTHING";
    /// Whose database it is.
    SELECT_INSTANCE = "SELECT issuer, max_session_lifetime_s FROM instance";
    /// Raises the largest session lifetime to $1 s.
    RAISE_SESSION_LIFETIME = "UPDATE instance SET max_session_lifetime_s = $1 \
        WHERE max_session_lifetime_s < $1";
    /// Adds a client: $1 id, $2 now.
    INSERT_CLIENT = "INSERT INTO clients (id, version, created_at) VALUES ($1, 1, $2) \
        ON CONFLICT (id) DO NOTHING";
    /// Begins the log: $1 epoch, $2 lifetime in s.
    INSERT_HEAD = "INSERT INTO revocation_head \
        (only_row, epoch, seq, version_floor, max_access_lifetime_s) \
        VALUES (1, $1, 0, 0, $2) ON CONFLICT (only_row) DO NOTHING";
    /// Raises the largest access lifetime to $1 s.
    RAISE_ACCESS_LIFETIME = "UPDATE revocation_head SET max_access_lifetime_s = $1 \
        WHERE max_access_lifetime_s < $1";

    // --- accounts ---
    /// A new user: $1 id, $2 hash, $3 display name, $4 roles, $5 now. It
    /// starts at the version floor: below it, it could never refresh.
    INSERT_USER = "INSERT INTO users (id, version, password_hash, display_name, roles, created_at) \
        VALUES ($1, COALESCE((SELECT CASE WHEN h.version_floor > 1 THEN h.version_floor ELSE 1 END \
            FROM revocation_head h), 1), $2, $3, $4, $5)";
    /// Takes an identifier, if it is free: $1 kind, $2 text, $3 user.
    INSERT_IDENTIFIER = "INSERT INTO user_identifiers (kind, canonical, user_id) \
        VALUES ($1, $2, $3) ON CONFLICT (kind, canonical) DO NOTHING RETURNING kind";
    /// Takes back the user $1, who was inserted a moment ago.
    DELETE_USER = "DELETE FROM users WHERE id = $1";
    /// The user with the identifier of kind $1 and text $2, and its password.
    SELECT_CREDENTIALS = concat!("SELECT ", account!(), ", u.password_hash \
        FROM user_identifiers k JOIN users u ON u.id = k.user_id \
        WHERE k.kind = $1 AND k.canonical = $2");
    /// The user $1, and its password.
    SELECT_CREDENTIALS_OF = concat!("SELECT ", account!(), ", u.password_hash \
        FROM users u WHERE u.id = $1");
    /// The user $1.
    SELECT_USER = concat!("SELECT ", account!(), " FROM users u WHERE u.id = $1");
    /// Users after $1, at most $2, whose roles are like $3, and who are
    /// 'disabled' or 'enabled' as $4 says (empty for all).
    SELECT_USERS = concat!("SELECT ", account!(), " FROM users u WHERE u.id > $1 \
        AND ($3 = '' OR ", roles!(), " LIKE $3 ESCAPE '!') AND ($4 = '' \
            OR $4 = CASE WHEN u.disabled_at IS NULL THEN 'enabled' ELSE 'disabled' END) \
        ORDER BY u.id LIMIT $2");
    /// Somebody enabled whose roles are like $1.
    SELECT_ENABLED_WITH_ROLE = concat!("SELECT u.id FROM users u WHERE u.disabled_at IS NULL \
        AND ", roles!(), " LIKE $1 ESCAPE '!' LIMIT 1");
    /// Locks the user $1.
    LOCK_USER_ROW = "UPDATE users SET version = version WHERE id = $1 RETURNING id";
    /// Gives the user $1 the display name $2 and the roles $3.
    UPDATE_PROFILE = "UPDATE users SET display_name = $2, roles = $3, revision = revision + 1 \
        WHERE id = $1 RETURNING id";
    /// Takes the identifier of kind $2 from the user $1.
    DELETE_IDENTIFIER = "DELETE FROM user_identifiers WHERE user_id = $1 AND kind = $2";
    /// Takes the live sessions of the user $1 from version $2 to $3. Those below
    /// the version floor are dead, and stay behind.
    MOVE_SESSIONS_OF_USER = "UPDATE sessions SET user_version = $3 \
        WHERE user_id = $1 AND user_version = $2 AND revoked_at IS NULL \
        AND user_version >= (SELECT h.version_floor FROM revocation_head h) RETURNING id";
    /// Compare and set: $1 user, $2 old hash, $3 new hash.
    REPLACE_PASSWORD_HASH = "UPDATE users SET password_hash = $3 \
        WHERE id = $1 AND password_hash = $2 RETURNING id";
    /// Enables the user $1, if it is disabled. Its version stays, so what died
    /// stays dead.
    ENABLE_USER = "UPDATE users SET disabled_at = NULL \
        WHERE id = $1 AND disabled_at IS NOT NULL RETURNING id";

    // --- passwords ---
    /// Locks the user $1, if it is enabled and still has version $2 and hash $3.
    LOCK_USER = "UPDATE users SET version = version \
        WHERE id = $1 AND disabled_at IS NULL AND version = $2 AND password_hash = $3 \
        RETURNING id";
    /// Locks the session $1.
    LOCK_SESSION = "UPDATE sessions SET generation = generation WHERE id = $1 RETURNING id";
    /// Gives the user $1 the hash $2, and raises its version.
    SET_PASSWORD = concat!("UPDATE users SET password_hash = $2, version = 1 + ", lifted!(), " \
        WHERE id = $1 RETURNING version");
    /// Brings the session $1 to the user version $2 at $3; $4 is the new idle
    /// end, and $5 the instant after which it does not live, if there is one.
    MOVE_SESSION = "UPDATE sessions SET user_version = $2, min_refresh_version = $2, generation = generation + 1, \
        rotated_at = $3, auth_time = $3, idle_expires_at = $4, \
        expires_at = CASE WHEN $5 < expires_at THEN $5 ELSE expires_at END \
        WHERE id = $1 RETURNING id";

    // --- one-time tokens ---
    /// Locks the user $1, and gives the version that its tokens are good at.
    LOCK_USER_FOR_TOKEN = concat!("UPDATE users SET version = version WHERE id = $1 \
        RETURNING disabled_at, ", lifted!(), " AS version");
    /// The identifier of kind $2 of the user $1.
    SELECT_IDENTIFIER = "SELECT canonical FROM user_identifiers WHERE user_id = $1 AND kind = $2";
    /// A new token in place of an older one, unless that was made after $9 (and
    /// not after $10: it was made by a wrong clock). $1 digest, $2 purpose, $3
    /// user, $4 version, $5 and $6 identifier, $7 now, $8 end.
    ISSUE_ONE_TIME_TOKEN = "INSERT INTO one_time_tokens \
        (digest, purpose, user_id, user_version, kind, canonical, created_at, expires_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
        ON CONFLICT (user_id, purpose, kind) DO UPDATE SET digest = excluded.digest, \
        user_version = excluded.user_version, canonical = excluded.canonical, \
        created_at = excluded.created_at, expires_at = excluded.expires_at \
        WHERE one_time_tokens.created_at <= $9 OR one_time_tokens.created_at > $10 \
        RETURNING digest";
    /// When the token for $2 and the identifier of kind $3 of the user $1 was made.
    SELECT_ONE_TIME_ISSUE = "SELECT created_at FROM one_time_tokens \
        WHERE user_id = $1 AND purpose = $2 AND kind = $3";
    /// Whose the token $1 for $2 is, if it could be used at $3.
    SELECT_ONE_TIME_TOKEN = concat!("SELECT ", account!(), ", ", lifted!(), " AS user_version \
        FROM one_time_tokens t JOIN users u ON u.id = t.user_id \
        WHERE t.digest = $1 AND t.purpose = $2 AND t.expires_at > $3 AND u.disabled_at IS NULL \
        AND (t.user_version IS NULL OR t.user_version = ", lifted!(), ")");
    /// Uses up the token $1 for $2 of the user $3, who is or was just now at
    /// the version $4, at $5.
    USE_ONE_TIME_TOKEN = "DELETE FROM one_time_tokens \
        WHERE digest = $1 AND purpose = $2 AND user_id = $3 AND expires_at > $5 \
        AND (user_version IS NULL OR user_version = $4) RETURNING kind, canonical";
    /// Deletes the token for $2 of the user $1.
    DELETE_ONE_TIME_TOKEN = "DELETE FROM one_time_tokens WHERE user_id = $1 AND purpose = $2";
    /// Gives the user $1 the hash $2 and raises its version, if it is enabled
    /// and its tokens are good at the version $3.
    RESET_PASSWORD = concat!("UPDATE users SET password_hash = $2, version = 1 + ", lifted!(), " \
        WHERE id = $1 AND disabled_at IS NULL AND ", lifted!(), " = $3 RETURNING version");
    /// The user $1 has shown at $4 that the identifier of kind $2 and text $3
    /// is theirs.
    VERIFY_IDENTIFIER = "UPDATE user_identifiers SET verified_at = $4 \
        WHERE user_id = $1 AND kind = $2 AND canonical = $3 RETURNING kind";
    // --- clients ---
    /// A row for the client $1 at $2: a new one, or that of an earlier client
    /// of this id, whose versions go on.
    REOPEN_CLIENT = "INSERT INTO clients (id, version, created_at) VALUES ($1, 1, $2) \
        ON CONFLICT (id) DO UPDATE SET version = clients.version + 1, disabled_at = NULL \
        RETURNING version";
    /// Takes an id, if it is free: $1 client, $2 etag, $3 to $13 its settings,
    /// $14 now.
    INSERT_CLIENT_SETTINGS = "INSERT INTO client_settings (client_id, etag, display_name, audience, \
        scope, default_scope, access_lifetime_s, session_lifetime_s, idle_lifetime_s, rotation, \
        max_sessions_per_user, allow_login, jwks, created_at, updated_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14) \
        ON CONFLICT (client_id) DO NOTHING RETURNING client_id";
    /// Locks the client $1, if its etag is $2 (empty for any).
    LOCK_CLIENT = "UPDATE client_settings SET etag = etag \
        WHERE client_id = $1 AND ($2 = '' OR etag = $2) RETURNING client_id";
    /// The client $1 was changed at $3, and has the etag $2 now.
    TOUCH_CLIENT = "UPDATE client_settings SET etag = $2, updated_at = $3 WHERE client_id = $1";
    /// Other settings for the client $1: $2 to $12.
    UPDATE_CLIENT_SETTINGS = "UPDATE client_settings SET display_name = $2, audience = $3, \
        scope = $4, default_scope = $5, access_lifetime_s = $6, session_lifetime_s = $7, \
        idle_lifetime_s = $8, rotation = $9, max_sessions_per_user = $10, allow_login = $11, \
        jwks = $12 WHERE client_id = $1";
    /// Disables the client $1 at $2 and raises its version, once.
    DISABLE_CLIENT = "UPDATE clients SET disabled_at = $2, version = version + 1 \
        WHERE id = $1 AND disabled_at IS NULL RETURNING version";
    /// The same, whether it was disabled before or not.
    CLOSE_CLIENT = "UPDATE clients SET disabled_at = $2, version = version + 1 \
        WHERE id = $1 RETURNING version";
    /// Enables the client $1. Its version stays, so what died stays dead.
    ENABLE_CLIENT = "UPDATE clients SET disabled_at = NULL WHERE id = $1";
    /// Enables the configured client $1, which was left by one that was deleted.
    ENABLE_CONFIGURED_CLIENT = "UPDATE clients SET disabled_at = NULL \
        WHERE id = $1 AND disabled_at IS NOT NULL \
        AND NOT EXISTS (SELECT 1 FROM client_settings s WHERE s.client_id = clients.id)";
    /// The settings of the client $1 go, and its secrets with them.
    DELETE_CLIENT_SETTINGS = "DELETE FROM client_settings WHERE client_id = $1";
    /// A new secret: $1 id, $2 client, $3 digest, $4 now.
    INSERT_SECRET = "INSERT INTO client_secrets (id, client_id, digest, created_at) \
        VALUES ($1, $2, $3, $4)";
    /// All secrets of the client $1 go.
    DELETE_SECRETS = "DELETE FROM client_secrets WHERE client_id = $1";
    /// Those that have an end already.
    DELETE_ENDING_SECRETS = "DELETE FROM client_secrets \
        WHERE client_id = $1 AND expires_at IS NOT NULL";
    /// What is left of them ends at $2.
    END_SECRETS = "UPDATE client_secrets SET expires_at = $2 WHERE client_id = $1";
    /// The client $1 with its secrets.
    SELECT_CLIENT = clients_where!("s.client_id = $1");
    /// Clients after $1, at most $2, with their secrets.
    SELECT_CLIENTS = clients_where!("s.client_id IN (SELECT p.client_id FROM client_settings p \
        WHERE p.client_id > $1 ORDER BY p.client_id LIMIT $2)");
    /// Uses up the assertion of the client $1 with the digest $2, which is over
    /// at $3; once.
    USE_ASSERTION = "INSERT INTO client_assertions (client_id, digest, expires_at) \
        VALUES ($1, $2, $3) ON CONFLICT (client_id, digest) DO NOTHING RETURNING client_id";

    // --- sessions ---
    /// Locks the user $1 for a login at $3 and lifts it to the version floor,
    /// if it is enabled and still at version $2. Another login may have lifted
    /// it meanwhile to exactly the floor; then its hash must be $4 still, or the
    /// password that was checked may be one of before.
    RECORD_LOGIN = concat!("UPDATE users SET last_login_at = $3, version = ", lifted!(), " \
        WHERE id = $1 AND disabled_at IS NULL AND (version = $2 OR ($2 < version \
            AND password_hash = $4 \
            AND version = (SELECT h.version_floor FROM revocation_head h))) RETURNING version");
    /// The version of the client $1, if it is enabled.
    SELECT_ENABLED_CLIENT = "SELECT version FROM clients WHERE id = $1 AND disabled_at IS NULL";
    /// Deletes sessions of the user $1 that were over at $2, and those revoked
    /// so long before $3 that none of their tokens lives; at most $4.
    DELETE_DEAD_OF_USER = concat!("DELETE FROM sessions WHERE id IN (\
        SELECT s.id FROM sessions s \
            WHERE s.user_id = $1 AND s.revoked_at IS NULL AND s.expires_at <= $2 \
        UNION ALL SELECT s.id FROM sessions s \
            WHERE s.user_id = $1 AND s.revoked_at <= ", less_access_lifetime!("$3"), " LIMIT $4)");
    /// Revokes all live sessions of the user $1 (version $2) on the client $3
    /// (version $4) but the $6 newest: $5 now, $7 reason.
    REVOKE_OVER_LIMIT = "UPDATE sessions SET revoked_at = $5, revoke_reason = $7 \
        WHERE revoked_at IS NULL AND id IN (SELECT s.id FROM sessions s WHERE s.user_id = $1 \
            AND s.user_version = $2 AND s.client_id = $3 AND s.client_version = $4 \
            AND s.revoked_at IS NULL AND s.expires_at > $5 \
            AND (s.idle_expires_at IS NULL OR s.idle_expires_at > $5) \
            ORDER BY s.created_at DESC, s.id DESC LIMIT 9223372036854775807 OFFSET $6) \
        RETURNING id";
    /// A new session.
    INSERT_SESSION = "INSERT INTO sessions (id, user_id, user_version, min_refresh_version, \
        client_id, client_version, generation, rotated_at, created_at, expires_at, idle_expires_at, auth_time, amr, scope, \
        audience, label, ip, user_agent) VALUES \
        ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)";
    /// Live sessions of the user $1 before the id $2 at $3, at most $4.
    SELECT_LIVE_SESSIONS = concat!("SELECT ", session!(), " FROM sessions s \
        JOIN users u ON u.id = s.user_id JOIN clients c ON c.id = s.client_id \
        CROSS JOIN revocation_head h \
        WHERE s.user_id = $1 AND s.id < $2 AND s.revoked_at IS NULL AND s.expires_at > $3 \
        AND (s.idle_expires_at IS NULL OR s.idle_expires_at > $3) \
        AND u.disabled_at IS NULL AND u.version = s.user_version \
        AND c.disabled_at IS NULL AND c.version = s.client_version \
        AND s.user_version >= h.version_floor ORDER BY s.id DESC LIMIT $4");

    // --- rotation ---
    /// Uses a refresh token up; $5 is the new idle end.
    ADVANCE = concat!("UPDATE sessions SET generation = generation + 1, rotated_at = $4, \
        idle_expires_at = $5 WHERE ", refreshable!(), " RETURNING id");
    /// Uses a refresh token that stays good; $5 is the new idle end.
    PROLONG = concat!("UPDATE sessions SET idle_expires_at = $5 WHERE ", refreshable!(),
        " RETURNING id");
    /// The session $1 and all that it depends on.
    SELECT_STANDING = concat!("SELECT ", session!(), ", ", account!(), ", \
        c.version AS current_client_version, c.disabled_at AS client_disabled_at, h.version_floor \
        FROM sessions s JOIN users u ON u.id = s.user_id JOIN clients c ON c.id = s.client_id \
        CROSS JOIN revocation_head h WHERE s.id = $1");

    // --- revocation ---
    /// Revokes the session $1 at $2 for $3, once.
    REVOKE_SESSION = "UPDATE sessions SET revoked_at = $2, revoke_reason = $3 \
        WHERE id = $1 AND revoked_at IS NULL RETURNING id";
    /// The session $1.
    SELECT_SESSION = concat!("SELECT ", session!(), " FROM sessions s WHERE s.id = $1");
    /// Raises the version of the user $1, above the version floor too.
    BUMP_USER = concat!("UPDATE users SET version = 1 + ", lifted!(), " \
        WHERE id = $1 RETURNING version");
    /// The same, if it is still at version $2.
    BUMP_USER_AT = concat!("UPDATE users SET version = 1 + ", lifted!(), " \
        WHERE id = $1 AND version = $2 RETURNING version");
    /// Disables the user $1 at $2 and raises its version, once.
    DISABLE_USER = concat!("UPDATE users SET disabled_at = $2, version = 1 + ", lifted!(), " \
        WHERE id = $1 AND disabled_at IS NULL RETURNING version");
    /// Raises the version of the client $1.
    BUMP_CLIENT = "UPDATE clients SET version = version + 1 WHERE id = $1 RETURNING version";
    /// The largest version of any user.
    SELECT_MAX_VERSION = "SELECT COALESCE(MAX(version), 0) AS version FROM users";
    /// Lifts the version floor to $1.
    RAISE_FLOOR = "UPDATE revocation_head SET version_floor = $1";

    // --- audit ---
    /// Takes the next $1 places in the audit log. Its row lock, held until the
    /// commit, gives `seq` the order of the commits.
    TAKE_AUDIT_SEQ = "UPDATE audit_head SET seq = seq + $1 RETURNING seq, digest";
    /// A new entry.
    INSERT_AUDIT_EVENT = concat!("INSERT INTO audit_events (", audit_event!(), ") \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)");
    /// Leaves the digest of the newest entry at the head: $1.
    SET_AUDIT_DIGEST = "UPDATE audit_head SET digest = $1";
    /// Entries after $1 in order, at most $2.
    SELECT_AUDIT_AFTER = concat!("SELECT ", audit_event!(), " FROM audit_events WHERE seq > $1 \
        ORDER BY seq LIMIT $2");
    /// The newest place that was given out.
    SELECT_AUDIT_HEAD = "SELECT seq, digest FROM audit_head";
    /// Entries before $1, newest first, at most $2, of the user $3, the session
    /// $4, the client $5, the actor $6, the action $7, the outcome $8 (empty for
    /// any), from $9 on and before $10.
    SELECT_AUDIT_EVENTS = concat!("SELECT ", audit_event!(), " FROM audit_events WHERE seq < $1 \
        AND ($3 = '' OR user_id = $3) AND ($4 = '' OR session_id = $4) \
        AND ($5 = '' OR client_id = $5) AND ($6 = '' OR actor = $6) \
        AND ($7 = '' OR action = $7) AND ($8 = '' OR outcome = $8) \
        AND at >= $9 AND at < $10 ORDER BY seq DESC LIMIT $2");
    /// The same for a user $3 who is given, by the index of users.
    SELECT_AUDIT_EVENTS_OF_USER = concat!("SELECT ", audit_event!(), " FROM audit_events \
        WHERE seq < $1 AND user_id <> '' AND user_id = $3 AND ($4 = '' OR session_id = $4) \
        AND ($5 = '' OR client_id = $5) AND ($6 = '' OR actor = $6) \
        AND ($7 = '' OR action = $7) AND ($8 = '' OR outcome = $8) \
        AND at >= $9 AND at < $10 ORDER BY seq DESC LIMIT $2");
    /// Notes that the generation $2 of the session $1 was repeated, once.
    MARK_REPLAYED = "UPDATE sessions SET replayed_generation = $2 \
        WHERE id = $1 AND replayed_generation < $2 RETURNING id";

    // --- log ---
    /// Takes the next $1 places in the log. Its row lock, held until the
    /// commit, gives `seq` the order of the commits.
    TAKE_SEQ = "UPDATE revocation_head SET seq = seq + $1 \
        RETURNING seq, epoch, version_floor, max_access_lifetime_s";
    /// A new entry.
    INSERT_ENTRY = concat!("INSERT INTO revocations (", entry!(), ") \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)");
    /// The newest entry of kind $1 about $2.
    SELECT_ENTRY_IN_FORCE = concat!("SELECT ", entry!(), " FROM revocations \
        WHERE kind = $1 AND subject = $2 ORDER BY seq DESC LIMIT 1");
    /// The head.
    SELECT_HEAD = "SELECT epoch, seq, version_floor, max_access_lifetime_s FROM revocation_head";
    /// The head, and the id of the entry $1.
    LOOK = "SELECT h.epoch, h.seq, h.max_access_lifetime_s, \
        (SELECT r.id FROM revocations r WHERE r.seq = $1) AS known_id FROM revocation_head h";
    /// Entries after $1, at most $2.
    SELECT_LOG = concat!("SELECT ", entry!(), " FROM revocations WHERE seq > $1 \
        ORDER BY seq LIMIT $2");

    // --- throttling ---
    /// What is counted of $2 of the kind $1.
    SELECT_TALLY = "SELECT subject, failures, pending, failed_at, reserved_at, forget_at \
        FROM login_failures WHERE kind = $1 AND subject = $2";
    /// The same, made if it was not there, and locked until the commit.
    LOCK_TALLY = "INSERT INTO login_failures \
        (kind, subject, failures, pending, failed_at, reserved_at, forget_at) \
        VALUES ($1, $2, 0, 0, 0, 0, 0) \
        ON CONFLICT (kind, subject) DO UPDATE SET failures = login_failures.failures \
        RETURNING subject, failures, pending, failed_at, reserved_at, forget_at";
    /// What is now counted: $3 failures, $4 pending, and the three times.
    UPDATE_TALLY = "UPDATE login_failures SET failures = $3, pending = $4, failed_at = $5, \
        reserved_at = $6, forget_at = $7 WHERE kind = $1 AND subject = $2";
    /// There is nothing to count of $2 of the kind $1.
    DELETE_TALLY = "DELETE FROM login_failures WHERE kind = $1 AND subject = $2";

    // --- sweeping ---
    /// Deletes audit entries of before $1, at most $2.
    DELETE_OLD_AUDIT = "DELETE FROM audit_events WHERE seq IN (SELECT e.seq FROM audit_events e \
        WHERE e.at < $1 ORDER BY e.at LIMIT $2) RETURNING seq";
    /// Deletes tallies that are forgotten at $1, at most $2.
    DELETE_FORGOTTEN = "DELETE FROM login_failures WHERE (kind, subject) IN (\
        SELECT f.kind, f.subject FROM login_failures f \
        WHERE f.forget_at <= $1 ORDER BY f.forget_at LIMIT $2) AND forget_at <= $1 \
        RETURNING subject";
    /// Deletes one-time tokens that were over at $1, at most $2.
    DELETE_DEAD_TOKENS = "DELETE FROM one_time_tokens WHERE digest IN (\
        SELECT t.digest FROM one_time_tokens t WHERE t.expires_at <= $1 \
        ORDER BY t.expires_at LIMIT $2) RETURNING digest";
    /// Deletes used assertions that were over at $1, at most $2.
    DELETE_ASSERTIONS = "DELETE FROM client_assertions WHERE (client_id, digest) IN (\
        SELECT a.client_id, a.digest FROM client_assertions a \
        WHERE a.expires_at <= $1 ORDER BY a.expires_at LIMIT $2) RETURNING client_id";
    /// Deletes sessions that were over at $1, at most $2.
    DELETE_EXPIRED = "DELETE FROM sessions WHERE id IN (SELECT s.id FROM sessions s \
        WHERE s.expires_at <= $1 ORDER BY s.expires_at LIMIT $2) RETURNING id";
    /// Deletes sessions that were revoked so long before $1 that none of their
    /// tokens lives, at most $2.
    DELETE_REVOKED = concat!("DELETE FROM sessions WHERE id IN (SELECT s.id FROM sessions s \
        WHERE s.revoked_at <= ", less_access_lifetime!("$1"), " \
        ORDER BY s.revoked_at LIMIT $2) RETURNING id");
    /// Deletes entries that can kill nothing after $1, at most $2, and never
    /// the newest.
    DELETE_DEAD_ENTRIES = "DELETE FROM revocations WHERE seq IN (SELECT r.seq FROM revocations r \
        WHERE r.expires_at <= $1 AND r.seq < (SELECT h.seq FROM revocation_head h) \
        ORDER BY r.expires_at LIMIT $2) RETURNING seq";
}

/// PostgreSQL's clock in microseconds. SQLite has no clock of its own.
pub const POSTGRES_TIME: &str =
    "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT) AS micros";

/// Leaves no transaction open on a PostgreSQL connection that is taken from
/// its pool: sqlx 0.9.0 can give one back inside a transaction that it does
/// not know of, when its `BEGIN` was cancelled. The pair costs one round trip,
/// in place of the pool's ping; the server warns about it only when there was
/// something to undo. In a failed transaction the pair fails, and the pool
/// then closes the connection.
pub const POSTGRES_LEAVE_TRANSACTION: &str = "BEGIN; ROLLBACK";
