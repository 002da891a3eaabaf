//! The arrows of the house: which folder may name which. One crate has no
//! crate walls, so the sources are read.

use std::{collections::BTreeSet, fs, path::Path};

/// A folder or file of `src/`, the others that it may name, and the crates
/// that it must not. `app`, `cli` and `main` may name all of them.
const RULES: &[(&str, &[&str], &[&str])] = &[
    ("domain", &[], &[SQL, GRPC, HTTP, RUNTIME, JOSE, CRYPTO, RSA, "std::fs", "std::net"]),
    (
        "service",
        &["audit_lines", "crypto", "domain", "peers", "store"],
        &[SQL, GRPC, HTTP, JOSE, CRYPTO, RSA],
    ),
    ("store", &["audit_lines", "domain"], &[GRPC, HTTP, JOSE, CRYPTO, RSA]),
    ("crypto", &["domain", "pace", "telemetry"], &[SQL, GRPC, HTTP]),
    ("grpc", &["arrival", "domain", "gateway", "peers", "service"], &[SQL, JOSE, CRYPTO, RSA]),
    (
        "http",
        &["arrival", "domain", "gateway", "service", "telemetry"],
        &[SQL, GRPC, JOSE, CRYPTO, RSA],
    ),
    ("gateway", &["arrival", "domain", "service"], &[SQL, GRPC, RUNTIME, JOSE, CRYPTO, RSA]),
    ("arrival", &["domain", "service"], &[SQL, GRPC, RUNTIME, JOSE, CRYPTO, RSA]),
    ("listener", &["domain", "pace", "peers"], &[SQL, GRPC, JOSE, CRYPTO, RSA]),
    ("audit_lines", &["domain"], &[SQL, GRPC, HTTP, RUNTIME, JOSE, CRYPTO, RSA]),
    ("backup", &["crypto", "domain"], &[SQL, GRPC, HTTP, RUNTIME, JOSE, CRYPTO, RSA]),
    ("pace", &[], &[SQL, GRPC, HTTP, JOSE, CRYPTO, RSA]),
    ("peers", &[], &[SQL, GRPC, HTTP, RUNTIME, JOSE, CRYPTO, RSA]),
    ("config", &["domain"], &[SQL, GRPC, HTTP, JOSE, CRYPTO, RSA]),
    (
        "client",
        &["arrival", "crypto", "domain", "gateway", "grpc"],
        &[SQL, HTTP, JOSE, CRYPTO, RSA],
    ),
    ("telemetry", &["audit_lines", "config"], &[SQL, GRPC, HTTP, JOSE, CRYPTO, RSA]),
];

const SQL: &str = "sqlx::";
const GRPC: &str = "tonic::";
const HTTP: &str = "axum::";
const RUNTIME: &str = "tokio::";
const JOSE: &str = "jsonwebtoken::";
const CRYPTO: &str = "aws_lc_rs::";
const RSA: &str = "rsa::";

/// The only thing of store and crypto that the service may name.
const PORTS: &[&str] = &["crate::store::port", "crate::crypto::port"];

#[test]
fn arrows_point_one_way() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut broken = Vec::new();
    for (folder, allowed, forbidden) in RULES {
        let sources = sources(&src.join(folder));
        assert!(!sources.is_empty(), "src/{folder} has no sources; is the rule out of date?");
        for (path, text) in sources {
            let named = named_modules(&text);
            let beyond = named.iter().filter(|name| *name != folder && !allowed.contains(name));
            broken.extend(beyond.map(|name| format!("{path} names crate::{name}")));
            let crates = forbidden.iter().filter(|name| names_crate(&text, name));
            broken.extend(crates.map(|name| format!("{path} names {name}")));
            if *folder == "service" && names_an_adapter(&text) {
                broken.push(format!("{path} names more of store or crypto than their ports"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// The first names after `crate::`, each alone or several in braces:
/// `use crate::{domain::{id, policy}, store}` names `domain` and `store`.
fn named_modules(text: &str) -> BTreeSet<&str> {
    let mut named = BTreeSet::new();
    for (at, start) in text.match_indices("crate::") {
        let rest = &text[at + start.len()..];
        match rest.strip_prefix('{') {
            Some(list) => named.extend(list_items(list)),
            None => named.extend(first_word(rest)),
        }
    }
    named
}

/// The first word of each item up to the brace that closes the list.
fn list_items(list: &str) -> Vec<&str> {
    let (mut items, mut depth, mut begin) = (Vec::new(), 0, 0);
    for (at, character) in list.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            '}' | ',' if depth == 0 => {
                items.extend(first_word(list[begin..at].trim_start()));
                begin = at + 1;
                if character == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    items
}

fn first_word(text: &str) -> Option<&str> {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    Some(&text[..end]).filter(|word| !word.is_empty())
}

/// `rsa::` is not named by `crate::crypto::rsa::`, nor by `ursa::`.
fn names_crate(text: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    text.match_indices(name).any(|(at, _)| !text[..at].ends_with(is_part))
}

/// `use crate::{ store::port::… }` is written in nested form, so the check
/// looks at what follows `store::` and `crypto::`.
fn names_an_adapter(text: &str) -> bool {
    ["store::", "crypto::"].iter().any(|layer| {
        text.match_indices(layer).any(|(at, _)| {
            let whole_word = !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            whole_word && !text[at + layer.len()..].starts_with("port")
        })
    })
}

#[test]
fn the_rule_for_modules_can_fail() {
    let text = "use crate::{\n    domain::{id, policy},\n    grpc::{self, GrpcOptions},\n};\ncrate::http::x()";
    let named: Vec<_> = named_modules(text).into_iter().collect();
    assert_eq!(named, ["domain", "grpc", "http"]);
    assert!(names_crate("use rsa::traits;", RSA) && !names_crate("crate::rsa::x", RSA));
}

#[test]
fn the_rule_for_ports_can_fail() {
    assert!(PORTS.iter().all(|port| !names_an_adapter(port)));
    assert!(names_an_adapter("use crate::{store::sql::SqlStore};"));
    assert!(names_an_adapter("crate::crypto::keyring::Keyring"));
}

/// Every source under a folder, or the one file of that name.
fn sources(path: &Path) -> Vec<(String, String)> {
    let file = path.with_extension("rs");
    let mut found = Vec::new();
    if file.is_file() {
        let text = fs::read_to_string(&file).unwrap();
        // Comments may speak of anything.
        let code: Vec<_> = text.lines().filter(|l| !l.trim_start().starts_with("//")).collect();
        found.push((file.display().to_string(), code.join("\n")));
    }
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            let entry = entry.unwrap().path();
            if entry.is_dir() || entry.extension().is_some_and(|ext| ext == "rs") {
                found.extend(sources(&entry.with_extension("")));
            }
        }
    }
    found.sort();
    found.dedup();
    found
}
