//! Filters: the part of AIP-160 that is of use here. Restrictions joined by
//! `AND`; each is a field, an operator, and a value, which is in quotes unless
//! it is a simple word.

use crate::domain::error::AuthError;

/// The longest filter, in bytes.
const MAX_LEN: usize = 1024;

/// One restriction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Restriction {
    pub(super) field: String,
    pub(super) operator: Operator,
    pub(super) value: String,
}

/// How a field relates to its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    /// `=`
    Equal,
    /// `:`, has among its entries.
    Has,
    /// `>=`
    AtLeast,
    /// `<`
    Below,
}

/// A rule that the filter breaks.
pub(super) fn invalid(rule: impl Into<String>) -> AuthError {
    AuthError::invalid("filter", rule)
}

/// All restrictions of a filter; an empty one has none.
pub(super) fn parse(text: &str) -> Result<Vec<Restriction>, AuthError> {
    if text.len() > MAX_LEN {
        return Err(invalid(format!("must be at most {MAX_LEN} bytes")));
    }
    let mut restrictions = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        if !restrictions.is_empty() {
            let further = rest.strip_prefix("AND").filter(|after| after.starts_with(' '));
            rest = further.ok_or_else(malformed)?.trim_start();
        }
        let (restriction, after) = restriction(rest)?;
        restrictions.push(restriction);
        rest = after.trim_start();
    }
    Ok(restrictions)
}

fn restriction(text: &str) -> Result<(Restriction, &str), AuthError> {
    let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
    let (field, rest) = text.split_at(text.find(|c| !is_name(c)).unwrap_or(text.len()));
    let rest = rest.trim_start();
    let operators = [
        (">=", Operator::AtLeast),
        ("<", Operator::Below),
        ("=", Operator::Equal),
        (":", Operator::Has),
    ];
    let found =
        operators.iter().find_map(|(sign, operator)| Some((*operator, rest.strip_prefix(sign)?)));
    let (operator, rest) = found.filter(|_| !field.is_empty()).ok_or_else(malformed)?;
    let (value, rest) = value(rest.trim_start())?;
    Ok((Restriction { field: field.to_owned(), operator, value }, rest))
}

fn value(text: &str) -> Result<(String, &str), AuthError> {
    if let Some(quoted) = text.strip_prefix('"') {
        let (value, rest) = quoted.split_once('"').ok_or_else(malformed)?;
        // A backslash would be an escape, of which there are none here.
        return if value.contains('\\') { Err(malformed()) } else { Ok((value.to_owned(), rest)) };
    }
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let (word, rest) = text.split_at(text.find(|c| !is_word(c)).unwrap_or(text.len()));
    if word.is_empty() { Err(malformed()) } else { Ok((word.to_owned(), rest)) }
}

fn malformed() -> AuthError {
    invalid("must be restrictions like field = \"value\", joined by AND")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(field: &str, operator: Operator, value: &str) -> Restriction {
        Restriction { field: field.to_owned(), operator, value: value.to_owned() }
    }

    #[test]
    fn restrictions_are_joined_by_and() {
        assert_eq!(parse("").expect("none"), []);
        let text = r#" roles:"a b" AND disabled = false AND  event_time>="2026-01-01T00:00:00Z" "#;
        let expected = [
            one("roles", Operator::Has, "a b"),
            one("disabled", Operator::Equal, "false"),
            one("event_time", Operator::AtLeast, "2026-01-01T00:00:00Z"),
        ];
        assert_eq!(parse(text).expect("three"), expected);
        assert_eq!(parse("a<b").expect("one"), [one("a", Operator::Below, "b")]);
    }

    /// AD-23: no nesting, no patterns, nothing that grows.
    #[test]
    fn ad_23_whatever_else_is_a_mistake() {
        let nested = "(".repeat(100_000);
        let long = format!("a = \"{}\"", "x".repeat(MAX_LEN));
        for bad in [
            "a",
            "a =",
            "= a",
            "a = b c",
            "a = b OR c = d",
            "NOT a = b",
            "(a = b)",
            "a = \"b",
            "a = b AND",
            "a = bAND c = d",
            "a != b",
            "A = b",
            "a = %",
            "a = \"\\\"\"",
            &nested,
            &long,
        ] {
            assert!(parse(bad).is_err(), "{bad:.40}");
        }
    }
}
