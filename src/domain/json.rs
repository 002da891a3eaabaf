//! JSON objects read strictly: no name twice at any depth, nothing after the
//! end, and members taken out by exact type.
//!
//! RFC 7519 section 4 lets a parser refuse duplicate claim names; one that
//! keeps the first or the last would disagree with other verifiers about what
//! a token says.

use std::fmt;

use serde::{
    Deserializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

/// The text is not what was asked for; nothing more is told, because nothing
/// more is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the JSON that was expected")]
pub struct InvalidJson;

/// The members of exactly one JSON object in UTF-8.
pub fn parse_object(bytes: &[u8]) -> Result<Map<String, Value>, InvalidJson> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Unique.deserialize(&mut deserializer).map_err(|_| InvalidJson)?;
    deserializer.end().map_err(|_| InvalidJson)?;
    match value {
        Value::Object(members) => Ok(members),
        _ => Err(InvalidJson),
    }
}

/// A JSON object whose members are taken out one by one.
#[derive(Clone, Debug)]
pub struct StrictObject(Map<String, Value>);

impl StrictObject {
    /// Parses exactly one JSON object in UTF-8.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidJson> {
        parse_object(bytes).map(Self)
    }

    /// A required string without control characters.
    pub fn string(&self, name: &str) -> Result<&str, InvalidJson> {
        match self.0.get(name) {
            Some(value) => clean_string(value),
            None => Err(InvalidJson),
        }
    }

    /// An optional string; present with another type is an error.
    pub fn optional_string(&self, name: &str) -> Result<Option<&str>, InvalidJson> {
        if self.0.contains_key(name) { self.string(name).map(Some) } else { Ok(None) }
    }

    /// A required integer: no fraction, no exponent, not in a string.
    pub fn integer(&self, name: &str) -> Result<i64, InvalidJson> {
        self.0.get(name).and_then(Value::as_i64).ok_or(InvalidJson)
    }

    /// An optional array of strings without control characters; absent is
    /// empty.
    pub fn strings(&self, name: &str) -> Result<Vec<String>, InvalidJson> {
        match self.0.get(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) => {
                items.iter().map(|item| clean_string(item).map(str::to_owned)).collect()
            }
            Some(_) => Err(InvalidJson),
        }
    }

    /// A required string, or array of strings (the `aud` claim, RFC 7519
    /// section 4.1.3), as a list that is not empty.
    pub fn string_or_strings(&self, name: &str) -> Result<Vec<String>, InvalidJson> {
        let list = match self.0.get(name) {
            Some(Value::Array(_)) => self.strings(name)?,
            _ => vec![self.string(name)?.to_owned()],
        };
        if list.is_empty() || list.iter().any(String::is_empty) {
            Err(InvalidJson)
        } else {
            Ok(list)
        }
    }

    /// A required array of objects.
    pub fn objects(&self, name: &str) -> Result<Vec<Self>, InvalidJson> {
        let Some(Value::Array(items)) = self.0.get(name) else { return Err(InvalidJson) };
        let object = |item: &Value| item.as_object().cloned().map(Self).ok_or(InvalidJson);
        items.iter().map(object).collect()
    }

    /// The names of all members, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Is the member there, and `null`?
    pub fn is_null(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(Value::is_null)
    }

    /// Is the member there at all?
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

fn clean_string(value: &Value) -> Result<&str, InvalidJson> {
    value.as_str().filter(|text| !text.chars().any(char::is_control)).ok_or(InvalidJson)
}

/// Builds a [`Value`] and refuses a name that stands twice in one object.
/// The JSON parser's own depth limit (128) bounds the recursion.
struct Unique;

impl<'de> DeserializeSeed<'de> for Unique {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without duplicate names")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(Unique)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(Unique)?;
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a name stands twice"));
            }
        }
        Ok(Value::Object(object))
    }
}
