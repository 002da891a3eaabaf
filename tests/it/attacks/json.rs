//! VJ: the payload is one JSON object, strictly read. Every token is validly
//! signed.

use super::{
    json_classes,
    table::{Seen, Table, Trial},
};
use crate::support::naughty;

/// Everything that table-driven tests of this family judge.
pub(super) fn rows(trial: &Trial) -> Table {
    objects(trial)
        .append(duplicates(trial))
        .append(texts(trial))
        .append(sizes(trial))
        .append(classes(trial))
}

fn objects(trial: &Trial) -> Table {
    let (forge, mut table) = (&trial.forge, Table::default());
    for payload in ["[]", r#""text""#, "1", "null", "true", "", r#""""#, "-", " ", "0.0"] {
        table.reject("VJ-01", format!("{payload:?}"), forge.with_payload(payload));
    }
    let claims = forge.claims.text();
    table.reject("VJ-01", "the claims in an array", forge.with_payload(format!("[{claims}]")));
    let in_a_string = serde_json::Value::from(claims.as_str()).to_string();
    table.reject("VJ-01", "the claims in a string", forge.with_payload(in_a_string));
    // VJ-02: what a derived reader would take for the fields in order.
    let object: serde_json::Map<_, _> = serde_json::from_str(&claims).expect("JSON");
    let values = serde_json::Value::from(object.values().cloned().collect::<Vec<_>>());
    table.reject("VJ-02", "values in order", forge.with_payload(values.to_string()));
    let pairs = object.iter().map(|(name, value)| serde_json::json!([name, value]));
    let pairs = serde_json::Value::from(pairs.collect::<Vec<_>>());
    table.reject("VJ-02", "pairs in order", forge.with_payload(pairs.to_string()));
    table.reject("VJ-03", "{}", forge.with_payload("{}"));
    for name in object.keys().filter(|name| *name != "roles" && *name != "amr") {
        let without = forge.claims.clone().without(name);
        table.reject("VJ-03", format!("without {name}"), forge.with_claims(&without));
    }
    for optional in ["roles", "amr"] {
        let without = forge.claims.clone().without(optional);
        table.accept("VJ-03", format!("without {optional}"), forge.with_claims(&without));
    }
    // VJ-19 decided: claims that we do not know are ignored.
    for raw in ["1", r#""x""#, "null", "[]", "{}", "1e400000", r#"{"sub":{"sub":[]}}"#] {
        let row = forge.claim("https://example.org/claim", raw);
        let finite = raw != "1e400000";
        table.expect("VJ-19", raw, row, if finite { Seen::Active } else { Seen::Invalid });
    }
    table.accept("VJ-20", "an integer", forge.claim("exp", "1800000600"));
    table.reject("VJ-20", "a fraction of nothing", forge.claim("exp", "1800000600.0"));
    table
}

