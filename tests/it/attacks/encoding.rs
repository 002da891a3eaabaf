//! VE: three canonical base64url segments and nothing around them. Whatever
//! is done here to text was done to honest or validly signed tokens.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use rsa::traits::PublicKeyParts as _;

use super::{
    forge::{encode, segments},
    table::{Seen, Table, Trial},
};

/// Everything that table-driven tests of this family judge.
pub(super) fn rows(trial: &Trial) -> Table {
    shapes(trial)
        .append(alphabets(trial))
        .append(surroundings(trial))
        .append(wrappings(trial))
        .append(sizes(trial))
}

fn shapes(trial: &Trial) -> Table {
    let mut table = Table::default();
    let good = trial.good();
    let [h, p, s] = segments(good);
    let other = trial.forge.claim("ver", "7");
    let [_, other_p, other_s] = segments(&other);
    table.expect("VE-01", "empty", "", Seen::BadRequest);
    for text in [" ", ".", "\0", "A"] {
        table.reject("VE-01", format!("{text:?}"), text);
    }
    for text in ["..", "...", "a..b", "....", "A.A.A", "AA.AA.AA"] {
        table.reject("VE-02", text, text);
    }
    for (what, text) in [
        ("header", h.to_owned()),
        ("payload", p.to_owned()),
        ("signature", s.to_owned()),
        ("header, payload", format!("{h}.{p}")),
        ("header, payload, dot", format!("{h}.{p}.")),
        ("payload, signature", format!("{p}.{s}")),
        ("header, signature", format!("{h}..{s}")),
        ("no header", format!(".{p}.{s}")),
    ] {
        table.reject("VE-03", what, text);
    }
    table.reject("VE-04", "four", format!("{good}.AAAA"));
    table.reject("VE-04", "five", format!("{good}.AAAA.AAAA"));
    table.reject("VE-04", "six", format!("{good}.AAAA.AAAA.AAAA"));
    table.reject("VE-04", "an empty fourth", format!("{h}.{p}..{s}"));
    table.reject("VE-05", "leading dot", format!(".{good}"));
    table.reject("VE-05", "trailing dot", format!("{good}."));
    table.reject("VE-06", "signature twice", format!("{good}.{s}"));
    table.reject("VE-06", "payload twice", format!("{h}.{p}.{p}.{s}"));
    for text in [[p, h, s], [h, s, p], [s, p, h], [p, s, h], [s, h, p]] {
        table.reject("VE-07", "swapped", text.join("."));
    }
    let refresh = trial.refresh_forge.with_claims(&trial.refresh_forge.claims);
    let [refresh_h, refresh_p, refresh_s] = segments(&refresh);
    for text in [
        [h, other_p, s],
        [h, p, other_s],
        [refresh_h, p, s],
        [h, refresh_p, refresh_s],
        [refresh_h, p, refresh_s],
        [h, refresh_p, s],
    ] {
        table.reject("VE-08", "of two tokens", text.join("."));
    }
    table
}

/// Each segment in another spelling, the others as they are. The signature of
/// a changed header or payload is over the changed text, and so valid.
fn alphabets(trial: &Trial) -> Table {
    let mut table = Table::default();
    let good = trial.good();
    for at in 0..3 {
        let respelled = |id, what: &str, spell: &dyn Fn(&str) -> String, table: &mut Table| {
            table.reject(id, format!("{what}, segment {at}"), respell(trial, at, spell));
        };
        for padding in ["=", "==", "===", "%3D", "%3d%3d"] {
            respelled("VE-09", padding, &|text| format!("{text}{padding}"), &mut table);
        }
        respelled(
            "VE-09",
            "right padding",
            &|text| URL_SAFE.encode(super::forge::decode(text)) + "=",
            &mut table,
        );
        respelled("VE-10", "+", &|text| replace_at(text, 4, '+'), &mut table);
        respelled("VE-10", "/", &|text| replace_at(text, 4, '/'), &mut table);
        respelled(
            "VE-11",
            "mixed",
            &|text| replace_at(&replace_at(text, 4, '+'), 5, '_'),
            &mut table,
        );
        for n in 1..16 {
            respelled("VE-12", "spare bits", &|text| spare_bits(text, n), &mut table);
        }
        for (what, extra) in [("one more", "A"), ("five more", "AAAAA")] {
            respelled(
                "VE-13",
                what,
                &|text| {
                    let whole = &text[..text.len() / 4 * 4];
                    format!("{whole}{extra}")
                },
                &mut table,
            );
        }
        let spaces =
            [" ", "\t", "\n", "\r", "\u{b}", "\u{c}", "\u{a0}", "\u{feff}", "\u{2028}", "\r\n"];
        for space in spaces {
            let what = format!("{space:?}");
            respelled(
                "VE-14",
                &format!("{what} before"),
                &|text| format!("{space}{text}"),
                &mut table,
            );
            respelled(
                "VE-14",
                &format!("{what} after"),
                &|text| format!("{text}{space}"),
                &mut table,
            );
            respelled(
                "VE-14",
                &format!("{what} inside"),
                &|text| format!("{}{space}{}", &text[..8], &text[8..]),
                &mut table,
            );
        }
        respelled("VE-15", "lines of 76", &|text| lines(text, "\r\n"), &mut table);
        respelled("VE-15", "lines of 76, LF", &|text| lines(text, "\n"), &mut table);
        respelled("VE-17", "NUL", &|text| format!("{}\0{}", &text[..8], &text[8..]), &mut table);
        for n in 1..=8 {
            respelled(
                "VE-36",
                &format!("{n} more"),
                &|text| format!("{text}{}", "A".repeat(n)),
                &mut table,
            );
        }
    }
    let standard = STANDARD.encode([0xfb, 0xff, 0xbf]);
    assert_eq!(standard, "+/+/", "the letters in question");
    table.reject(
        "VE-10",
        "standard alphabet in the signature",
        good.replace('_', "/").replace('-', "+"),
    );
    table
}

