//! VE: three canonical base64url segments and nothing around them. Whatever
//! is done here to text was done to honest or validly signed tokens.

use base64::{Engine as _, engine::general_purpose::URL_SAFE};

use super::{
    forge::{encode, segments},
    table::{Seen, Table, Trial},
    wrapping,
};

/// Everything that table-driven tests of this family judge.
pub(super) fn rows(trial: &Trial) -> Table {
    shapes(trial)
        .append(alphabets(trial))
        .append(same_bytes(trial))
        .append(surroundings(trial))
        .append(wrapping::rows(trial))
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
    for at in 0..3 {
        let respelled = |id, what: &str, spell: &dyn Fn(&str) -> String, table: &mut Table| {
            table.reject(id, format!("{what}, segment {at}"), respell(trial, at, spell));
        };
        for padding in ["=", "==", "===", "%3D", "%3d%3d"] {
            respelled("VE-09", padding, &|text| format!("{text}{padding}"), &mut table);
        }
        respelled("VE-09", "right padding", &rightly_padded, &mut table);
        respelled("VE-10", "+", &|text| replace_at(text, 4, '+'), &mut table);
        respelled("VE-10", "/", &|text| replace_at(text, 4, '/'), &mut table);
        respelled(
            "VE-11",
            "mixed",
            &|text| replace_at(&replace_at(text, 4, '+'), 5, '_'),
            &mut table,
        );
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

/// Padded as RFC 4648 has it, or by one quantum where that adds nothing.
fn rightly_padded(text: &str) -> String {
    let padded = URL_SAFE.encode(super::forge::decode(text));
    if padded == text { padded + "====" } else { padded }
}

const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Every other spelling of a segment that a lax decoder gives the same bytes
/// for: the last letter has two or four bits to spare.
fn with_spare_bits(text: &str) -> Vec<String> {
    let spare = [1, 1, 16, 4][text.len() % 4];
    let (start, last) = text.split_at(text.len() - 1);
    let letter = ALPHABET.iter().position(|letter| *letter == last.as_bytes()[0]);
    let first = letter.expect("a letter");
    (1..spare).map(|n| format!("{start}{}", char::from(ALPHABET[first + n]))).collect()
}

/// VE-10 to VE-12: a payload and a signature that a lax decoder would read.
fn same_bytes(trial: &Trial) -> Table {
    let (forge, mut table) = (&trial.forge, Table::default());
    let sign = |payload: &str| {
        let input = format!("{}.{payload}", encode(forge.header.text()));
        let signature = forge.key.sign(&aws_lc_rs::signature::RSA_PKCS1_SHA256, input.as_bytes());
        (input, encode(signature))
    };
    let claims = forge.claims.clone().add("x", r#"">>>???~~~""#).text();
    for spaces in 0..3 {
        let payload = encode(format!("{claims}{}", " ".repeat(spaces)));
        let (input, signature) = sign(&payload);
        table.accept("VE-12", "the one spelling", format!("{input}.{signature}"));
        for (id, other) in [
            ("VE-10", payload.replace('-', "+").replace('_', "/")),
            ("VE-11", payload.replacen('-', "+", 1).replacen('_', "/", 1)),
        ] {
            assert_ne!(other, payload);
            let (input, signature) = sign(&other);
            table.reject(id, "payload in another alphabet", format!("{input}.{signature}"));
        }
        for other in with_spare_bits(&payload) {
            let (input, signature) = sign(&other);
            table.reject("VE-12", "spare bits, payload", format!("{input}.{signature}"));
        }
        let standard = signature.replace('-', "+").replace('_', "/");
        table.reject("VE-10", "signature in another alphabet", format!("{input}.{standard}"));
        for other in with_spare_bits(&signature) {
            table.reject("VE-12", "spare bits, signature", format!("{input}.{other}"));
        }
    }
    // Of three payloads in a row one has four bits to spare, and one two.
    assert_eq!(table.0.iter().filter(|row| row.what.starts_with("spare")).count(), 15 * 3 + 15 + 3);
    table
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
    let percent: String =
        good.bytes().flat_map(|byte| format!("%{byte:02X}").into_bytes()).map(char::from).collect();
    table.reject("VE-18", "all percent-encoded", percent);
    table.reject("VE-19", "upper case", good.to_uppercase());
    table.reject("VE-19", "lower case", good.to_lowercase());
    for joint in [",", " ", ", ", ".", "", "\n", ";", "\0"] {
        table.reject("VE-37", format!("{joint:?}"), format!("{good}{joint}{good}"));
    }
    table
}

/// VE-24, VE-25: size alone decides, before anything is read.
fn sizes(trial: &Trial) -> Table {
    let (forge, mut table) = (&trial.forge, Table::default());
    let [longest, longer] = forge.around_the_limit();
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

#[tokio::test]
async fn ve_01_to_ve_08_segments() {
    let trial = Trial::new().await;
    trial.judge(shapes(&trial)).await;
}

#[tokio::test]
async fn ve_09_to_ve_15_ve_36_spellings() {
    let trial = Trial::new().await;
    trial.judge(alphabets(&trial).append(same_bytes(&trial))).await;
}

#[tokio::test]
async fn ve_16_to_ve_19_ve_37_surroundings() {
    let trial = Trial::new().await;
    trial.judge(surroundings(&trial)).await;
}

#[tokio::test]
async fn ve_24_ve_25_sizes() {
    let trial = Trial::new().await;
    trial.judge(sizes(&trial)).await;
}
