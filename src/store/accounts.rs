//! Users and their identifiers.

use super::{
    audit,
    engine::Engine,
    port::{Context, CreateUser, Credentials, NewUser, StoreError, UserQuery},
    rows::{Fields, account, joined},
    sql,
    unit::Unit,
};
use crate::domain::{
    account::{Account, NewAccount, Role},
    audit::Action,
    clock::Timestamp,
    id::UserId,
    identifier::Identifier,
    password::PasswordHash,
};

pub(super) async fn create<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    new: &NewUser,
) -> Result<CreateUser, StoreError> {
    let outcome = insert(unit, &new.account, new.event.at).await?;
    if outcome == CreateUser::Created {
        audit::record(unit, new.event.clone().user(new.account.id)).await?;
    } else {
        unit.undo();
    }
    Ok(outcome)
}

pub(super) async fn create_many<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    (new, context): &(Vec<NewAccount>, Context),
) -> Result<Vec<CreateUser>, StoreError> {
    let mut outcomes = Vec::with_capacity(new.len());
    let mut events = Vec::with_capacity(new.len());
    for account in new {
        let outcome = insert(unit, account, context.now).await?;
        if outcome == CreateUser::Created {
            events.push(context.event(Action::ImportUser).user(account.id));
        } else {
            // The others stay; with the user go the identifiers it got.
            unit.query(sql::DELETE_USER).bind(account.id).run().await?;
        }
        outcomes.push(outcome);
    }
    audit::record_all(unit, &events).await?;
    Ok(outcomes)
}

pub(super) async fn credentials<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    identifier: &Identifier,
) -> Result<Option<Credentials>, StoreError> {
    let query = unit.query(sql::SELECT_CREDENTIALS);
    let row = query.bind(identifier.kind()).bind(identifier.as_str()).optional().await?;
    row.map(|row| credentials_in::<DB>(&row)).transpose()
}

pub(super) async fn credentials_of<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    user: &UserId,
) -> Result<Option<Credentials>, StoreError> {
    let row = unit.query(sql::SELECT_CREDENTIALS_OF).bind(*user).optional().await?;
    row.map(|row| credentials_in::<DB>(&row)).transpose()
}

fn credentials_in<DB: Engine>(row: &DB::Row) -> Result<Credentials, StoreError> {
    let fields = Fields::<DB>::new(row, "users", "account_id");
    let password_hash = fields.optional_text("password_hash")?.map(PasswordHash::new);
    Ok(Credentials { account: account::<DB>(row)?, password_hash })
}

pub(super) async fn by_id<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    id: &UserId,
) -> Result<Option<Account>, StoreError> {
    let row = unit.query(sql::SELECT_USER).bind(*id).optional().await?;
    row.as_ref().map(account::<DB>).transpose()
}

pub(super) async fn list<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    query: &UserQuery,
) -> Result<Vec<Account>, StoreError> {
    // The empty text stands before every id.
    let after = query.after.map(|id| id.to_string()).unwrap_or_default();
    let state = match query.disabled {
        None => "",
        Some(true) => "disabled",
        Some(false) => "enabled",
    };
    let users = unit.query(sql::SELECT_USERS).bind(after).bind(query.limit);
    let users = users.bind(query.role.as_ref().map(with_role).unwrap_or_default()).bind(state);
    users.all().await?.iter().map(account::<DB>).collect()
}

/// The pattern of role lists that have this one among them. Of the characters
/// that mean something in a pattern, a role can have only one.
pub(super) fn with_role(role: &Role) -> String {
    format!("% {} %", role.as_str().replace('_', "!_"))
}

pub(super) async fn replace_password_hash<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    (user, old, new): &(UserId, PasswordHash, PasswordHash),
) -> Result<bool, StoreError> {
    let replace = unit.query(sql::REPLACE_PASSWORD_HASH);
    let replace = replace.bind(*user).bind(old.expose()).bind(new.expose());
    Ok(replace.optional().await?.is_some())
}

/// Writes the user, and its identifiers up to one that is taken.
async fn insert<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    new: &NewAccount,
    now: Timestamp,
) -> Result<CreateUser, StoreError> {
    unit.query(sql::INSERT_USER)
        .bind(new.id)
        .bind(new.password_hash.as_ref().map(PasswordHash::expose).map(str::to_owned))
        .bind(&new.display_name)
        .bind(joined(new.roles.iter().map(Role::as_str)))
        .bind(now)
        .run()
        .await?;
    for identifier in &new.identifiers {
        if !take_identifier(unit, identifier, new.id).await? {
            return Ok(CreateUser::Taken(identifier.kind()));
        }
    }
    Ok(CreateUser::Created)
}

/// False: another user has it.
pub(super) async fn take_identifier<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    identifier: &Identifier,
    user: UserId,
) -> Result<bool, StoreError> {
    let insert = unit.query(sql::INSERT_IDENTIFIER);
    let insert = insert.bind(identifier.kind()).bind(identifier.as_str()).bind(user);
    Ok(insert.optional().await?.is_some())
}

pub(super) async fn enable<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    (user, context): &(UserId, Context),
) -> Result<bool, StoreError> {
    if unit.query(sql::ENABLE_USER).bind(*user).optional().await?.is_none() {
        return Ok(by_id(unit, user).await?.is_some());
    }
    audit::record(unit, context.event(Action::EnableUser).user(*user)).await?;
    Ok(true)
}
