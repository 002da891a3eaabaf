//! The text of a key file (RFC 7468), taken apart strictly: one block,
//! nothing around it, and every other kind of file told by its name.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::key_fault::KeyFault;

/// How the RSA key is wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrapping {
    /// `RSA PRIVATE KEY`: an `RSAPrivateKey` (RFC 8017 appendix A.1.2).
    Pkcs1,
    /// `PRIVATE KEY`: a `PrivateKeyInfo` (RFC 5958).
    Pkcs8,
}

/// The one private key of a file, decoded from base64. Wiped when dropped, and
/// without `Debug`, which would show it.
pub(super) struct Block {
    pub(super) wrapping: Wrapping,
    pub(super) der: Zeroizing<Vec<u8>>,
}

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";
const LINE_LEN: usize = 64;

/// Takes a key file apart.
pub(super) fn parse(bytes: &[u8]) -> Result<Block, KeyFault> {
    let text = text_of(bytes)?;
    let (before, rest) = text.split_once(BEGIN).ok_or_else(|| unframed(text))?;
    if rest.contains(BEGIN) {
        return Err(KeyFault::SeveralBlocks);
    }
    let (label, rest) = rest.split_once(DASHES).ok_or(KeyFault::Truncated)?;
    let wrapping = wrapping_of(label)?;
    let (body, after) =
        rest.split_once(&format!("{END}{label}{DASHES}")).ok_or(KeyFault::Truncated)?;
    if !before.trim().is_empty() || !after.trim().is_empty() {
        return Err(KeyFault::TextOutside);
    }
    Ok(Block { wrapping, der: decode(body)? })
}

/// Writes DER as PEM, in lines of 64 characters.
pub(super) fn encode(label: &str, der: &[u8]) -> Zeroizing<String> {
    let body = Zeroizing::new(STANDARD.encode(der));
    // Room for everything at once: a string that grows leaves copies behind.
    let mut pem = Zeroizing::new(String::with_capacity(body.len() * 2 + 2 * label.len() + 64));
    pem.extend([BEGIN, label, DASHES, "\n"]);
    for (index, character) in body.chars().enumerate() {
        if index > 0 && index % LINE_LEN == 0 {
            pem.push('\n');
        }
        pem.push(character);
    }
    pem.extend(["\n", END, label, DASHES, "\n"]);
    pem
}

fn text_of(bytes: &[u8]) -> Result<&str, KeyFault> {
    if bytes.is_empty() {
        return Err(KeyFault::Empty);
    }
    let marks: [&[u8]; 3] = [b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"];
    if marks.iter().any(|mark| bytes.starts_with(mark)) {
        return Err(KeyFault::ByteOrderMark);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| KeyFault::NotPem)?;
    if text.trim().is_empty() { Err(KeyFault::Empty) } else { Ok(text) }
}

/// A file without a BEGIN line.
fn unframed(text: &str) -> KeyFault {
    if text.starts_with("ssh-") || text.starts_with("ecdsa-") {
        KeyFault::PublicKey
    } else {
        KeyFault::NotPem
    }
}

fn wrapping_of(label: &str) -> Result<Wrapping, KeyFault> {
    Err(match label {
        "RSA PRIVATE KEY" => return Ok(Wrapping::Pkcs1),
        "PRIVATE KEY" => return Ok(Wrapping::Pkcs8),
        "OPENSSH PRIVATE KEY" => KeyFault::OpenSsh,
        "ENCRYPTED PRIVATE KEY" => KeyFault::Encrypted,
        "PUBLIC KEY" | "RSA PUBLIC KEY" => KeyFault::PublicKey,
        "CERTIFICATE" | "TRUSTED CERTIFICATE" | "CERTIFICATE REQUEST" => KeyFault::Certificate,
        "EC PRIVATE KEY" => KeyFault::NotRsa("an EC key"),
        "DSA PRIVATE KEY" => KeyFault::NotRsa("a DSA key"),
        _ => KeyFault::UnknownBlock,
    })
}

fn decode(body: &str) -> Result<Zeroizing<Vec<u8>>, KeyFault> {
    if body.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(KeyFault::Encrypted);
    }
    let mut base64 = Zeroizing::new(String::with_capacity(body.len()));
    base64.extend(body.chars().filter(|character| !character.is_ascii_whitespace()));
    let mut der = Zeroizing::new(Vec::with_capacity(base64.len()));
    STANDARD.decode_vec(base64.as_bytes(), &mut der).map_err(|_| KeyFault::BadBase64)?;
    Ok(der)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DER: [u8; 100] = [0x30; 100];

    proptest! {
        /// KM-03: no file makes the loader panic.
        #[test]
        fn km_03_any_bytes_are_judged(bytes in any::<Vec<u8>>(), body in "[ -~\n]{0,200}") {
            drop(parse(&bytes));
            let framed = format!("{BEGIN}PRIVATE KEY{DASHES}{body}{END}PRIVATE KEY{DASHES}");
            drop(parse(framed.as_bytes()));
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let text = encode("PRIVATE KEY", &DER);
        assert!(text.lines().all(|line| line.len() <= LINE_LEN));
        let block = parse(text.as_bytes()).expect("our own form");
        assert_eq!((block.wrapping, block.der.as_slice()), (Wrapping::Pkcs8, &DER[..]));
    }

    /// KM-04: line ends of any system, and white space around the block.
    #[test]
    fn km_04_line_ends_do_not_matter() {
        let text = encode("RSA PRIVATE KEY", &DER);
        for text in [text.replace('\n', "\r\n"), format!("\n\n{}\n \n", *text)] {
            assert_eq!(parse(text.as_bytes()).map(|block| block.der.len()), Ok(DER.len()));
        }
    }

    /// KM-03, KM-18: whatever part of a file is written, it is not a key.
    #[test]
    fn km_03_km_18_no_beginning_of_a_file_is_a_file() {
        let text = encode("PRIVATE KEY", &DER);
        for len in 0..text.trim_end().len() {
            assert!(parse(&text.as_bytes()[..len]).is_err(), "{len} bytes were enough");
        }
    }

    /// KM-04, KM-05: nothing may stand beside the one block.
    #[test]
    fn km_04_km_05_only_one_block_and_nothing_else() {
        let key = encode("PRIVATE KEY", &DER);
        let of = |text: String| parse(text.as_bytes()).map(|_| ());
        assert_eq!(of(format!("{0}{0}", *key)), Err(KeyFault::SeveralBlocks));
        assert_eq!(
            of(format!("{}{}", *encode("CERTIFICATE", &DER), *key)),
            Err(KeyFault::SeveralBlocks)
        );
        assert_eq!(of(format!("junk\n{}", *key)), Err(KeyFault::TextOutside));
        assert_eq!(of(format!("{}junk\n", *key)), Err(KeyFault::TextOutside));
        assert_eq!(of(format!("\u{feff}{}", *key)), Err(KeyFault::ByteOrderMark));
        assert_eq!(of(key.replace("MDAw", "MD*w")), Err(KeyFault::BadBase64));
        assert_eq!(of(" \n".into()), Err(KeyFault::Empty));
    }
}
