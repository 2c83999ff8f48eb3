//! What is known by the path of what programs use.

// Looked up for every call and attribute of a program; the keys are ours.
use crate::dotted::split_last;
use rustc_hash::FxHashMap as HashMap;

/// A map by path, with `*.name` for methods of anything and `module.*` for all of a module.
#[derive(Debug)]
pub(super) struct Paths<T> {
    pub(super) exact: HashMap<String, Vec<T>>,
    pub(super) modules: HashMap<String, Vec<T>>,
    methods: HashMap<String, Vec<T>>,
}

impl<T> Default for Paths<T> {
    fn default() -> Self {
        Self { exact: HashMap::default(), modules: HashMap::default(), methods: HashMap::default() }
    }
}

impl<T: Clone> Paths<T> {
    pub(super) fn add(&mut self, path: &str, value: &T) {
        let (map, key) = match (path.strip_prefix("*."), path.strip_suffix(".*")) {
            (Some(method), _) => (&mut self.methods, method),
            (None, Some(module)) => (&mut self.modules, module),
            (None, None) => (&mut self.exact, path),
        };
        map.entry(key.to_owned()).or_default().push(value.clone());
    }

    /// What is known about a path, and whether that is said of methods of anything.
    pub(super) fn find(&self, path: &str) -> (&[T], bool) {
        if let Some(found) = self.exact.get(path) {
            return (found, false);
        }
        let Some((module, method)) = split_last(path) else { return (&[], false) };
        match self.modules.get(module) {
            Some(found) => (found, false),
            None => self.methods.get(method).map_or((&[], false), |found| (found, true)),
        }
    }

    pub(super) fn get(&self, path: &str) -> &[T] {
        self.find(path).0
    }
}
