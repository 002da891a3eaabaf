//! Encoded messages (RFC 8017 section 9.2): the one right form and the wrong
//! ones that verifiers have been fooled with. Our own templates for the
//! published classes: short, long and odd paddings, wrong block types,
//! garbage at each place, BER instead of DER, other or missing hashes.

use aws_lc_rs::digest::{
    self, SHA1_FOR_LEGACY_USE_ONLY, SHA3_256, SHA224, SHA256, SHA384, SHA512, SHA512_256,
};

/// A name and an encoded message.
pub(super) type Template = (String, Vec<u8>);

const OID_SHA256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
const OID_SHA1: &[u8] = &[0x2b, 0x0e, 0x03, 0x02, 0x1a];
const OID_MD5: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x05];
const OID_RIPEMD160: &[u8] = &[0x2b, 0x24, 0x03, 0x02, 0x01];
const NULL: &[u8] = &[0x05, 0x00];

/// SHA-2 and SHA-3 differ in the last arc of the object identifier only.
fn oid(last: u8) -> Vec<u8> {
    [&OID_SHA256[..8], &[last]].concat()
}

fn hash(message: &[u8]) -> Vec<u8> {
    digest::digest(&SHA256, message).as_ref().to_vec()
}

/// A DER element of less than 128 bytes.
fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).expect("short");
    [&[tag, length], content].concat()
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

fn digest_info(oid: &[u8], hash: &[u8]) -> Vec<u8> {
    sequence(&[&sequence(&[&tlv(0x06, oid), NULL]), &tlv(0x04, hash)])
}

/// `00 01 FF … FF 00` and what follows, `k` bytes in all.
fn padded(k: usize, info: &[u8]) -> Vec<u8> {
    framed(k, &[0x00, 0x01], 0xff, &[0x00], info)
}

fn framed(k: usize, start: &[u8], fill: u8, separator: &[u8], info: &[u8]) -> Vec<u8> {
    let filling = k - start.len() - separator.len() - info.len();
    [start, &vec![fill; filling], separator, info].concat()
}

/// The right one.
pub(super) fn good(k: usize, message: &[u8]) -> Vec<u8> {
    padded(k, &digest_info(OID_SHA256, &hash(message)))
}

/// SHA-1, rightly padded.
pub(super) fn sha1(k: usize, message: &[u8]) -> Vec<u8> {
    let hash = digest::digest(&SHA1_FOR_LEGACY_USE_ONLY, message);
    padded(k, &digest_info(OID_SHA1, hash.as_ref()))
}

/// Other hash functions, rightly padded and named, and each name over a
/// SHA-256 hash.
pub(super) fn other_hashes(k: usize, message: &[u8]) -> Vec<Template> {
    let of = |algorithm| digest::digest(algorithm, message).as_ref().to_vec();
    let own = hash(message);
    let algorithms: [(&str, Vec<u8>, Vec<u8>); 8] = [
        ("SHA-1", OID_SHA1.to_vec(), of(&SHA1_FOR_LEGACY_USE_ONLY)),
        ("SHA-224", oid(4), of(&SHA224)),
        ("SHA-384", oid(2), of(&SHA384)),
        ("SHA-512", oid(3), of(&SHA512)),
        ("SHA-512/256", oid(6), of(&SHA512_256)),
        ("SHA3-256", oid(8), of(&SHA3_256)),
        // Of these two only the lengths matter: nothing may read the hash.
        ("MD5", OID_MD5.to_vec(), own[..16].to_vec()),
        ("RIPEMD-160", OID_RIPEMD160.to_vec(), own[..20].to_vec()),
    ];
    let mut all = Vec::new();
    for (name, oid, hash) in algorithms {
        all.push((name.to_owned(), padded(k, &digest_info(&oid, &hash))));
        all.push((format!("{name} by name only"), padded(k, &digest_info(&oid, &own))));
        let info = digest_info(OID_SHA256, &hash);
        // SHA3-256 and SHA-512/256 have the right length and the wrong bytes.
        all.push((format!("{name} called SHA-256"), padded(k, &info)));
    }
    all
}

/// Every wrong encoded message for this one.
pub(super) fn wrong(k: usize, message: &[u8]) -> Vec<Template> {
    let mut all = other_hashes(k, message);
    all.extend(paddings(k, message));
    all.extend(garbage(k, message));
    let named = digest_infos(message).into_iter();
    all.extend(named.map(|(what, info)| (what.to_owned(), padded(k, &info))));
    all
}