/// The honest token with segment `at` spelled another way, signed again if
/// the signature is over it.
fn respell(trial: &Trial, at: usize, spell: &dyn Fn(&str) -> String) -> String {
    let mut parts = segments(trial.good()).map(str::to_owned);
    parts[at] = spell(&parts[at]);
    if at < 2 {
        let input = format!("{}.{}", parts[0], parts[1]);
        let signature =
            trial.forge.key.sign(&aws_lc_rs::signature::RSA_PKCS1_SHA256, input.as_bytes());
        parts[2] = encode(signature);
    }
    parts.join(".")
}

fn replace_at(text: &str, at: usize, with: char) -> String {
    format!("{}{with}{}", &text[..at], &text[at + 1..])
}

fn lines(text: &str, end: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let lines: Vec<String> = letters.chunks(76).map(|line| line.iter().collect()).collect();
    if lines.len() == 1 { format!("{text}{end}") } else { lines.join(end) }
}

const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The same bytes, with the bits set that the last letter has to spare: of
/// the n-th equivalent letter. A segment without spare bits is cut first, so
/// that it is another segment, validly spelled but for those bits.
fn spare_bits(text: &str, n: usize) -> String {
    let text = if text.len() % 4 == 0 { &text[..text.len() - 1 - n % 2] } else { text };
    let spare = if text.len() % 4 == 2 { 16 } else { 4 };
    let (start, last) = text.split_at(text.len() - 1);
    let value = ALPHABET.iter().position(|letter| *letter == last.as_bytes()[0]).expect("a letter");
    let other = value / spare * spare + 1 + n % (spare - 1);
    format!("{start}{}", char::from(ALPHABET[other]))
}

fn surroundings(trial: &Trial) -> Table {
    let mut table = Table::default();
    let good = trial.good();
    for prefix in [
        "Bearer ", "bearer ", "BEARER ", "Bearer  ", "Bearer\t", "Bearer:", "JWT ", "DPoP ",
        "token=",
    ] {
        table.reject("VE-16", prefix, format!("{prefix}{good}"));
    }
    for end in ["\0", "\0\0", "\0x", "\n", "\r\n", " ", ";", "#", "?", "&a=b", "\u{feff}"] {
        table.reject("VE-17", format!("{end:?} after"), format!("{good}{end}"));
        table.reject("VE-17", format!("{end:?} before"), format!("{end}{good}"));
    }
    for dot in ["%2E", "%2e", "\u{ff0e}", "\u{3002}", "\u{2024}", "\u{b7}", ",", "\\.", "\u{ff61}"]
    {
        table.reject("VE-18", dot, good.replace('.', dot));
        table.reject("VE-18", format!("{dot}, one of two"), good.replacen('.', dot, 1));
    }
    let percent: String = good.bytes().map(|byte| format!("%{byte:02X}")).collect();
    table.reject("VE-18", "all percent-encoded", percent);
    table.reject("VE-19", "upper case", good.to_uppercase());
    table.reject("VE-19", "lower case", good.to_lowercase());
    for joint in [",", " ", ", ", ".", "", "\n", ";", "\0"] {
        table.reject("VE-37", format!("{joint:?}"), format!("{good}{joint}{good}"));
    }
    table
}

