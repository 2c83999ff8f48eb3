//! Modules import in one direction: in every folder its files and folders have an order in which each imports only what
//! stands before it. What is read are the paths in the source; a name that a module only gives on counts where it is made.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use regex::Regex;

/// Names of modules from the root of the crate on.
type Module = Vec<String>;

/// The paths that a file names, and the names that it gives on.
#[derive(Default)]
struct Names {
    used: Vec<Vec<String>>,
    given_on: BTreeMap<String, Vec<String>>,
}

struct Source {
    modules: BTreeMap<Module, Names>,
}

impl Source {
    fn new(files: &BTreeMap<Module, String>) -> Self {
        let import = Regex::new(r"(?ms)^[ \t]*(pub(?:\([^)]*\))?[ \t]+)?use\s+([^;]*);").unwrap();
        let inline = Regex::new(r"\b[a-z_]\w*(?:::\w+)+").unwrap();
        let comment = Regex::new(r"(?m)^\s*//.*$").unwrap();
        let mut modules = BTreeMap::new();
        for (module, text) in files {
            let text = comment.replace_all(text, "");
            // Tests stand behind the code; what they import holds nothing up.
            let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
            let mut names = Names::default();
            for found in import.captures_iter(text) {
                let paths = expanded(&found[2]);
                if found.get(1).is_none() {
                    names.used.extend(paths.iter().map(|(_, path)| path.clone()));
                }
                names.given_on.extend(paths);
            }
            let rest = import.replace_all(text, "");
            names.used.extend(inline.find_iter(&rest).map(|path| segments(path.as_str())));
            modules.insert(module.clone(), names);
        }
        Self { modules }
    }

    /// The module that a path in `from` leads to, through names that are given on; none where it leaves the crate.
    fn resolve(&self, from: &[String], path: &[String], depth: usize) -> Option<Module> {
        let (first, mut rest) = path.split_first()?;
        let mut at = match first.as_str() {
            "crate" | "real_detector" => vec![],
            "self" => from.to_vec(),
            "super" => from.split_last()?.1.to_vec(),
            own => {
                let child = [from, &[own.to_owned()]].concat();
                let names = self.modules.get(from)?;
                if !self.modules.contains_key(&child) && !names.given_on.contains_key(own) {
                    return None;
                }
                rest = path;
                from.to_vec()
            }
        };
        while let Some((next, after)) = rest.split_first() {
            let child = [&at[..], std::slice::from_ref(next)].concat();
            if next == "super" {
                at.pop()?;
            } else if self.modules.contains_key(&child) {
                at = child;
            } else if let Some(given) = self.modules.get(&at)?.given_on.get(next)
                && depth > 0
            {
                return self.resolve(&at, given, depth - 1);
            } else {
                break;
            }
            rest = after;
        }
        Some(at)
    }

    /// By folder: which of its files and folders import which others.
    fn levels(&self) -> BTreeMap<Module, BTreeMap<String, BTreeSet<String>>> {
        let mut levels: BTreeMap<Module, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
        for (module, names) in &self.modules {
            for target in names.used.iter().filter_map(|path| self.resolve(module, path, 8)) {
                let common = module.iter().zip(&target).take_while(|(a, b)| a == b).count();
                let part = |of: &Module| of.get(common).cloned().unwrap_or_else(|| "mod.rs".to_owned());
                let (from, to) = (part(module), part(&target));
                if from != to {
                    levels.entry(module[..common].to_vec()).or_default().entry(from).or_default().insert(to);
                }
            }
        }
        levels
    }
}

