//! What documents and deployment files say, held against the program.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs, mem,
    path::{Path, PathBuf},
};

use clap::Parser as _;
use tokenward::{
    cli::Cli,
    config::load::{self, CommandLine},
    telemetry::metrics::Metrics,
};
use yaml_rust2::{Yaml, YamlLoader};

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn is_setting(variable: &str) -> bool {
    let variable = variable.strip_suffix("_FILE").unwrap_or(variable);
    load::describe().iter().any(|setting| setting.env == Some(variable))
}

#[test]
fn readme_lists_every_setting() {
    let readme = file("README.md");
    let table = readme.split("<!-- settings -->").nth(1).expect("the table begins");
    let table = table.split("<!-- /settings -->").next().expect("the table ends");
    let rows: Vec<_> = table.lines().filter(|line| line.starts_with("| `")).collect();
    let cell = |text: &str| text.replace('|', "\\|");
    let expected: Vec<_> = load::describe()
        .into_iter()
        .map(|setting| {
            let code =
                |text: &str| if text.is_empty() { String::new() } else { format!("`{text}`") };
            let (name, env) = (code(&setting.name), code(setting.env.unwrap_or_default()));
            format!("| {name} | {env} | {} | {} |", setting.default, cell(&setting.doc))
        })
        .collect();
    assert_eq!(rows.join("\n"), expected.join("\n"));
}

#[test]
fn the_example_configuration_is_the_programs_own() {
    assert_eq!(file("docs/tokenward.example.toml"), load::example());
}

#[test]
fn the_example_configuration_is_the_default_one() {
    // Every setting is a comment; uncommented, the values are the defaults.
    let text: String = load::example()
        .lines()
        .filter_map(|line| match line.strip_prefix('#') {
            Some(setting) if setting.contains(" = ") && !setting.starts_with([' ', '#']) => {
                Some(format!("{setting}\n"))
            }
            Some(_) => None,
            None => Some(format!("{line}\n")),
        })
        .collect();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokenward.toml");
    fs::write(&path, text).unwrap();
    let load = |file| load::load(&CommandLine { file, values: Vec::new() }).expect("in order");
    let shown = |settings| toml::to_string(&settings).expect("settings are TOML");
    assert_eq!(shown(load(Some(path))), shown(load(None)));
}

#[test]
fn the_production_example_is_in_order() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/tokenward.production.toml");
    let settings = load::load(&CommandLine { file: Some(path), values: Vec::new() });
    let policy = settings.expect("in order").policy().expect("a policy");
    assert!(policy.clients.len() >= 2);
}

#[test]
fn compose_runs_two_replicas_on_one_database() {
    let text = file("docker-compose.yml");
    let compose = &YamlLoader::load_from_str(&text).expect("YAML")[0];
    let services = &compose["services"];
    assert!(services["postgres"]["image"].as_str().is_some_and(|i| i.starts_with("postgres:")));
    let replicas = ["tokenward-1", "tokenward-2"].map(|name| merged(&services[name]));
    for replica in &replicas {
        assert_eq!(replica["build"].as_str(), Some("."));
        let environment = replica["environment"].as_hash().expect("an environment");
        for name in environment.keys() {
            let name = name.as_str().expect("a name");
            assert!(is_setting(name), "{name} is no setting");
        }
        for secret in replica["secrets"].as_vec().expect("secrets") {
            let name = secret.as_str().expect("a name");
            assert!(!compose["secrets"][name].is_badvalue(), "{name} is not defined");
        }
    }
    assert_ne!(replicas[0]["ports"], replicas[1]["ports"]);
}

/// A service with its merge key (`<<`) resolved.
fn merged(service: &Yaml) -> Yaml {
    let mut all = service["<<"].as_hash().cloned().unwrap_or_default();
    all.extend(service.as_hash().cloned().unwrap_or_default());
    Yaml::Hash(all)
}

#[test]
fn the_image_is_built_from_what_is_there_and_runs_commands_that_are() {
    let text = file("Dockerfile").replace("\\\n", " ");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut checked = 0;
    for line in text.lines() {
        let (instruction, rest) = line.split_once(' ').unwrap_or((line, ""));
        match instruction {
            "COPY" if !rest.starts_with("--from") => {
                let words: Vec<_> = rest.split_whitespace().collect();
                for source in &words[..words.len() - 1] {
                    assert!(root.join(source).exists(), "{source} is not there");
                }
            }
            "ENV" => {
                for pair in rest.split_whitespace() {
                    let name = pair.split('=').next().unwrap_or_default();
                    assert!(is_setting(name), "{name} is no setting");
                }
            }
            "HEALTHCHECK" => parses(rest.split_once("CMD ").expect("a command").1, &[]),
            "CMD" => parses(rest, &["tokenward"]),
            _ => continue,
        }
        checked += 1;
    }
    assert!(checked >= 7, "the Dockerfile has another form than this test expects");
}

