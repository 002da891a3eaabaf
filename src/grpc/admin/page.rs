//! Pages (AIP-158): how many entries, and where the next ones begin.
//!
//! A token says after which entry its page begins, and for which question it
//! was made: with another question it would skip entries unnoticed.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::domain::error::AuthError;

/// How many entries a page has when nothing is asked for.
const SIZE_DEFAULT: u32 = 50;
/// Tokens are no longer than this: those that we make are shorter.
const TOKEN_MAX_LEN: usize = 2048;
/// Between the place and the question.
const SEPARATOR: char = '\n';

/// What is asked of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// How many entries; at least 1.
    pub(super) size: u32,
    /// After which entry it begins; empty for the first page.
    pub(super) after: String,
    question: String,
}

impl Page {
    /// A page of at most `most` entries of what `question` asks for.
    pub(super) fn parse(
        size: i32,
        most: u32,
        token: &str,
        question: &str,
    ) -> Result<Self, AuthError> {
        let size = match u32::try_from(size) {
            Ok(0) => SIZE_DEFAULT.min(most),
            Ok(size) => size.min(most),
            Err(_) => return Err(AuthError::invalid("page_size", "must not be negative")),
        };
        let after = if token.is_empty() { String::new() } else { place(token, question)? };
        Ok(Self { size, after, question: question.to_owned() })
    }

    /// The token of the page after this one, whose last entry is `last`.
    pub(super) fn next(&self, last: impl std::fmt::Display) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(format!("{last}{SEPARATOR}{}", self.question))
    }

    /// How many entries to read: one more shows whether there is a next page.
    pub(super) fn limit(&self) -> u32 {
        self.size.saturating_add(1)
    }

    /// The token of the next page; empty when these are all. Cuts what was
    /// read to show it.
    pub(super) fn cut<T, P: std::fmt::Display>(
        &self,
        entries: &mut Vec<T>,
        place: impl FnOnce(&T) -> P,
    ) -> String {
        let full = usize::try_from(self.size).unwrap_or(usize::MAX);
        let more = entries.len() > full;
        entries.truncate(full);
        entries.last().filter(|_| more).map(|last| self.next(place(last))).unwrap_or_default()
    }

    /// A token that does not name a place is none of ours.
    pub(super) fn foreign() -> AuthError {
        let rule = "must be the next_page_token of an answer to the same question";
        AuthError::invalid("page_token", rule)
    }
}

fn place(token: &str, question: &str) -> Result<String, AuthError> {
    let decoded = Some(token)
        .filter(|token| token.len() <= TOKEN_MAX_LEN)
        .and_then(|token| BASE64_URL_SAFE_NO_PAD.decode(token).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(Page::foreign)?;
    match decoded.split_once(SEPARATOR) {
        Some((place, asked)) if asked == question && !place.is_empty() => Ok(place.to_owned()),
        _ => Err(Page::foreign()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(size: i32, token: &str, question: &str) -> Result<Page, AuthError> {
        Page::parse(size, 1_000, token, question)
    }

    /// AD-22: sizes are clamped, tokens belong to their question.
    #[test]
    fn ad_22_sizes_and_tokens() {
        for (asked, size) in [(0, 50), (1, 1), (1_000, 1_000), (1_001, 1_000), (i32::MAX, 1_000)] {
            assert_eq!(page(asked, "", "q").expect("a page").size, size, "{asked}");
        }
        for negative in [-1, i32::MIN] {
            assert!(page(negative, "", "q").is_err());
        }
        let token = page(2, "", "q").expect("a page").next("place");
        assert_eq!(page(2, &token, "q").expect("ours").after, "place");
        let altered = format!("{}A", &token[..token.len() - 1]);
        let long = "A".repeat(4_096);
        for foreign in ["x", "' OR 1=1 --", "%", &token[1..], &altered, &long] {
            assert!(page(2, foreign, "q").is_err(), "{foreign:?}");
        }
        assert!(page(2, &token, "another question").is_err());
    }

    #[test]
    fn the_last_page_has_no_next_one() {
        let page = page(2, "", "q").expect("a page");
        let mut three = vec![1, 2, 3];
        assert_eq!(page.cut(&mut three, |n| *n), page.next(2));
        assert_eq!(three, [1, 2]);
        assert_eq!(page.cut(&mut three, |n| *n), "");
    }
}
