//! One custom claim: a JSON value with holes, and what fills them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::check_name;
use crate::domain::{
    account::{Account, Role},
    claims::AccessClaims,
};

/// How deep tables may stand in tables.
const MAX_DEPTH: usize = 4;
/// From 2^53 on JSON numbers are not exact everywhere (RFC 7493 section 2.2).
const INTEGER_MAX: u64 = (1 << 53) - 1;

/// A value with holes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Template {
    /// An integer or a boolean.
    Fixed(Value),
    Text(Text),
    List(Vec<Text>),
    Table(BTreeMap<String, Template>),
}

type Text = Vec<Piece>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Literal(String),
    Hole(Placeholder),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placeholder {
    UserId,
    Username,
    Email,
    Phone,
    DisplayName,
    Roles,
    ClientId,
    SessionId,
    AuthTime,
}

/// How placeholders are written.
const PLACEHOLDERS: [(&str, Placeholder); 9] = [
    ("{user.id}", Placeholder::UserId),
    ("{user.username}", Placeholder::Username),
    ("{user.email}", Placeholder::Email),
    ("{user.phone}", Placeholder::Phone),
    ("{user.display_name}", Placeholder::DisplayName),
    ("{user.roles}", Placeholder::Roles),
    ("{client.id}", Placeholder::ClientId),
    ("{session.id}", Placeholder::SessionId),
    ("{session.auth_time}", Placeholder::AuthTime),
];

impl Template {
    /// The error is the end of a sentence that begins with the claim.
    pub(super) fn parse(value: &Value) -> Result<Self, String> {
        parse_value(value, MAX_DEPTH)
    }
}

fn parse_value(value: &Value, depth: usize) -> Result<Template, String> {
    match value {
        Value::Bool(_) => Ok(Template::Fixed(value.clone())),
        Value::Number(number) => match number.as_i64() {
            Some(integer) if integer.unsigned_abs() <= INTEGER_MAX => {
                Ok(Template::Fixed(value.clone()))
            }
            _ => Err(format!("must have integers from -{INTEGER_MAX} to {INTEGER_MAX} only")),
        },
        Value::String(text) => parse_text(text).map(Template::Text),
        Value::Array(items) => {
            items.iter().map(parse_item).collect::<Result<_, _>>().map(Template::List)
        }
        Value::Object(members) => parse_table(members, depth).map(Template::Table),
        Value::Null => Err("must be a text, an integer, a boolean, a list or a table".to_owned()),
    }
}

fn parse_item(item: &Value) -> Result<Text, String> {
    let pieces = parse_text(item.as_str().ok_or("must have only texts in a list")?)?;
    if pieces.contains(&Piece::Hole(Placeholder::Roles)) { Err(roles_alone()) } else { Ok(pieces) }
}

fn parse_table(
    members: &Map<String, Value>,
    depth: usize,
) -> Result<BTreeMap<String, Template>, String> {
    let depth = depth.checked_sub(1).ok_or(format!("must be at most {MAX_DEPTH} tables deep"))?;
    let member = |(name, value): (&String, &Value)| {
        check_name(name).map_err(|rule| format!("has a member that {rule}"))?;
        Ok((name.clone(), parse_value(value, depth)?))
    };
    members.iter().map(member).collect()
}

/// Each `{` begins a placeholder; two of them are a brace.
fn parse_text(text: &str) -> Result<Text, String> {
    let (mut pieces, mut literal, mut rest) = (Text::new(), String::new(), text);
    while let Some((before, after)) = rest.split_once('{') {
        literal.push_str(before);
        if let Some(after) = after.strip_prefix('{') {
            literal.push('{');
            rest = after;
        } else {
            let (hole, after) = parse_hole(after)?;
            push_literal(&mut pieces, &mut literal);
            pieces.push(Piece::Hole(hole));
            rest = after;
        }
    }
    literal.push_str(rest);
    push_literal(&mut pieces, &mut literal);
    let has_roles = pieces.contains(&Piece::Hole(Placeholder::Roles));
    if has_roles && pieces.len() > 1 { Err(roles_alone()) } else { Ok(pieces) }
}

fn push_literal(pieces: &mut Text, literal: &mut String) {
    if !literal.is_empty() {
        pieces.push(Piece::Literal(std::mem::take(literal)));
    }
}

/// What stands after the brace: a placeholder, and the rest.
fn parse_hole(text: &str) -> Result<(Placeholder, &str), String> {
    let known = PLACEHOLDERS.iter().find_map(|(spelling, placeholder)| {
        let rest = text.strip_prefix(spelling.trim_start_matches('{'))?;
        Some((*placeholder, rest))
    });
    known.ok_or_else(|| {
        let known: Vec<_> = PLACEHOLDERS.iter().map(|(spelling, _)| *spelling).collect();
        format!("has a \"{{\" that begins none of {}; \"{{{{\" is a brace", known.join(" "))
    })
}

fn roles_alone() -> String {
    "has {user.roles} inside a text or list; it must be the whole value".to_owned()
}

/// What placeholders stand for.
pub(super) struct Facts<'a> {
    /// Nobody's, for the token of a client.
    pub(super) account: Option<&'a Account>,
    pub(super) claims: &'a AccessClaims,
}

impl Facts<'_> {
    /// The members in their order, without those that have no value.
    pub(super) fn table<'t>(
        &self,
        members: impl IntoIterator<Item = (&'t String, &'t Template)>,
    ) -> Map<String, Value> {
        let members = members.into_iter();
        members.filter_map(|(name, member)| Some((name.clone(), self.value(member)?))).collect()
    }

    fn value(&self, template: &Template) -> Option<Value> {
        match template {
            Template::Fixed(value) => Some(value.clone()),
            Template::Text(pieces) => match pieces.as_slice() {
                // Alone, it keeps its type.
                [Piece::Hole(placeholder)] => self.fill(*placeholder),
                several => self.text(several).map(Value::String),
            },
            Template::List(items) => {
                Some(items.iter().filter_map(|item| self.text(item)).collect())
            }
            Template::Table(members) => Some(Value::Object(self.table(members))),
        }
    }

    fn text(&self, pieces: &[Piece]) -> Option<String> {
        pieces
            .iter()
            .map(|piece| match piece {
                Piece::Literal(text) => Some(text.clone()),
                Piece::Hole(placeholder) => match self.fill(*placeholder)? {
                    Value::String(text) => Some(text),
                    other => Some(other.to_string()),
                },
            })
            .collect()
    }

    fn fill(&self, placeholder: Placeholder) -> Option<Value> {
        let (account, user) = (self.account, self.claims.user());
        match placeholder {
            Placeholder::UserId => Some(json!(user?.id.to_string())),
            Placeholder::Username => account?.username.as_ref().map(|name| json!(name)),
            Placeholder::Email => account?.email.as_ref().map(|email| json!(email)),
            Placeholder::Phone => account?.phone.as_ref().map(|phone| json!(phone)),
            Placeholder::DisplayName => account?.display_name.as_ref().map(|name| json!(name)),
            Placeholder::Roles => Some(user?.roles.iter().map(Role::as_str).collect()),
            Placeholder::ClientId => Some(json!(self.claims.client_id.as_str())),
            Placeholder::SessionId => Some(json!(user?.session_id.to_string())),
            Placeholder::AuthTime => Some(json!(user?.auth_time.seconds())),
        }
    }
}
