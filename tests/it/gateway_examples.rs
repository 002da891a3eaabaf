//! The examples for gateways are complete and in order. What the gateways do
//! with them, `tests/compatibility/run` finds out.

use std::{
    fs,
    path::{Path, PathBuf},
};

use yaml_rust2::YamlLoader;

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    entries.map(|entry| entry.expect("an entry").path()).collect()
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// One folder for each gateway.
fn gateways() -> (PathBuf, Vec<PathBuf>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/gateways");
    let folders: Vec<_> = entries(&root).into_iter().filter(|path| path.is_dir()).collect();
    assert!(folders.len() >= 9, "{folders:?}");
    (root, folders)
}

#[test]
fn each_gateway_stands_in_the_index_and_answers_what_operators_ask() {
    let (root, folders) = gateways();
    let index = read(&root.join("README.md"));
    for folder in folders {
        let readme = read(&folder.join("README.md"));
        let name = folder.file_name().and_then(|name| name.to_str()).expect("UTF-8");
        assert!(index.contains(&format!("]({name}/README.md)")), "{name} is not in the index");
        let told = readme.to_lowercase();
        for answer in ["```sh\n", "when tokenward is down", "revo", "keys"] {
            assert!(told.contains(answer), "{name}/README.md says nothing of {answer:?}");
        }
        for file in entries(&folder) {
            let file = file.file_name().and_then(|name| name.to_str()).expect("UTF-8");
            let named = file == "README.md" || readme.contains(file);
            assert!(named, "{name}/README.md does not name {file}");
        }
    }
}

#[test]
fn every_yaml_file_of_a_gateway_is_in_order() {
    let files = gateways().1.into_iter().flat_map(|folder| entries(&folder));
    let files: Vec<_> =
        files.filter(|file| file.extension().is_some_and(|name| name == "yaml")).collect();
    assert!(files.len() >= 7, "{files:?}");
    for file in files {
        let documents = YamlLoader::load_from_str(&read(&file));
        let documents = documents.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert!(documents.iter().all(|document| document.as_hash().is_some()), "{file:?}");
    }
}
