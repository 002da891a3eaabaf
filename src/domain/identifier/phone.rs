//! Phone numbers: E.164, and the tables of Google's libphonenumber.

use std::ops::RangeInclusive;

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat};

use super::IDENTIFIER_MAX_LEN;

/// At most 15 digits (E.164 section 6); the shortest numbers in use have 7.
const DIGITS: RangeInclusive<usize> = 7..=15;

/// The canonical form, if the text can be a number that may be called from
/// anywhere. National forms depend on where one is, which nobody knows here.
pub(super) fn canonical(text: &str) -> Option<String> {
    let number = text.strip_prefix('+').filter(|_| text.len() <= IDENTIFIER_MAX_LEN)?;
    let digits: String = number.chars().filter(|c| !is_separator(*c)).collect();
    let is_number = DIGITS.contains(&digits.len())
        && digits.bytes().all(|b| b.is_ascii_digit())
        && !digits.starts_with('0');
    is_number.then(|| format!("+{digits}"))
}

/// Is this canonical number in a range that is given out to subscribers, and
/// written as it is dialled from abroad? The tables, a few MB, are loaded at
/// the first question.
pub(super) fn is_given_out(canonical: &str) -> bool {
    PHONE_NUMBER_UTIL.parse(canonical, None).is_ok_and(|number| {
        PHONE_NUMBER_UTIL.is_valid_number(&number)
            && PHONE_NUMBER_UTIL.format(&number, PhoneNumberFormat::E164) == canonical
    })
}

/// What people write between the digits (E.123, and common use).
const fn is_separator(c: char) -> bool {
    matches!(c, ' ' | '-' | '.' | '(' | ')' | '/')
}
