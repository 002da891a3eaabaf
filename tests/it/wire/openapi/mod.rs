//! The `OpenAPI` document, held against the descriptors and against the server.
//!
//! `docs/openapi.json` is put together here: from the parts in `docs/openapi/`
//! that people have written, and from `proto/`. `INSTA_UPDATE=always` writes it.

mod calls;

use std::{collections::BTreeSet, env, ffi::OsString, fs, path::Path};

use serde_json::Value;
use tokenward::config::Settings;

use super::http::ask;
use crate::support::{
    served::Served,
    world::{Engine, World},
};

/// In the order of the document.
const PARTS: [&str; 7] =
    ["base", "documents", "operations", "calls", "oauth", "gateway", "session"];

fn file(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn part(name: &str) -> Value {
    let text = fs::read_to_string(file(&format!("docs/openapi/{name}.json"))).expect(name);
    serde_json::from_str(&text).expect(name)
}

fn put_together() -> Value {
    let mut document = Value::Null;
    for name in PARTS {
        merge(&mut document, part(name));
    }
    merge(&mut document, calls::part());
    document["info"]["version"] = env!("CARGO_PKG_VERSION").into();
    document
}

/// Objects member by member, and lists one after the other; anything else
/// takes the place of what was there.
fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (Value::Array(into), Value::Array(from)) => into.extend(from),
        (into, from) => *into = from,
    }
}

#[test]
fn the_document_is_made_of_its_parts() {
    let text = format!("{:#}\n", put_together());
    if env::var("INSTA_UPDATE").as_deref() == Ok("always") {
        fs::write(file("docs/openapi.json"), &text).expect("written");
    }
    let shipped = fs::read_to_string(file("docs/openapi.json")).expect("shipped");
    assert!(shipped == text, "docs/openapi.json is out of date: INSTA_UPDATE=always writes it");
}

async fn served() -> Served {
    let everything = |settings: &mut Settings| settings.browser.enabled = true;
    World::with(Engine::Sqlite, everything).await.expect("SQLite").serve().await
}

#[tokio::test]
async fn the_document_is_served() {
    let served = served().await;
    let answer = ask(&served, "GET", "/openapi.json", "").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert!(answer.body == fs::read_to_string(file("docs/openapi.json")).expect("shipped"));
    let etag = format!("If-None-Match: {}\r\n", answer.header("etag").expect("an ETag"));
    let unchanged = ask(&served, "GET", "/openapi.json", &etag).await;
    assert_eq!((unchanged.status, unchanged.body.as_str()), (304, ""));
}

/// Methods and paths.
fn routes(document: &Value) -> BTreeSet<(String, String)> {
    let paths = document["paths"].as_object().expect("paths").iter();
    let methods = paths.flat_map(|(path, item)| {
        item.as_object().expect("an item").keys().map(move |method| (method, path))
    });
    methods.map(|(method, path)| (method.to_uppercase(), path.clone())).collect()
}

#[tokio::test]
async fn what_is_documented_is_served() {
    let served = served().await;
    for (method, path) in routes(&put_together()) {
        let answer = ask(&served, &method, &path, "").await;
        assert!(![404, 405].contains(&answer.status), "{method} {path}: {}", answer.status);
    }
    let parts = fs::read_dir(file("docs/openapi")).expect("a folder");
    let parts = parts.map(|entry| entry.expect("a part").path());
    let names: BTreeSet<_> =
        parts.map(|path| path.file_stem().expect("a name").to_owned()).collect();
    assert_eq!(names, PARTS.map(OsString::from).into(), "each part is in the document");
}

/// Each path that stands in the sources of the HTTP edge.
#[test]
fn what_is_served_is_documented() {
    let documented: BTreeSet<_> =
        routes(&put_together()).into_iter().map(|(_, path)| path).collect();
    let mut served = BTreeSet::new();
    for entry in walk(&file("src/http")) {
        let text = fs::read_to_string(entry).expect("a source");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        served.extend(code.split('"').filter(|literal| is_path(literal)).map(str::to_owned));
    }
    assert!(served.contains("/livez") && served.contains("/.well-known/jwks.json"), "{served:?}");
    let missing: Vec<_> = served.difference(&documented).collect();
    assert!(missing.is_empty(), "not documented: {missing:?}");
}

fn is_path(literal: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_');
    literal.len() > 1
        && literal.starts_with('/')
        && !literal.contains("//")
        && literal.chars().all(part)
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("one").path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}