fn paddings(k: usize, message: &[u8]) -> Vec<Template> {
    let info = &digest_info(OID_SHA256, &hash(message))[..];
    let mut all: Vec<Template> = Vec::new();
    let mut add = |what: &str, em: Vec<u8>| all.push((what.to_owned(), em));
    for first in [0x01_u8, 0x02, 0x7f] {
        add(&format!("first byte {first:02x}"), framed(k, &[first, 0x01], 0xff, &[0], info));
    }
    for kind in [0x00_u8, 0x02, 0x03, 0xff] {
        add(&format!("block type {kind:02x}"), framed(k, &[0, kind], 0xff, &[0], info));
    }
    for fill in [0x00_u8, 0x01, 0x7f, 0xfe] {
        add(&format!("filled with {fill:02x}"), framed(k, &[0, 1], fill, &[0], info));
    }
    add("block type 0, filled with 0", framed(k, &[0, 0], 0, &[0], info));
    add("encryption padding", framed(k, &[0, 2], 0x5a, &[0], info));
    for separator in [0x01_u8, 0xfe, 0xff] {
        add(&format!("separator {separator:02x}"), framed(k, &[0, 1], 0xff, &[separator], info));
    }
    let end = k - info.len() - 2;
    for (what, at) in [("first", 2), ("ninth", 10), ("middle", k / 3), ("last", end)] {
        for value in [0x00_u8, 0x01, 0xfe] {
            let mut em = padded(k, info);
            em[at] = value;
            add(&format!("{what} padding byte {value:02x}"), em);
        }
    }
    // One byte shorter, as for a smaller key; and no padding at all.
    add("shifted to the right", [&[0][..], &padded(k - 1, info)].concat());
    add("no DigestInfo", padded(k, &hash(message)));
    add("hash only, bare", framed(k, &[], 0, &[], &hash(message)));
    add("zero", vec![0; k]);
    add("one", framed(k, &[], 0, &[], &[1]));
    all
}

/// Bleichenbacher 2006 and its relatives: a padding cut short, so that bytes
/// of choice have room at the end, or inside, where lax parsers skip them.
fn garbage(k: usize, message: &[u8]) -> Vec<Template> {
    let hash = hash(message);
    let info = digest_info(OID_SHA256, &hash);
    let mut all: Vec<Template> = Vec::new();
    let full = k - 3 - info.len();
    for padding in [0, 1, 2, 7, 8, 9, 16, 32, 64, 100, full / 2, full - 2, full - 1] {
        let start = [&[0, 1][..], &vec![0xff; padding], &[0], &info].concat();
        let room = k - start.len();
        for (what, byte) in [("zeros", 0_u8), ("garbage", 0xa5)] {
            let em = [&start[..], &vec![byte; room]].concat();
            all.push((format!("padding of {padding}, {what} at the end"), em));
        }
    }
    // Long parameters; 82 is the two-byte length that makes room for them.
    let algorithm = |parameters: &[u8]| long_sequence(&[&tlv(0x06, OID_SHA256), parameters]);
    let octets = |len: usize| [&[0x04, 0x82], &be(len)[..], &vec![0xa5; len]].concat();
    let null = |len: usize| [&[0x05, 0x82], &be(len)[..], &vec![0xa5; len]].concat();
    for (what, element) in [("NULL", null(150)), ("parameters", octets(150))] {
        let info = long_sequence(&[&algorithm(&element), &tlv(0x04, &hash)]);
        all.push((format!("garbage inside the {what}"), padded(k, &info)));
    }
    let after_null = [NULL, &octets(150)].concat();
    let info = long_sequence(&[&algorithm(&after_null), &tlv(0x04, &hash)]);
    all.push(("garbage after the NULL".to_owned(), padded(k, &info)));
    let plain = sequence(&[&tlv(0x06, OID_SHA256), NULL]);
    let info = long_sequence(&[&plain, &tlv(0x04, &hash), &octets(150)]);
    all.push(("garbage after the hash, inside".to_owned(), padded(k, &info)));
    let info = long_sequence(&[&plain, &octets(150), &tlv(0x04, &hash)]);
    all.push(("garbage before the hash".to_owned(), padded(k, &info)));
    all
}

fn be(length: usize) -> [u8; 2] {
    u16::try_from(length).expect("short").to_be_bytes()
}

fn long_sequence(parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    [&[0x30, 0x82], &be(content.len())[..], &content].concat()
}

