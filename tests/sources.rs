//! The house rules that no compiler checks: which way the arrows point, and where unsafe code may be.

mod reader;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use reader::{code_of, root, words};

/// The Rust sources as (path from src, code without comments and strings).
fn sources() -> Vec<(String, String)> {
    fn visit(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(&path, found);
            } else if path.extension().is_some_and(|end| end == "rs") {
                found.push(path);
            }
        }
    }
    let src = root().join("src");
    let mut found = Vec::new();
    visit(&src, &mut found);
    found
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(&src).unwrap().to_string_lossy().replace('\\', "/");
            (name, code_of(&fs::read_to_string(&path).unwrap()))
        })
        .collect()
}

/// Modules of this crate that a file names, `crate::…` and `crate::{…}` alike.
fn crate_modules(code: &str) -> Vec<String> {
    let mut modules = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if !rest.starts_with('{') {
            modules.extend(words(rest).next().map(String::from));
            continue;
        }
        let mut depth = 0;
        let mut at_module = false;
        for (i, c) in rest.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
            if depth == 1 && (c == '{' || c == ',') {
                at_module = true;
            } else if at_module && c.is_alphabetic() {
                modules.extend(words(&rest[i..]).next().map(String::from));
                at_module = false;
            }
        }
    }
    modules
}

fn folder(path: &str) -> &str {
    path.split('/').next().unwrap().trim_end_matches(".rs")
}

#[test]
fn the_reader_of_sources_reads() {
    let code = code_of("let a = \"unsafe \\\" x\"; // unsafe\n/* napi */ b /// c\n");
    assert_eq!(words(&code).collect::<Vec<_>>(), ["let", "a", "b"]);
    let modules = crate_modules("use crate::{units::{A, B}, physics::law::Law, simd}; crate::clock::Now");
    assert_eq!(modules, ["units", "physics", "simd", "clock"]);
    let sources = sources();
    assert!(sources.iter().any(|(path, _)| path == "physics/tick.rs"), "sources() finds the sources");
    assert!(sources.iter().any(|(path, code)| path.starts_with("binding/") && words(code).any(|word| word == "napi")));
}

#[test]
fn the_laws_are_pure() {
    let forbidden =
        ["clock", "Instant", "SystemTime", "coarsetime", "tokio", "redis", "napi", "wasm_bindgen", "std::time"];
    for (path, code) in sources().iter().filter(|(path, _)| folder(path) == "physics") {
        for word in words(code) {
            assert!(!forbidden.contains(&word), "src/{path} names {word}");
        }
        assert!(!code.contains("std::time") && !code.contains("core::time"), "src/{path} names time");
        for io in ["fs", "net", "thread", "sync"] {
            assert!(!code.contains(&format!("std::{io}")), "src/{path} names std::{io}");
        }
    }
}

#[test]
fn only_the_binding_knows_who_calls() {
    for (path, code) in sources().iter().filter(|(path, _)| folder(path) != "binding") {
        for word in words(code) {
            assert!(
                !["napi", "napi_derive", "wasm_bindgen", "js_sys", "web_sys"].contains(&word),
                "src/{path} names {word}"
            );
        }
    }
}

#[test]
fn arrows_point_one_way() {
    let below: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("units", &[] as &[&str]),
        ("error", &[]),
        ("simd", &["units", "error"]),
        ("clock", &["units", "error"]),
        ("physics", &["units", "error", "simd"]),
        ("state", &["units", "error", "physics"]),
        ("engine", &["units", "error", "simd", "physics", "state", "clock"]),
        ("binding", &["units", "error", "simd", "physics", "state", "clock", "engine"]),
    ]);
    for (path, code) in sources().iter().filter(|(path, _)| path != "lib.rs") {
        let layer = folder(path);
        let allowed =
            below.get(layer).unwrap_or_else(|| panic!("src/{path}: a layer that has no place in the picture"));
        for module in crate_modules(code) {
            assert!(module == layer || allowed.contains(&module.as_str()), "src/{path} reaches for {module}");
        }
    }
}

#[test]
fn unsafe_code_stays_where_it_cannot_be_avoided() {
    let mut found = 0;
    for (path, code) in sources() {
        if words(&code).any(|word| word == "unsafe") {
            assert!(["simd", "binding"].contains(&folder(&path)), "src/{path} is unsafe");
            found += 1;
        }
    }
    assert!(found > 0, "the search finds what is known to be there");
}