/// Other serialisations (RFC 7515 section 7.2, RFC 7516) and texts that are
/// two things at once.
fn wrappings(trial: &Trial) -> Table {
    let mut table = Table::default();
    let good = trial.good();
    let [h, p, s] = segments(good);
    let flattened = format!(r#"{{"protected":"{h}","payload":"{p}","signature":"{s}"}}"#);
    table.reject("VE-20", "flattened", &flattened);
    table.reject("VE-20", "flattened, encoded", encode(&flattened));
    let unprotected = format!(
        r#"{{"payload":"{p}","signatures":[{{"protected":"{h}","header":{{}},"signature":"{s}"}}]}}"#
    );
    table.reject("VE-20", "general", unprotected);
    for (alg, fill) in [("RSA-OAEP", 0x5a), ("RSA-OAEP-256", 0x5a), ("RSA1_5", 0x01)] {
        // A number below the modulus; nobody may try what is in it.
        let key = encode(vec![fill; trial.forge.key.private().size()]);
        let kid = trial.forge.key.kid();
        let header = encode(format!(r#"{{"alg":"{alg}","enc":"A256GCM","kid":"{kid}"}}"#));
        table.reject(
            "VE-21",
            alg,
            format!("{header}.{key}.AAAAAAAAAAAAAAAA.{p}.AAAAAAAAAAAAAAAAAAAAAA"),
        );
    }
    let polyglots = [
        format!(r#"{{"  {good}":1}}"#),
        format!(r#"{{"a":"{good}"}}"#),
        format!(r#"{{"protected":"{h}","payload":"{p}","signature":"{s}","x":"{good}"}}"#),
        format!("{{\"\":\".{p}.{s}\"}}"),
        format!("[\"{good}\"]"),
        format!("\"{good}\""),
        format!("'{good}'"),
    ];
    for text in polyglots {
        table.reject("VE-22", text.chars().take(20).collect::<String>(), text);
    }
    let two = format!(
        r#"{{"payload":"{p}","signatures":[{{"protected":"{h}","signature":"AAAA"}},{{"protected":"{h}","signature":"{s}"}}]}}"#
    );
    table.reject("VE-23", "two signatures, one valid", two);
    table
}

/// VE-24, VE-25: size alone decides, before anything is read.
fn sizes(trial: &Trial) -> Table {
    let (forge, mut table) = (&trial.forge, Table::default());
    let claims = forge.claims.text();
    let of = |n: usize| forge.with_payload(format!("{claims}{}", " ".repeat(n)));
    let fits =
        (6_000 - claims.len()..).take_while(|n| of_len(trial, *n) <= 8_192).last().expect("room");
    let (longest, longer) = (of(fits), of(fits + 1));
    assert!(longest.len() <= 8_192 && longer.len() > 8_192, "{} {}", longest.len(), longer.len());
    table.accept("VE-24", format!("{} bytes", longest.len()), longest);
    table.reject("VE-24", format!("{} bytes", longer.len()), longer);
    let header = encode(forge.header.text());
    for size in [1 << 20, (4 << 20) - 1, (4 << 20) + 1] {
        table.reject("VE-25", format!("{size} dots"), ".".repeat(size));
        table.reject("VE-25", format!("{size} letters"), "A".repeat(size));
        let payload = "A".repeat(size / 4 * 4);
        table.reject("VE-25", format!("payload of {size}"), format!("{header}.{payload}.AAAA"));
    }
    table
}

/// The length of a token whose payload is that much longer.
fn of_len(trial: &Trial, spaces: usize) -> usize {
    let payload = (trial.forge.claims.text().len() + spaces) * 4;
    encode(trial.forge.header.text()).len() + 1 + payload.div_ceil(3) + 1 + 342
}

#[tokio::test]
async fn ve_01_to_ve_08_segments() {
    let trial = Trial::new().await;
    trial.judge(shapes(&trial)).await;
}

#[tokio::test]
async fn ve_09_to_ve_15_ve_36_spellings() {
    let trial = Trial::new().await;
    trial.judge(alphabets(&trial)).await;
}

#[tokio::test]
async fn ve_16_to_ve_19_ve_37_surroundings() {
    let trial = Trial::new().await;
    trial.judge(surroundings(&trial)).await;
}

#[tokio::test]
async fn ve_20_to_ve_23_wrappings() {
    let trial = Trial::new().await;
    trial.judge(wrappings(&trial)).await;
}

#[tokio::test]
async fn ve_24_ve_25_sizes() {
    let trial = Trial::new().await;
    trial.judge(sizes(&trial)).await;
}
