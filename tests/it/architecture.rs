//! The arrows of the house: which folder may name which. One crate has no
//! crate walls, so the sources are read.

use std::{fs, path::Path};

/// A folder or file of `src/`, and what it must not name.
const RULES: &[(&str, &[&str])] = &[
    (
        "domain",
        &[
            "sqlx::",
            "tonic::",
            "axum::",
            "tokio::",
            "jsonwebtoken::",
            "aws_lc_rs::",
            "rsa::",
            "crate::store",
            "crate::crypto",
            "crate::service",
            "crate::grpc",
            "crate::http",
            "crate::app",
            "crate::cli",
            "crate::config",
            "crate::listener",
            "std::fs",
            "std::net",
        ],
    ),
    (
        "service",
        &[
            "sqlx::",
            "tonic::",
            "axum::",
            "jsonwebtoken::",
            "aws_lc_rs::",
            "rsa::",
            "crate::grpc",
            "crate::http",
            "crate::app",
            "crate::cli",
            "crate::config",
            "crate::listener",
        ],
    ),
    (
        "store",
        &[
            "tonic::",
            "axum::",
            "crate::service",
            "crate::crypto",
            "crate::grpc",
            "crate::http",
            "crate::app",
            "crate::cli",
            "crate::config",
        ],
    ),
    (
        "crypto",
        &[
            "sqlx::",
            "tonic::",
            "axum::",
            "crate::service",
            "crate::store",
            "crate::grpc",
            "crate::http",
            "crate::app",
            "crate::cli",
            "crate::config",
        ],
    ),
    (
        "grpc",
        &["sqlx::", "crate::store", "crate::http", "crate::app", "crate::cli", "crate::config"],
    ),
    (
        "http",
        &[
            "sqlx::",
            "tonic::",
            "crate::store",
            "crate::grpc",
            "crate::app",
            "crate::cli",
            "crate::config",
        ],
    ),
    (
        "listener",
        &[
            "sqlx::",
            "tonic::",
            "crate::store",
            "crate::service",
            "crate::grpc",
            "crate::http",
            "crate::app",
        ],
    ),
    ("peers", &["sqlx::", "tonic::", "axum::", "tokio::", "crate::"]),
    (
        "config",
        &[
            "crate::store",
            "crate::crypto",
            "crate::service",
            "crate::grpc",
            "crate::http",
            "crate::app",
        ],
    ),
];

/// The only thing of store and crypto that the service may name.
const PORTS: &[&str] = &["crate::store::port", "crate::crypto::port"];

#[test]
fn arrows_point_one_way() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut broken = Vec::new();
    for (folder, forbidden) in RULES {
        let sources = sources(&src.join(folder));
        assert!(!sources.is_empty(), "src/{folder} has no sources; is the rule out of date?");
        for (path, text) in sources {
            for name in *forbidden {
                if text.contains(name) {
                    broken.push(format!("{path} names {name}"));
                }
            }
            if *folder == "service" && names_an_adapter(&text) {
                broken.push(format!("{path} names more of store or crypto than their ports"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
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
