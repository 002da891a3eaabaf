//! Forms (`application/x-www-form-urlencoded`), read strictly.

use std::collections::BTreeMap;

use axum::{
    body::{self, Body},
    http::HeaderMap,
};
use percent_encoding::percent_decode_str;
use secrecy::SecretString;

use crate::arrival::media_type;

/// The longest form, in bytes. A token and an assertion of 8 KiB each, and ten
/// audiences beside all scopes, need half of it.
pub(super) const FORM_MAX_LEN: usize = 64 * 1024;
/// What may stand in a form more than once (RFC 8707 section 2).
const REPEATABLE: [&str; 2] = ["resource", "audience"];

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FormFault {
    /// It says that it is something else.
    #[error("the content type must be {}", media_type::FORM)]
    NotAForm,
    /// It is longer than any that makes sense, or broke off.
    #[error("the body must be whole, and at most {FORM_MAX_LEN} bytes")]
    TooLarge,
    /// It is none.
    #[error("the body is not a form in UTF-8")]
    Malformed,
    /// Any choice could be the wrong one.
    #[error("a parameter is there more than once")]
    Repeated,
}

/// The parameters of a request. Those without a value are as good as absent
/// (RFC 6749 section 3.1), and those that nobody asks for do no harm.
pub(super) struct Form(BTreeMap<String, Vec<String>>);

impl Form {
    /// Reads the body of a request with these headers.
    pub(super) async fn read(headers: &HeaderMap, body: Body) -> Result<Self, FormFault> {
        if media_type::of(headers) != media_type::FORM {
            return Err(FormFault::NotAForm);
        }
        let bytes = body::to_bytes(body, FORM_MAX_LEN).await;
        let bytes = bytes.map_err(|_| FormFault::TooLarge)?;
        Self::parse(std::str::from_utf8(&bytes).map_err(|_| FormFault::Malformed)?)
    }

    /// Reads the text of a form.
    pub(super) fn parse(text: &str) -> Result<Self, FormFault> {
        let mut form = BTreeMap::<String, Vec<String>>::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name).ok_or(FormFault::Malformed)?;
            let value = decode(value).ok_or(FormFault::Malformed)?;
            let repeatable = REPEATABLE.contains(&name.as_str());
            let values = form.entry(name).or_default();
            if !values.is_empty() && !repeatable {
                return Err(FormFault::Repeated);
            }
            values.push(value);
        }
        Ok(Self(form))
    }

    /// The value of a parameter that may be there.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        self.take_all(name).pop()
    }

    /// The same, of one that nobody may see.
    pub(super) fn take_secret(&mut self, name: &str) -> Option<SecretString> {
        self.take(name).map(SecretString::from)
    }

    /// The values of a parameter, in their order.
    pub(super) fn take_all(&mut self, name: &str) -> Vec<String> {
        let mut values = self.0.remove(name).unwrap_or_default();
        values.retain(|value| !value.is_empty());
        values
    }
}

/// Undoes the encoding of forms; `None` for what is not UTF-8.
pub(super) fn decode(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(String::from)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::form_urlencoded::Serializer;

    use super::*;

    proptest! {
        /// Whatever a client puts into a form comes out of it.
        #[test]
        fn forms_of_others_are_read_back(
            values in prop::collection::btree_map(".*", ".+", 0..8),
        ) {
            let text = Serializer::new(String::new()).extend_pairs(&values).finish();
            let mut form = form(&text);
            for (name, value) in values {
                prop_assert_eq!(form.take(&name), Some(value));
            }
        }

        #[test]
        fn any_text_is_a_form_or_is_not(text in ".*") {
            let _ = Form::parse(&text);
        }
    }

    fn form(text: &str) -> Form {
        Form::parse(text).unwrap_or_else(|_| panic!("{text}"))
    }

    #[test]
    fn values_are_decoded() {
        let mut form = form("a=b+c%20d%26e&b=%C3%A4%2B&&c=x=y&d=%zz&%61b=1");
        assert_eq!(form.take("a").as_deref(), Some("b c d&e"));
        assert_eq!(form.take("b").as_deref(), Some("ä+"));
        assert_eq!(form.take("c").as_deref(), Some("x=y"));
        assert_eq!(form.take("d").as_deref(), Some("%zz"));
        assert_eq!(form.take("ab").as_deref(), Some("1"));
        assert_eq!(form.take("a"), None, "it was taken");
    }

    #[test]
    fn what_has_no_value_is_absent() {
        let mut form = form("a=&b&resource=&resource=x");
        assert!(form.take("a").is_none() && form.take("b").is_none() && form.take("c").is_none());
        assert_eq!(form.take_all("resource"), ["x"]);
    }

    /// RFC 6749 section 3.2: whichever is taken could be the wrong one.
    #[test]
    fn nothing_but_audiences_is_repeated() {
        for text in ["a=1&a=1", "a=1&a=", "a&a", "client_id=x&client%5Fid=y", "unknown=1&unknown=2"]
        {
            assert!(Form::parse(text).is_err(), "{text}");
        }
        let mut form = form("resource=a&audience=x&resource=b");
        assert_eq!(form.take_all("resource"), ["a", "b"]);
        assert_eq!(form.take_all("audience"), ["x"]);
    }

    #[test]
    fn what_is_not_utf_8_is_refused() {
        for text in ["a=%ff", "%c3=1", "a=%C3%28"] {
            assert!(Form::parse(text).is_err(), "{text}");
        }
    }

    /// A form of nothing but names costs no more than reading it.
    #[test]
    fn p7_many_parameters_are_read_in_one_go() {
        let names: Vec<_> = (0..10_000).map(|n| n.to_string()).collect();
        assert_eq!(form(&names.join("&")).0.len(), 10_000);
    }
}