/// A `DigestInfo` that is not the one DER encoding with a NULL.
fn digest_infos(message: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let hash = &hash(message)[..];
    let (id, octets) = (tlv(0x06, OID_SHA256), tlv(0x04, hash));
    let algorithm = sequence(&[&id, NULL]);
    let with_algorithm = |algorithm: &[u8]| sequence(&[algorithm, &octets]);
    let with_octets = |octets: &[u8]| sequence(&[&algorithm, octets]);
    let with_parameters = |p: &[u8]| with_algorithm(&sequence(&[&id, p]));
    let with_id = |id: &[u8]| with_algorithm(&sequence(&[id, NULL]));
    let content = [&algorithm[..], &octets].concat();
    let (inner, info) = ([&id[..], NULL].concat(), digest_info(OID_SHA256, hash));
    let changed = |at: usize, to: u8| {
        let mut info = info.clone();
        info[at] = to;
        info
    };
    let mut reversed = hash.to_vec();
    reversed.reverse();
    let mut flipped = hash.to_vec();
    flipped[31] ^= 1;
    vec![
        ("NULL missing", with_parameters(&[])),
        ("NULL of long form", with_parameters(&[0x05, 0x81, 0x00])),
        ("NULL with a byte", with_parameters(&[0x05, 0x01, 0x00])),
        ("NULL twice", with_parameters(&[0x05, 0x00, 0x05, 0x00])),
        ("INTEGER for NULL", with_parameters(&[0x02, 0x01, 0x00])),
        ("empty SEQUENCE for NULL", with_parameters(&[0x30, 0x00])),
        ("empty OCTET STRING for NULL", with_parameters(&[0x04, 0x00])),
        ("hash for NULL", with_parameters(&octets)),
        ("end of contents for NULL", with_parameters(&[0x00, 0x00])),
        ("outer length of long form", [&[0x30, 0x81, 0x31], &content[..]].concat()),
        ("outer length of longer form", [&[0x30, 0x82, 0x00, 0x31], &content[..]].concat()),
        ("outer length indefinite", [&[0x30, 0x80], &content[..], &[0, 0]].concat()),
        ("inner length of long form", with_algorithm(&[&[0x30, 0x81, 0x0d], &inner[..]].concat())),
        ("inner length indefinite", with_algorithm(&[&[0x30, 0x80], &inner[..], &[0, 0]].concat())),
        ("hash length of long form", with_octets(&[&[0x04, 0x81, 0x20], hash].concat())),
        ("hash length of longer form", with_octets(&[&[0x04, 0x82, 0x00, 0x20], hash].concat())),
        ("hash length indefinite", with_octets(&[&[0x24, 0x80], &octets[..], &[0, 0]].concat())),
        ("hash in pieces", with_octets(&tlv(0x24, &octets))),
        ("hash as BIT STRING", with_octets(&tlv(0x03, hash))),
        ("hash as BIT STRING, no unused bits", { with_octets(&tlv(0x03, &[&[0], hash].concat())) }),
        ("hash in two OCTET STRINGs", with_octets(&tlv(0x04, &octets))),
        ("hash without its tag", with_octets(hash)),
        ("hash cut", with_octets(&tlv(0x04, &hash[..31]))),
        ("hash empty", with_octets(&[0x04, 0x00])),
        ("hash with a zero more", with_octets(&tlv(0x04, &[hash, &[0]].concat()))),
        ("hash after a zero", with_octets(&tlv(0x04, &[&[0], hash].concat()))),
        ("hash of zeros", with_octets(&tlv(0x04, &[0; 32]))),
        ("hash reversed", with_octets(&tlv(0x04, &reversed))),
        ("hash with its last bit flipped", with_octets(&tlv(0x04, &flipped))),
        ("hash of another message", with_octets(&tlv(0x04, &self::hash(b"another")))),
        ("hash of the hash", with_octets(&tlv(0x04, &self::hash(hash)))),
        ("SET for the outer SEQUENCE", changed(0, 0x31)),
        ("primitive outer SEQUENCE", changed(0, 0x10)),
        ("SET for the inner SEQUENCE", changed(2, 0x31)),
        ("outer length one more", changed(1, 0x32)),
        ("outer length one less", changed(1, 0x30)),
        ("inner length one more", changed(3, 0x0e)),
        ("inner length one less", changed(3, 0x0c)),
        ("identifier length one more", changed(5, 0x0a)),
        ("identifier length one less", changed(5, 0x08)),
        ("hash length one more", changed(18, 0x21)),
        ("hash length one less", changed(18, 0x1f)),
        ("identifier with a padded arc", {
            with_id(&tlv(0x06, &[&OID_SHA256[..8], &[0x80, 0x01]].concat()))
        }),
        ("identifier cut", with_id(&tlv(0x06, &OID_SHA256[..8]))),
        ("identifier with an arc more", with_id(&tlv(0x06, &[OID_SHA256, &[0x01]].concat()))),
        ("identifier empty", with_id(&[0x06, 0x00])),
        ("identifier missing", with_id(&[])),
        ("identifier relative", with_id(&tlv(0x0d, OID_SHA256))),
        ("identifier of long form", with_id(&[&[0x06, 0x81, 0x09], OID_SHA256].concat())),
        ("algorithm missing", sequence(&[&octets])),
        ("algorithm twice", sequence(&[&algorithm, &algorithm, &octets])),
        ("hash before the algorithm", sequence(&[&octets, &algorithm])),
        ("hash twice", sequence(&[&algorithm, &octets, &octets])),
        ("NULL after the hash", sequence(&[&algorithm, &octets, NULL])),
        ("end of contents after the hash", sequence(&[&algorithm, &octets, &[0, 0]])),
        ("wrapped once more", tlv(0x30, &info)),
    ]
}