fn parses(json: &str, before: &[&str]) {
    let words: Vec<String> = serde_json::from_str(json).expect("a JSON array");
    let line = before.iter().map(|word| (*word).to_owned()).chain(words);
    assert!(Cli::try_parse_from(line).is_ok(), "{json}");
}

#[test]
fn help_of_every_command() {
    let mut all = String::new();
    help(&mut Cli::tree(), "tokenward", &mut all);
    insta::assert_snapshot!("help", all);
}

fn help(command: &mut clap::Command, path: &str, all: &mut String) {
    writeln!(all, "=== {path} ===\n{}", command.render_long_help()).expect("a String takes all");
    let names: Vec<_> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    for name in names.iter().filter(|name| *name != "help") {
        let sub = command.find_subcommand_mut(name).expect("listed");
        // Flags that every command takes stand in the first help only.
        help(sub, &format!("{path} {name}"), all);
    }
}

/// What the five seeds do, by the ids of the rows, and how many each has.
const SEEDS: [(&str, usize); 5] = [("S0", 6), ("S1", 8), ("S2", 8), ("S3", 7), ("S4", 8)];

/// Each row names tests, and all of them exist.
#[test]
fn every_behaviour_of_the_seeds_is_shown() {
    let listed = file("docs/seeds.md");
    for (seed, rows) in SEEDS {
        for row in 1..=rows {
            let id = format!("| {seed}.{row} |");
            let mut found = listed.lines().filter(|line| line.starts_with(&id));
            let found = found.next().unwrap_or_else(|| panic!("{id} has no row"));
            let shown = found.rsplit(" | ").next().expect("the last column");
            let tests: Vec<_> = shown.split('`').filter_map(|text| text.split_once("::")).collect();
            assert!(!tests.is_empty(), "{id} names no test");
            for (path, name) in tests {
                let source = file(path);
                let defined =
                    [format!("fn {name}("), format!("def {name}("), format!("\"{name}\"")];
                assert!(defined.iter().any(|d| source.contains(d)), "{path} has no test {name}");
            }
        }
    }
}

/// What SECURITY.md calls proven: after files or folders stand the names of tests
/// in them, whole or (`…`) as they begin.
#[test]
fn every_proof_of_a_promise_is_there() {
    for proof in file("SECURITY.md").split("\nProven: ").skip(1) {
        let end = ["\n\n", "\nNot "].iter().filter_map(|end| proof.find(end)).min();
        let (mut places, mut named) = (Vec::new(), false);
        let codes = proof[..end.expect("an end")].split('`').skip(1).step_by(2);
        for code in codes.filter(|code| !code.contains(' ')) {
            if code.contains(['/', '.']) {
                if mem::take(&mut named) {
                    places.clear();
                }
                let place = place(code, places.last());
                assert!(place.exists(), "{code} is not there");
                places.push(place);
            } else {
                let found = places.iter().any(|place| defines(place, code));
                assert!(found, "{places:?}: no test {code}");
                named = true;
            }
        }
    }
}

/// A name without a folder is of a file beside the one before it.
fn place(name: &str, before: Option<&PathBuf>) -> PathBuf {
    match before {
        Some(before) if !name.contains('/') => before.with_file_name(name),
        _ => Path::new(env!("CARGO_MANIFEST_DIR")).join(name),
    }
}

/// Is there such a test in the file, or in one of the folder?
fn defines(place: &Path, test: &str) -> bool {
    if place.is_dir() {
        return fs::read_dir(place).unwrap().any(|entry| defines(&entry.unwrap().path(), test));
    }
    let definition = match test.strip_suffix('…') {
        Some(beginning) => format!("fn {beginning}"),
        None => format!("fn {test}("),
    };
    fs::read_to_string(place).unwrap().contains(&definition)
}

/// One row for each metric: its name, type and labels, and what it says.
#[test]
fn every_metric_is_listed() {
    let listed = file("docs/metrics.md");
    let table = listed.split("<!-- metrics -->").nth(1).expect("the table begins");
    let table = table.split("<!-- /metrics -->").next().expect("the table ends");
    let rows: Vec<_> = table.lines().filter(|line| line.starts_with("| `")).collect();
    assert_eq!(rows.join("\n"), metric_rows().join("\n"));
}

fn metric_rows() -> Vec<String> {
    let text = Metrics::new().encode().expect("text");
    let mut rows = Vec::new();
    for family in text.split("# HELP ").skip(1) {
        let (name, help) =
            family.lines().next().and_then(|line| line.split_once(' ')).expect("help");
        let kind = format!("# TYPE {name} ");
        let kind = family.lines().find_map(|line| line.strip_prefix(&kind)).expect("a type");
        let labels = family.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
            let label = line.split_once('{')?.1.split_once('=')?.0;
            Some(label).filter(|label| *label != "le")
        });
        let labels: BTreeSet<_> = labels.map(|label| format!("`{label}`")).collect();
        let labels = labels.into_iter().collect::<Vec<_>>().join(", ");
        rows.push(format!("| `{name}` | {kind} | {labels} | {help} |"));
    }
    rows
}