fn duplicates(trial: &Trial) -> Table {
    let (forge, mut table) = (&trial.forge, Table::default());
    let names = [
        "iss",
        "aud",
        "sub",
        "client_id",
        "iat",
        "exp",
        "jti",
        "sid",
        "auth_time",
        "amr",
        "ver",
        "cver",
    ];
    for name in names {
        let same = forge.claims.clone().add(name, forge.claims.raw(name));
        table.reject("VJ-04", format!("{name}, the same"), forge.with_claims(&same));
        let other = forge.claims.clone().add(name, "null");
        table.reject("VJ-04", format!("{name}, another"), forge.with_claims(&other));
        let escaped = format!(r"\u{:04x}{}", u32::from(name.as_bytes()[0]), &name[1..]);
        let hidden = forge.claims.clone().add(&escaped, forge.claims.raw(name));
        table.reject("VJ-06", format!("{name} and {escaped}"), forge.with_claims(&hidden));
    }
    for (what, first, second) in
        [("role", r#""user""#, r#""admin""#), ("x", "1", "1"), ("", "1", "2")]
    {
        let twice = forge.claims.clone().add(what, first).add(what, second);
        table.reject("VJ-05", format!("{what:?} twice"), forge.with_claims(&twice));
    }
    table.reject("VJ-05", "twice, inside", forge.claim("x", r#"{"a":1,"a":2}"#));
    table.reject(
        "VJ-05",
        "twice, deep inside",
        forge.claim("x", r#"[{"a":[{"b":1,"c":2,"b":3}]}]"#),
    );
    table.accept("VJ-05", "once in each of two objects", forge.claim("x", r#"[{"a":1},{"a":2}]"#));
    table
}

/// Bytes around and inside the text.
fn texts(trial: &Trial) -> Table {
    let (forge, mut table) = (&trial.forge, Table::default());
    let claims = forge.claims.text();
    let open = &claims[..claims.len() - 1];
    let trailing =
        ["x", "{}", &claims, "\0", "]", "}", ",", "//", "/**/", "#", "null", "\u{feff}", "\u{a0}"];
    for end in trailing {
        let what = end.chars().take(10).collect::<String>();
        table.reject(
            "VJ-07",
            format!("{what:?} after it"),
            forge.with_payload(format!("{claims}{end}")),
        );
    }
    for end in [",}", ",,}", "", ",\"x\"}", ",\"x\":}", ",:1}", ",1}", ",null:1}", "]"] {
        table.reject(
            "VJ-07",
            format!("{end:?} at the end"),
            forge.with_payload(format!("{open}{end}")),
        );
    }
    table.reject("VJ-08", "byte order mark", forge.with_payload(format!("\u{feff}{claims}")));
    let utf16 =
        |order: fn(u16) -> [u8; 2]| claims.encode_utf16().flat_map(order).collect::<Vec<u8>>();
    table.reject("VJ-08", "UTF-16LE", forge.with_payload(utf16(u16::to_le_bytes)));
    table.reject("VJ-08", "UTF-16BE", forge.with_payload(utf16(u16::to_be_bytes)));
    let broken: [(&str, &[u8]); 8] = [
        ("overlong a", &[0xc1, 0xa1]),
        ("overlong NUL", &[0xc0, 0x80]),
        ("overlong slash", &[0xe0, 0x80, 0xaf]),
        ("CESU-8", &[0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80]),
        ("a lone continuation", &[0x80]),
        ("a start without an end", &[0xe2, 0x82]),
        ("beyond U+10FFFF", &[0xf4, 0x90, 0x80, 0x80]),
        ("0xff", &[0xff]),
    ];
    for (what, bytes) in broken {
        // In a claim that nobody reads: the text as a whole must be UTF-8.
        let payload = [open.as_bytes(), b",\"x\":\"", bytes, b"\"}"].concat();
        table.reject("VJ-08", what, forge.with_payload(payload));
        let payload = [open.as_bytes(), b",\"", bytes, b"\":1}"].concat();
        table.reject("VJ-08", format!("{what}, in a name"), forge.with_payload(payload));
    }
    for (name, value) in
        [("sub", "018f3a5e-7c1b-7d2e-8f3a-1b2c3d4e5f60"), ("name", "Alice"), ("email", "a@x.org")]
    {
        table.reject(
            "VJ-09",
            format!("NUL in {name}"),
            forge.claim(name, format!(r#""{value}\u0000""#)),
        );
        table.reject(
            "VJ-09",
            format!("DEL in {name}"),
            forge.claim(name, format!(r#""{value}\u007f""#)),
        );
    }
    for name in ["amr", "roles", "aud"] {
        table.reject("VJ-09", format!("NUL in {name}"), forge.claim(name, r#"["pwd","a\u0000"]"#));
    }
    for raw in
        [r#""\ud800""#, r#""\udc00""#, r#""\ud800\ud800""#, r#""\ud83d\u0041""#, r#""\uD800\n""#]
    {
        for name in ["name", "sub", "x"] {
            table.reject("VJ-10", format!("{name} {raw}"), forge.claim(name, raw));
        }
    }
    table.accept("VJ-10", "a pair", forge.claim("x", r#""\ud83d\ude00""#));
    for mark in ["\u{feff}", "\u{200b}", "\u{202e}", "\u{ad}", "\u{2066}"] {
        for name in ["sub", "iss", "sid", "jti", "client_id"] {
            let value = forge.claims.raw(name).trim_matches('"');
            for text in [format!("{mark}{value}"), format!("{value}{mark}")] {
                table.reject(
                    "VJ-11",
                    format!("{name} {mark:?}"),
                    forge.claim(name, format!("\"{text}\"")),
                );
            }
        }
    }
    let not_json = [
        "/*x*/1",
        "1//x\n",
        "'x'",
        "0x10",
        "NaN",
        "undefined",
        "x",
        "True",
        "+1",
        "1.",
        "\"\t\"",
        "\"\\x41\"",
    ];
    for raw in not_json {
        table.reject("VJ-12", raw, forge.claim("x", raw));
    }
    table.reject("VJ-12", "single quotes", forge.with_payload(claims.replace('"', "'")));
    table.reject("VJ-12", "a bare name", forge.with_payload(claims.replace("\"sub\"", "sub")));
    table
}

fn sizes(trial: &Trial) -> Table {
    let (forge, mut table) = (&trial.forge, Table::default());
    let nested = |open: &str, close: &str, depth: usize| {
        format!("{}0{}", open.repeat(depth), close.repeat(depth))
    };
    for (what, open, close) in [("arrays", "[", "]"), ("objects", r#"{"a":"#, "}")] {
        // With the payload's own object, 127 levels are read.
        table.accept("VJ-14", format!("126 {what}"), forge.claim("x", nested(open, close, 126)));
        for depth in [127, 128, 129, 500, 100_000] {
            let token = forge.claim("x", nested(open, close, depth));
            table.reject("VJ-14", format!("{depth} {what}"), token);
        }
        table.reject(
            "VJ-14",
            format!("{what}, never closed"),
            forge.claim("x", open.repeat(1_000)),
        );
    }
    let keys = |count: usize, name: fn(usize) -> String| {
        (0..count).fold(forge.claims.clone(), |claims, n| claims.add(&name(n), "0"))
    };
    table.reject("VJ-15", "100 000 names", forge.with_claims(&keys(20_000, |n| format!("k{n}"))));
    table.reject(
        "VJ-15",
        "a name of 1 MiB",
        forge.with_claims(&forge.claims.clone().add(&"k".repeat(1 << 20), "0")),
    );
    table.reject("VJ-15", "a number of 10^6 digits", forge.claim("x", "1".repeat(1_000_000)));
    table.reject("VJ-15", "an integer of 1000 digits, read", forge.claim("exp", "1".repeat(1_000)));
    // VJ-16: names of one length and beginning, as many as there is room for.
    let alike = keys(300, |n| format!("claim-{n:04}"));
    table.accept("VJ-16", "300 names alike", forge.with_claims(&alike));
    table.reject(
        "VJ-16",
        "300 names alike and one twice",
        forge.with_claims(&alike.add("claim-0299", "0")),
    );
    padded(trial, &mut table);
    table
}

/// VJ-18: white space between tokens of JSON means nothing, so it is read, up
/// to the last byte that fits.
fn padded(trial: &Trial, table: &mut Table) {
    let (forge, claims) = (&trial.forge, trial.forge.claims.text());
    let [longest, longer] = forge.around_the_limit();
    table.accept("VJ-18", "as long as it may be", longest);
    table.reject("VJ-18", "one longer", longer);
    let first = format!("{}{claims}", "\n\t\r ".repeat(100));
    table.accept("VJ-18", "white space first", forge.with_payload(first));
}

/// VJ-13, VJ-17: whole payloads, and single strings, of every odd class.
fn classes(trial: &Trial) -> Table {
    let (forge, mut table) = (&trial.forge, Table::default());
    for (what, text) in json_classes::documents() {
        table.reject("VJ-13", format!("{what}, as payload"), forge.with_payload(&text));
        table.reject("VJ-13", format!("{what}, as header"), forge.with_header(&text));
    }
    for text in naughty::strings() {
        let raw = serde_json::Value::from(text.as_str()).to_string();
        for name in ["sub", "sid", "iss"] {
            table.reject("VJ-17", format!("{name} {text:?}"), forge.claim(name, &raw));
        }
        table.reject("VJ-17", format!("kid {text:?}"), forge.header_member("kid", &raw));
    }
    table
}

#[tokio::test]
async fn vj_01_to_vj_03_vj_19_vj_20_objects() {
    let trial = Trial::new().await;
    trial.judge(objects(&trial)).await;
}

#[tokio::test]
async fn vj_04_to_vj_06_duplicates() {
    let trial = Trial::new().await;
    trial.judge(duplicates(&trial)).await;
}

#[tokio::test]
async fn vj_07_to_vj_12_texts() {
    let trial = Trial::new().await;
    trial.judge(texts(&trial)).await;
}

#[tokio::test]
async fn vj_14_to_vj_16_vj_18_sizes() {
    let trial = Trial::new().await;
    trial.judge(sizes(&trial)).await;
}

#[tokio::test]
async fn vj_13_vj_17_classes() {
    let trial = Trial::new().await;
    trial.judge(classes(&trial)).await;
}
