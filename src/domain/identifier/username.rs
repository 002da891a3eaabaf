//! Usernames: the profile `UsernameCaseMapped` of RFC 8265, and less.

use precis_profiles::{UsernameCaseMapped, precis_core::profile::PrecisFastInvocation as _};
use unicode_normalization::char::is_combining_mark;
use unicode_security::{RestrictionLevel, RestrictionLevelDetection as _, confusable_detection};

use super::IDENTIFIER_MAX_LEN;
use crate::domain::id::UserId;

const CHARS_MAX: usize = 64;

const COMBINING_DOT_ABOVE: char = '\u{307}';

/// The canonical form, if the text can be a username.
pub(super) fn canonical(text: &str) -> Option<String> {
    if text.len() > IDENTIFIER_MAX_LEN {
        return None;
    }
    let canonical = enforced(text)?;
    // The rules of the standard can give another result the second time (RFC
    // 8264 section 7). Of two such spellings each would be somebody.
    let is_stable = enforced(&canonical)? == canonical;
    let is_short = canonical.len() <= IDENTIFIER_MAX_LEN && canonical.chars().count() <= CHARS_MAX;
    let is_id = UserId::parse(&canonical).is_ok();
    (is_stable && is_short && !is_id && canonical.chars().all(is_allowed)).then_some(canonical)
}

/// Can the eye tell this name from all others? Highly Restrictive by UTS #39:
/// letters in common use, of one script, or of those that are written together
/// in Chinese, Japanese and Korean. And what is not ASCII must not look as if
/// it were.
pub(super) fn is_unmistakable(name: &str) -> bool {
    let is_ascii_twin = || confusable_detection::skeleton(name).all(|c| c.is_ascii());
    // Over an `i` or `j` it is not seen (UTS #39 section 5.4). Letters that
    // have a dot above in some language have a code point of their own.
    let has_hidden_dot = || name.contains(COMBINING_DOT_ABOVE);
    name.is_ascii()
        || name.check_restriction_level(RestrictionLevel::HighlyRestrictive)
            && !is_ascii_twin()
            && !has_hidden_dot()
}

fn enforced(text: &str) -> Option<String> {
    UsernameCaseMapped::enforce(text).ok().map(Into::into)
}

/// Beyond ASCII the profile allows a few signs besides letters, marks and
/// digits, and joiners, which are not seen.
fn is_allowed(c: char) -> bool {
    match c {
        '.' | '_' | '-' => true,
        _ if c.is_ascii() => c.is_ascii_alphanumeric(),
        _ => c.is_alphanumeric() || is_combining_mark(c),
    }
}
