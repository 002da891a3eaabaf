//! The layers of configuration, and how they become one.

use std::{
    collections::BTreeSet,
    env, fs, io,
    path::{Path, PathBuf},
};

use confique::{Config, Layer, meta};
use toml::{Table, Value};

use super::{DatabaseUrl, Settings, check};

type SettingsLayer = <Settings as Config>::Layer;

const ENV_PREFIX: &str = "TOKENWARD_";
/// Names the configuration file, when the command line does not.
const ENV_FILE: &str = "TOKENWARD_CONFIG";
/// The secret, and the variable that names a file holding it.
const ENV_DATABASE_URL: &str = "TOKENWARD_DATABASE_URL";
const ENV_DATABASE_URL_FILE: &str = "TOKENWARD_DATABASE_URL_FILE";
/// A file that holds a secret is not larger than this.
const SECRET_FILE_MAX: u64 = 4_096;

/// Why there is no configuration. Each line names what to change.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the configuration file {} cannot be read: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A source is not what it should be: an unknown name, a wrong type.
    #[error("{source_name}: {message}")]
    Malformed {
        /// The file, variable or flag.
        source_name: String,
        /// What is wrong with it.
        message: String,
    },
    /// Values out of bounds, and names that nobody knows.
    #[error("{}", .0.join("\n"))]
    OutOfBounds(Vec<String>),
}

/// What the command line says.
#[derive(Clone, Debug, Default)]
pub struct CommandLine {
    /// The configuration file.
    pub file: Option<PathBuf>,
    /// Settings as `section.name` and a value, from flags and `--set`.
    pub values: Vec<(String, String)>,
}

/// Loads and checks the configuration.
pub fn load(command_line: &CommandLine) -> Result<Settings, ConfigError> {
    refuse_unknown_variables(env::vars_os().filter_map(|(name, _)| name.into_string().ok()))?;
    let file = command_line.file.clone().or_else(|| env::var_os(ENV_FILE).map(PathBuf::from));
    let layer = flags(&command_line.values)?
        .with_fallback(environment()?)
        .with_fallback(file.as_deref().map_or_else(|| Ok(SettingsLayer::empty()), from_file)?)
        .with_fallback(SettingsLayer::default_values());
    let settings = Settings::from_layer(layer)
        .map_err(|error| malformed("configuration", error.to_string()))?;
    match check::violations(&settings) {
        violations if violations.is_empty() => Ok(settings),
        violations => Err(ConfigError::OutOfBounds(violations)),
    }
}

/// An annotated file with every setting at its default.
pub fn example() -> String {
    confique::toml::template::<Settings>(confique::toml::FormatOptions::default())
}

/// A setting as a reference table shows it.
#[derive(Clone, Debug)]
pub struct Described {
    /// `section.name`.
    pub name: String,
    /// The environment variable.
    pub env: Option<&'static str>,
    /// The default, as in TOML; empty when there is none.
    pub default: String,
    /// What it means.
    pub doc: String,
}

/// Every setting, in order.
pub fn describe() -> Vec<Described> {
    let mut all = Vec::new();
    describe_section("", &Settings::META, &mut all);
    all
}

fn describe_section(prefix: &str, meta: &meta::Meta, all: &mut Vec<Described>) {
    for field in meta.fields {
        let name = format!("{prefix}{}", field.name);
        match field.kind {
            meta::FieldKind::Nested { meta } => describe_section(&format!("{name}."), meta, all),
            meta::FieldKind::Leaf { env, kind } => {
                let default = match kind {
                    meta::LeafKind::Required { default: Some(default) } => toml_text(&default),
                    _ => String::new(),
                };
                let doc: Vec<_> = field.doc.iter().map(|line| line.trim()).collect();
                all.push(Described { name, env, default, doc: doc.join(" ") });
            }
        }
    }
}

fn toml_text(value: &meta::Expr) -> String {
    Value::try_from(value).map(|value| value.to_string()).unwrap_or_default()
}

fn flags(values: &[(String, String)]) -> Result<SettingsLayer, ConfigError> {
    let mut table = Table::new();
    for (name, text) in values {
        // Each by itself at first, so that an error can name it.
        let mut alone = Table::new();
        insert(&mut alone, name, value_for(name, text));
        let layer: Result<SettingsLayer, toml::de::Error> = alone.try_into();
        layer.map_err(|error| malformed(&format!("{name}={text}"), error.message()))?;
        insert(&mut table, name, value_for(name, text));
    }
    table.try_into().map_err(|error: toml::de::Error| malformed("command line", error.message()))
}

fn insert(table: &mut Table, name: &str, value: Value) {
    match name.split_once('.') {
        None => {
            table.insert(name.to_owned(), value);
        }
        Some((section, rest)) => {
            let section = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(section) = section {
                insert(section, rest, value);
            }
        }
    }
}