/// `a::{b, c as d}` → (`b`, `a::b`), (`d`, `a::c`)
fn expanded(tree: &str) -> Vec<(String, Vec<String>)> {
    let tree = tree.trim();
    if let Some((start, inner)) = tree.split_once('{') {
        let start = start.trim().trim_end_matches("::");
        let inner = inner.trim_end().strip_suffix('}').unwrap_or(inner);
        let (mut depth, mut parts) = (0, vec![String::new()]);
        for char in inner.chars() {
            depth += i32::from(char == '{') - i32::from(char == '}');
            match parts.last_mut() {
                Some(last) if char != ',' || depth > 0 => last.push(char),
                _ => parts.push(String::new()),
            }
        }
        let parts = parts.iter().filter(|part| !part.trim().is_empty());
        return parts.flat_map(|part| expanded(&format!("{start}::{}", part.trim()))).collect();
    }
    let (path, name) = tree.split_once(" as ").unwrap_or((tree, ""));
    let path: Vec<String> = segments(path).into_iter().filter(|segment| segment != "*").collect();
    let last = path.last().cloned().unwrap_or_default();
    vec![(if name.is_empty() { last } else { name.trim().to_owned() }, path)]
}

fn segments(path: &str) -> Vec<String> {
    path.trim().split("::").map(|segment| segment.trim().to_owned()).filter(|segment| !segment.is_empty()).collect()
}

/// Some of those that come around to themselves.
fn circle(edges: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    let mut left: BTreeMap<&String, BTreeSet<&String>> =
        edges.iter().map(|(user, used)| (user, used.iter().filter(|one| edges.contains_key(*one)).collect())).collect();
    while let Some(first) = left.iter().find(|(_, used)| used.is_empty()).map(|(user, _)| *user) {
        left.remove(first);
        for used in left.values_mut() {
            used.remove(first);
        }
    }
    let mut way = vec![left.keys().next().copied()?.clone()];
    loop {
        let next = left.get(way.last()?)?.iter().find(|one| left.contains_key(**one)).copied()?.clone();
        if let Some(start) = way.iter().position(|one| *one == next) {
            return Some(way.split_off(start));
        }
        way.push(next);
    }
}

fn read(folder: &Path, module: &[String], files: &mut BTreeMap<Module, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let own = if matches!(name.as_str(), "mod" | "lib") { module.to_vec() } else { [module, &[name]].concat() };
        if path.is_dir() {
            read(&path, &own, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.insert(own, fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn no_module_imports_what_imports_it() {
    let mut files = BTreeMap::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &[], &mut files);
    let levels = Source::new(&files).levels();
    let circles: Vec<String> = levels
        .iter()
        .filter_map(|(folder, edges)| Some(format!("src/{}: {}", folder.join("/"), circle(edges)?.join(" → "))))
        .collect();
    assert!(circles.is_empty(), "modules import each other in a circle:\n{}", circles.join("\n"));
    assert!(levels[&vec!["taint".to_owned()]].len() > 5, "the imports were not found: {levels:?}");
}

#[test]
fn a_circle_is_found_through_names_that_are_given_on_and_through_paths_in_the_code() {
    let file = |module: &str, text: &str| (segments(module), text.to_owned());
    let circles = |files: &[(Module, String)]| {
        let source = Source::new(&files.iter().cloned().collect());
        source.levels().values().filter_map(circle).map(|way| way.join(" ")).collect::<Vec<_>>()
    };
    let given_on = file("x", "mod a;\nmod b;\npub use a::{One as First, other};\npub(super) use self::b::Two;\n");
    let user = file("x::a", "use super::{\n    Two,\n    c,\n};\n");
    let second = file("x::b", "// use super::First;\nfn f() {}\n");
    assert_eq!(circles(&[file("", ""), given_on.clone(), user.clone(), second.clone()]), Vec::<String>::new());
    let back = file("x::b", "fn f() -> crate::x::First { todo() }\n");
    assert_eq!(circles(&[file("", ""), given_on.clone(), user.clone(), back]), ["a b"]);
    let tested = file("x::b", "fn f() {}\n#[cfg(test)]\nmod tests {\n    use super::super::First;\n}\n");
    assert_eq!(circles(&[file("", ""), given_on.clone(), user.clone(), tested]), Vec::<String>::new());
    let folders =
        [file("", ""), given_on, user, second, file("y", "use crate::x::other;"), file("x::c", "use crate::y::Z;")];
    assert_eq!(circles(&folders), ["x y"]);
}
