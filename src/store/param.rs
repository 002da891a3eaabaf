//! Arguments of statements: only types that mean the same on both engines.

use uuid::Uuid;

use crate::domain::{
    clock::Timestamp,
    id::{ClientId, SessionId, UserId},
};

/// One argument.
#[derive(Debug)]
pub(super) enum Param {
    /// A whole number, or no value.
    Int(Option<i64>),
    /// A text, or no value.
    Text(Option<String>),
}

macro_rules! param_from {
    ($($type:ty => $variant:ident, $value:ident => $make:expr;)*) => {
        $(impl From<$type> for Param {
            fn from($value: $type) -> Self {
                Self::$variant($make)
            }
        })*
    };
}

param_from! {
    i64 => Int, value => Some(value);
    u32 => Int, value => Some(i64::from(value));
    bool => Int, value => Some(i64::from(value));
    Option<i64> => Int, value => value;
    Timestamp => Int, value => Some(value.micros());
    Option<Timestamp> => Int, value => value.map(Timestamp::micros);
    &str => Text, value => Some(value.to_owned());
    String => Text, value => Some(value);
    Option<String> => Text, value => value;
    &Option<String> => Text, value => value.clone();
    Uuid => Text, value => Some(value.hyphenated().to_string());
    UserId => Text, value => Some(value.to_string());
    SessionId => Text, value => Some(value.to_string());
    &ClientId => Text, value => Some(value.to_string());
}