/// Text, unless the setting's default shows that it is a number or a switch.
fn value_for(name: &str, text: &str) -> Value {
    let default =
        describe().into_iter().find(|known| known.name == name).map(|known| known.default);
    let is_text = default.is_none_or(|default| default.is_empty() || default.starts_with('"'));
    if is_text {
        return Value::String(text.to_owned());
    }
    let integer = text.parse().map(Value::Integer).ok();
    integer
        .or_else(|| text.parse().map(Value::Boolean).ok())
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

fn environment() -> Result<SettingsLayer, ConfigError> {
    let mut layer =
        SettingsLayer::from_env().map_err(|error| unreadable_variable(&error.to_string()))?;
    if let Some(path) = env::var_os(ENV_DATABASE_URL_FILE) {
        if layer.database.url.is_some() {
            let message = format!("is set together with {ENV_DATABASE_URL}; keep one of the two");
            return Err(malformed(ENV_DATABASE_URL_FILE, message));
        }
        layer.database.url = Some(DatabaseUrl::from(secret_file(Path::new(&path))?));
    }
    Ok(layer)
}

/// The library's message names the variable; its value, unless it is secret,
/// is what a person looks for next.
fn unreadable_variable(message: &str) -> ConfigError {
    let mut named = describe().into_iter().filter_map(|setting| setting.env);
    let Some(name) = named.find(|name| message.contains(&format!("`{name}`"))) else {
        return malformed("environment", message);
    };
    let rule = message.rsplit(": ").next().unwrap_or(message);
    match env::var(name) {
        Ok(value) if name != ENV_DATABASE_URL => malformed(name, format!("is \"{value}\": {rule}")),
        _ => malformed(name, rule),
    }
}

fn secret_file(path: &Path) -> Result<String, ConfigError> {
    let unreadable = |error| ConfigError::Unreadable { path: path.to_owned(), error };
    if fs::metadata(path).map_err(unreadable)?.len() > SECRET_FILE_MAX {
        let message = format!("is larger than {SECRET_FILE_MAX} bytes; a secret is expected");
        return Err(malformed(&path.display().to_string(), message));
    }
    let text = fs::read_to_string(path).map_err(unreadable)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn from_file(path: &Path) -> Result<SettingsLayer, ConfigError> {
    let text = fs::read_to_string(path)
        .map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })?;
    toml::from_str(&text).map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        let line = before.map(|before| before.matches('\n').count() + 1);
        let place = line.map(|line| format!(" line {line}")).unwrap_or_default();
        malformed(&format!("{}{place}", path.display()), error.message())
    })
}

/// A misspelt variable must not be silently without effect.
fn refuse_unknown_variables(names: impl Iterator<Item = String>) -> Result<(), ConfigError> {
    let known: BTreeSet<_> = describe().into_iter().filter_map(|setting| setting.env).collect();
    let is_known =
        |name: &str| known.contains(name) || name == ENV_FILE || name == ENV_DATABASE_URL_FILE;
    let ours = |name: &String| name.starts_with(ENV_PREFIX) && !is_known(name);
    let mut unknown: Vec<_> = names.filter(|name| ours(name) && !is_service_link(name)).collect();
    unknown.sort();
    if unknown.is_empty() {
        return Ok(());
    }
    let line = |name| format!("{name}: is not the name of any setting");
    Err(ConfigError::OutOfBounds(unknown.into_iter().map(line).collect()))
}

/// Kubernetes puts the addresses of a Service named "tokenward" into every
/// container: `TOKENWARD_SERVICE_HOST`, `TOKENWARD_PORT_50051_TCP_ADDR`, …
fn is_service_link(name: &str) -> bool {
    let name = name.strip_prefix(ENV_PREFIX).unwrap_or(name);
    name == "PORT"
        || name.starts_with("PORT_")
        || name.starts_with("SERVICE_HOST")
        || name.starts_with("SERVICE_PORT")
        || name.contains("_SERVICE_")
        || name.contains("_PORT_")
        || name.ends_with("_PORT")
}

fn malformed(source_name: &str, message: impl Into<String>) -> ConfigError {
    let message = message.into().replace('\n', " ");
    // A URL in the wrong place is shown by the parser, with its password.
    let has_url = message.contains("://") || source_name.contains("://");
    let message = if has_url { "a value has the wrong type".to_owned() } else { message };
    let source_name = source_name.split("://").next().unwrap_or(source_name);
    ConfigError::Malformed { source_name: source_name.to_owned(), message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kubernetes_puts_there_is_not_taken_for_a_setting() {
        let names =
            |names: &[&str]| refuse_unknown_variables(names.iter().map(|name| (*name).to_owned()));
        let links = [
            "TOKENWARD_PORT",
            "TOKENWARD_PORT_50051_TCP",
            "TOKENWARD_PORT_50051_TCP_ADDR",
            "TOKENWARD_SERVICE_HOST",
            "TOKENWARD_SERVICE_PORT",
            "TOKENWARD_SERVICE_PORT_GRPC",
            "TOKENWARD_HTTP_SERVICE_HOST",
            "TOKENWARD_HTTP_PORT_8080_TCP_PORT",
        ];
        assert!(names(&links).is_ok());
        assert!(describe().iter().filter_map(|s| s.env).all(|env| !is_service_link(env)));
        let wrong = names(&["TOKENWARD_B", "HOME", "TOKENWARD_A"]).expect_err("unknown");
        assert_eq!(
            wrong.to_string(),
            "TOKENWARD_A: is not the name of any setting\n\
             TOKENWARD_B: is not the name of any setting"
        );
    }

    /// P8: a URL written where a section belongs.
    #[test]
    fn p8_misplaced_urls_are_not_repeated() {
        let url = "postgres://u:hunter2@h/d".to_owned();
        let error = flags(&[("database".to_owned(), url)]).err().expect("no such setting");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
