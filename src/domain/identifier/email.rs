//! E-mail addresses: the local part of RFC 5321, a domain of UTS #46.

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

use super::IDENTIFIER_MAX_LEN;

/// RFC 5321 section 4.5.3.1.1.
const LOCAL_MAX_LEN: usize = 64;

/// The canonical form, if the text can be an address.
pub(super) fn canonical(text: &str) -> Option<String> {
    if text.len() > IDENTIFIER_MAX_LEN {
        return None;
    }
    let (local, domain) = text.split_once('@')?;
    let domain = canonical_domain(domain)?;
    let canonical = format!("{}@{domain}", local.to_ascii_lowercase());
    (is_local_part(local) && canonical.len() <= IDENTIFIER_MAX_LEN).then_some(canonical)
}

/// The domain as it is asked for in the DNS: nontransitional, and nothing but
/// letters, digits and hyphens where they may be.
fn canonical_domain(domain: &str) -> Option<String> {
    let ascii = |domain: &str| {
        let (deny, length) = (AsciiDenyList::STD3, DnsLength::Verify);
        let ascii = Uts46::new().to_ascii(domain.as_bytes(), deny, Hyphens::Check, length);
        ascii.ok().map(String::from)
    };
    let canonical = ascii(domain)?;
    (ascii(&canonical)? == canonical).then_some(canonical)
}

/// `Dot-string` of RFC 5321 section 4.1.2. Quoted local parts are another
/// spelling of unquoted ones; no standard says which local parts beyond ASCII
/// (RFC 6531) are the same.
fn is_local_part(local: &str) -> bool {
    let is_atext = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b);
    let is_atom = |atom: &str| !atom.is_empty() && atom.bytes().all(is_atext);
    local.len() <= LOCAL_MAX_LEN && local.split('.').all(is_atom)
}
