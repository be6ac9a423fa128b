//! The rules that no compiler checks: which way the arrows between modules point, where unsafe code may be, how long files may
//! be, and which words are no longer used.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::reader::{code_of, root, words};

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
    let modules = crate_modules("use crate::{units::{A, B}, physics::params::RouteParams, simd}; crate::clock::Now");
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
fn only_the_binding_names_the_host() {
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
        ("sync", &[]),
        ("image", &[]),
        ("simd", &["units"]),
        ("clock", &["units"]),
        ("physics", &["units", "simd", "image"]),
        ("replication", &["units", "sync", "physics"]),
        ("engine", &["units", "sync", "image", "simd", "physics", "replication", "clock"]),
        ("binding", &["units", "simd", "physics", "replication", "clock", "engine"]),
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

/// The longest file without a reason at its head, lines, its own tests not counted.
const MAX_LINES: usize = 350;

#[test]
fn files_are_short_or_say_why() {
    for (path, _) in sources() {
        let text = fs::read_to_string(root().join("src").join(&path)).unwrap();
        let head: String = text.lines().take_while(|line| line.starts_with("//!")).collect();
        let lines = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
        assert!(
            lines <= MAX_LINES || head.contains("One file, because"),
            "src/{path} has {lines} lines, and no reason"
        );
    }
}

/// Identifiers that were replaced; each of them as a whole word of code, comments included.
const OLD_WORDS: &[&str] = &[
    "Agent",
    "Answer",
    "Ask",
    "Asking",
    "Chorus",
    "Courier",
    "Ears",
    "Exchange",
    "Fault",
    "Guard",
    "Held",
    "House",
    "LawCache",
    "Laws",
    "LeaseBook",
    "Letter",
    "Passage",
    "Party",
    "Post",
    "Push",
    "RedisLink",
    "STREAK",
    "Said",
    "Saying",
    "Seat",
    "Voice",
    "Voices",
    "Words",
    "asked_pool",
    "birth",
    "bury",
    "chorus",
    "drift",
    "hush",
    "next_used",
    "saying",
    "sayings",
    "streak",
    "tenancy",
    "told",
];

/// Names of JavaScript's, which keeps them: they stand between quotes.
fn without_strings(text: &str) -> String {
    text.lines().map(|line| line.split('"').step_by(2).collect::<Vec<_>>().join(" ") + "\n").collect()
}

#[test]
fn the_old_words_are_gone() {
    for (path, _) in sources() {
        // The law of the limit is written in its own terms.
        if path.starts_with("physics/limit/") {
            continue;
        }
        let text = without_strings(&fs::read_to_string(root().join("src").join(&path)).unwrap());
        for word in words(&text) {
            assert!(!OLD_WORDS.contains(&word), "src/{path} says {word}");
        }
    }
}

/// The files that a file names by `super::…` and `crate::<its folder>::…` paths, without those of its own tests.
fn siblings(path: &str, code: &str, names: &[&str]) -> Vec<String> {
    let code = code.split("mod tests").next().unwrap_or(code);
    let used = |name: &&&str| {
        let is_own = path.ends_with(&format!("/{name}.rs"));
        !is_own && (code.contains(&format!("{name}::")) || code.contains(&format!("{name},")))
    };
    names.iter().filter(used).map(ToString::to_string).collect()
}

#[test]
fn no_two_files_of_the_client_need_each_other() {
    let folder = "replication/redis/";
    let sources: Vec<(String, String)> = sources()
        .into_iter()
        .filter(|(path, _)| path.starts_with(folder) && !path.ends_with("/redis/mod.rs"))
        .collect();
    let name_of = |path: &str| path[folder.len()..].split('/').next().unwrap().trim_end_matches(".rs").to_string();
    let names: Vec<String> = sources.iter().map(|(path, _)| name_of(path)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut uses: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (path, code) in &sources {
        let code =
            code.split("use ").skip(1).map(|used| used.split(';').next().unwrap_or("")).collect::<Vec<_>>().join(";");
        uses.entry(name_of(path)).or_default().extend(siblings(path, &code, &names));
    }
    // Takes away what needs nothing that is left, until nothing is left.
    while !uses.is_empty() {
        let left: Vec<String> = uses.keys().cloned().collect();
        uses.retain(|name, used| used.iter().any(|other| other != name && left.contains(other)));
        assert!(uses.len() < left.len(), "a circle among {uses:?}");
    }
}
