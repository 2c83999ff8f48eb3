//! All data files, cross-checked and indexed by the paths that programs use.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::OnceLock;

use real_detector_api::OriginKind;
// Looked up for every call and attribute of a program; the keys are ours.
use rustc_hash::{FxHashMap as HashMap, FxHashSet as HashSet};
use thiserror::Error;

use super::embedded::{LANGUAGES, LIBRARY, RULES};
use super::schema::{
    Alongside, ArgumentAt, CallModel, Condition, ConstantModel, GuardModel, Guarding, LibraryFile, ObligationModel, Of,
    Part, RegexModel, Returns, Rule, SourceModel, Unless, ValidatorModel, Whose,
};
use super::trees::Trees;
use crate::text::{CharSet, Language, LanguageError, Languages, Matching, Pattern};

/// A mistake in the data files.
#[derive(Debug, Error)]
#[error("rules/{file}: {problem}")]
pub struct RegistryError {
    /// The file.
    file: String,
    /// What is wrong in it.
    problem: String,
}

/// What a call makes of its argument, ready for use.
#[derive(Clone, Copy, Debug)]
pub struct Effect {
    /// What comes out.
    pub returns: Returns,
    /// Language, for `closed`.
    pub language: usize,
    /// Characters, for `keeps` and `removes`.
    pub chars: CharSet,
    /// Position of the argument; the receiver where absent.
    pub argument: Option<usize>,
}

/// What a test says, ready for use.
#[derive(Clone, Copy, Debug)]
pub struct Guard {
    /// Which value it is about.
    pub of: Of,
    /// Characters that the value can have where the test is true.
    pub keeps: Option<CharSet>,
    /// Whether it is the text of a number then.
    pub number: bool,
    /// Regular expression test.
    pub matches: Option<Matching>,
    /// Whether returning at all is what holds.
    pub by_returning: bool,
}

/// Where a rule says that something must not arrive.
#[derive(Clone, Debug)]
pub struct Sink {
    /// Index of the rule.
    pub rule: usize,
    /// Which argument.
    pub argument: ArgumentAt,
    /// Which part of it.
    pub part: Part,
    /// Language of the text.
    pub language: Option<usize>,
    /// Keyword arguments that must hold.
    pub condition: Condition,
    /// Values of another argument that make it harmless.
    pub unless: Option<Unless>,
    /// What another argument must look like.
    pub alongside: Option<Alongside>,
    /// Whose values are meant.
    pub from: Whose,
    /// A test that clears it.
    pub cleared_by: Option<Guarding>,
    /// Where values are bound.
    pub executor: Option<ArgumentAt>,
}

/// Text that must not leave the program, ready for use.
#[derive(Clone, Debug)]
pub struct Leave {
    /// Index of the rule.
    pub rule: usize,
    /// Language of the text.
    pub language: usize,
    /// Methods of the routes whose functions are meant.
    pub routes: Vec<String>,
    /// Whether it is about what stands between quotes alone.
    pub quoted: bool,
}

/// What a rule says of text that is handed to a call which nothing is known about.
#[derive(Clone, Debug)]
pub struct Open {
    /// Index of the rule.
    pub rule: usize,
    /// Language of the text.
    pub language: usize,
    /// Words of which the name of what is called has one; any name where empty.
    pub callee_words: Vec<String>,
    /// Keyword arguments that say that the text is of the language.
    pub condition: Condition,
}

/// Paths that a thread remembers at most.
const MAX_KNOWN: usize = 1 << 13;

/// Paths that were asked for.
type KnownPaths = HashMap<Rc<str>, Rc<Known>>;

/// What the data files say about a path.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "answers to questions that do not depend on each other")]
pub struct Known {
    /// The path under which the library knows it.
    pub path: Rc<str>,
    /// Its text, of a constant.
    pub text: Option<Rc<str>>,
    /// Why somebody outside chooses it, and who.
    pub source: Option<(Rc<str>, OriginKind)>,
    /// Whether anything is known about it.
    pub is_known: bool,
    /// Whether the path, as it is, is that of an object.
    pub is_type: bool,
    /// The same for the path under which the library knows it.
    pub becomes_type: bool,
    /// Whether somebody outside chooses what the path, as it is, names.
    pub is_source: bool,
    /// What a call of the path, as it is, returns, and whether that is known by the name of a method alone.
    pub effect: Option<(Effect, bool)>,
    /// What an object of unknown class is by the last word of its name.
    pub class: Option<Rc<str>>,
    /// Whether nothing is known about what a call of the path, as it is, gives or does with what it is passed.
    pub is_unknown: bool,
}

/// A map by path, with `*.name` for methods of anything and `module.*` for all of a module.
#[derive(Debug)]
struct Paths<T> {
    exact: HashMap<String, Vec<T>>,
    modules: HashMap<String, Vec<T>>,
    methods: HashMap<String, Vec<T>>,
}

impl<T> Default for Paths<T> {
    fn default() -> Self {
        Self { exact: HashMap::default(), modules: HashMap::default(), methods: HashMap::default() }
    }
}

impl<T: Clone> Paths<T> {
    fn add(&mut self, path: &str, value: &T) {
        let (map, key) = match (path.strip_prefix("*."), path.strip_suffix(".*")) {
            (Some(method), _) => (&mut self.methods, method),
            (None, Some(module)) => (&mut self.modules, module),
            (None, None) => (&mut self.exact, path),
        };
        map.entry(key.to_owned()).or_default().push(value.clone());
    }

    /// What is known about a path, and whether that is said of methods of anything.
    fn find(&self, path: &str) -> (&[T], bool) {
        if let Some(found) = self.exact.get(path) {
            return (found, false);
        }
        let Some((module, method)) = path.rsplit_once('.') else { return (&[], false) };
        match self.modules.get(module) {
            Some(found) => (found, false),
            None => self.methods.get(method).map_or((&[], false), |found| (found, true)),
        }
    }

    fn get(&self, path: &str) -> &[T] {
        self.find(path).0
    }
}

/// Rules, languages and library models.
#[derive(Debug, Default)]
pub struct Registry {
    /// Rules, by name.
    pub rules: Vec<Rule>,
    /// Languages.
    pub languages: Languages,
    types: HashMap<String, String>,
    known_types: HashSet<String>,
    sources: Paths<(String, OriginKind)>,
    effects: Paths<Effect>,
    guards: Paths<Guard>,
    sinks: Paths<Sink>,
    constants: Paths<(usize, ConstantModel)>,
    regexes: Paths<(usize, RegexModel)>,
    everything: Vec<String>,
    texts: HashMap<String, String>,
    /// Text that must not leave the program.
    pub leaves: Vec<Leave>,
    /// What must be tested, by index of the rule.
    pub obligations: Vec<(usize, ObligationModel)>,
    never_return: Paths<()>,
    chains: HashSet<String>,
    builders: HashMap<String, String>,
    inert: Paths<()>,
    names: HashMap<String, String>,
    words: HashMap<String, String>,
    settings: HashSet<String>,
    declared: HashSet<String>,
    validators: Option<(ValidatorModel, Guard)>,
    /// What holds for calls that nothing is known about.
    pub open: Vec<Open>,
    call_back: Paths<()>,
    keep_callers: Paths<()>,
    /// Syntax trees.
    pub trees: Trees,
}

/// The embedded data files. They are tested to load; a mistake in them gives an empty registry and an error at start.
///
/// # Errors
/// The first mistake found.
pub fn registry() -> Result<&'static Registry, &'static RegistryError> {
    static REGISTRY: OnceLock<Result<Registry, RegistryError>> = OnceLock::new();
    REGISTRY.get_or_init(|| Registry::load(RULES, LANGUAGES, LIBRARY)).as_ref()
}

impl Registry {
    /// Loads files, given as name and text.
    ///
    /// # Errors
    /// Where a file has another form, or names a language or class that does not exist.
    pub fn load(
        rules: &[(&str, &str)],
        languages: &[(&str, &str)],
        library: &[(&str, &str)],
    ) -> Result<Self, RegistryError> {
        let mut all = vec![];
        for (file, text) in languages {
            all.push(Language::parse(text).map_err(|problem: LanguageError| fault(file, problem))?);
        }
        let mut registry = Self { languages: Languages::new(all), ..Self::default() };
        for (file, text) in library {
            let library: LibraryFile = read(file, text)?;
            registry.types.extend(library.types);
            registry.names.extend(library.names);
            registry.words.extend(library.words);
            registry.settings.extend(library.settings);
            registry.declared.extend(library.declared);
            if let Some(model) = library.validators {
                let (keeps, by_returning) = (Some(class(file, &model.keeps)?), true);
                let guard = Guard { of: Of::Argument, keeps, number: false, matches: None, by_returning };
                registry.validators = Some((model, guard));
            }
            registry.texts.extend(library.constants);
            registry.chains.extend(library.chains);
            for (class, methods) in library.builders {
                registry.builders.extend(methods.into_iter().map(|method| (method, class.clone())));
            }
            library.inert.iter().for_each(|path| registry.inert.add(path, &()));
            library.never_return.iter().for_each(|path| registry.never_return.add(path, &()));
            registry.everything.extend(library.everything);
            library.call_back.iter().for_each(|path| registry.call_back.add(path, &()));
            library.keep_callers.iter().for_each(|path| registry.keep_callers.add(path, &()));
            for model in &library.trees {
                registry.trees.add(model, &registry.languages).map_err(|problem| fault(file, problem))?;
            }
            registry.add_models(file, &library.sources, &library.calls, &library.guards)?;
        }
        registry.known_types = registry
            .types
            .values()
            .chain(registry.words.values())
            .chain(registry.builders.values())
            .chain(&registry.chains)
            .cloned()
            .collect();
        for (file, text) in rules {
            let rule: Rule = read(file, text)?;
            registry.add_models(file, &rule.sources, &rule.sanitizers, &rule.guards)?;
            for sink in &rule.sinks {
                let language = sink.language.as_deref().map(|id| registry.language(file, id)).transpose()?;
                let ready = Sink {
                    rule: registry.rules.len(),
                    argument: sink.argument.clone(),
                    part: sink.part,
                    language,
                    condition: sink.r#where.clone(),
                    unless: sink.unless.clone(),
                    alongside: sink.alongside.clone(),
                    from: sink.from,
                    cleared_by: sink.cleared_by,
                    executor: sink.executor.clone(),
                };
                sink.calls.iter().for_each(|path| registry.sinks.add(path, &ready));
            }
            let index = registry.rules.len();
            for leave in &rule.leaves {
                let language = registry.language(file, &leave.language)?;
                let ready = Leave { rule: index, language, routes: leave.routes.clone(), quoted: leave.quoted };
                registry.leaves.push(ready);
            }
            for constant in &rule.constants {
                constant.calls.iter().for_each(|path| registry.constants.add(path, &(index, constant.clone())));
            }
            for regex in &rule.regexes {
                regex.calls.iter().for_each(|path| registry.regexes.add(path, &(index, regex.clone())));
            }
            registry.obligations.extend(rule.obligations.iter().map(|one| (index, one.clone())));
            if let Some(open) = &rule.anywhere {
                registry.open.push(Open {
                    rule: index,
                    language: registry.language(file, &open.language)?,
                    callee_words: open.callee_words.clone(),
                    condition: open.r#where.clone(),
                });
            }
            if registry.rules.iter().any(|other| other.id == rule.id) {
                return Err(fault(file, format!("another rule has the id `{}` too", rule.id)));
            }
            if !file.ends_with(&format!("/{}.yaml", rule.id)) {
                return Err(fault(file, format!("the file must be named after its id `{}`", rule.id)));
            }
            registry.rules.push(rule);
        }
        Ok(registry)
    }

    fn add_models(
        &mut self,
        file: &str,
        sources: &[SourceModel],
        calls: &[CallModel],
        guards: &[GuardModel],
    ) -> Result<(), RegistryError> {
        for source in sources {
            source.values.iter().for_each(|path| self.sources.add(path, &(source.note.clone(), source.kind)));
        }
        for call in calls {
            let effect = Effect {
                returns: call.returns,
                language: call.language.as_deref().map_or(Ok(0), |id| self.language(file, id))?,
                chars: call.chars.as_deref().map_or(Ok(CharSet::NONE), |text| class(file, text))?,
                argument: call.argument,
            };
            if call.returns == Returns::Closed && call.language.is_none() {
                return Err(fault(file, format!("{:?} returns `closed` and needs `language`", call.names)));
            }
            call.names.iter().for_each(|path| self.effects.add(path, &effect));
        }
        for guard in guards {
            let ready = Guard {
                of: guard.of,
                keeps: guard.keeps.as_deref().map(|text| class(file, text)).transpose()?,
                number: guard.number,
                matches: guard.matches,
                by_returning: guard.by_returning,
            };
            guard.names.iter().for_each(|path| self.guards.add(path, &ready));
        }
        Ok(())
    }

    fn language(&self, file: &str, id: &str) -> Result<usize, RegistryError> {
        self.languages.index(id).ok_or_else(|| {
            let known: Vec<&str> = self.languages.ids().collect();
            fault(file, format!("language `{id}` is not one of {}", known.join(", ")))
        })
    }

    /// The path under which the library knows an object.
    pub fn canonical<'a>(&'a self, path: &'a str) -> &'a str {
        // A builtin function belongs to the module `builtins`.
        if path == "__builtins__" || path.strip_suffix(".__self__").is_some_and(|function| !function.contains('.')) {
            return "builtins";
        }
        let path = path.strip_prefix("builtins.").or_else(|| path.strip_prefix("__builtins__.")).unwrap_or(path);
        self.types.get(path).map_or(path, String::as_str)
    }

    /// What a name stands for that nothing in the unit binds, by convention.
    pub fn unbound(&self, name: &str) -> Option<&str> {
        self.names.get(name).map(String::as_str)
    }

    /// What an object of unknown class is, by the last word of its name.
    pub fn by_word(&self, name: &str) -> Option<&str> {
        self.words.get(&*last_word(name)).map(String::as_str)
    }

    /// Whether an attribute says how an object is set up: a constant by its spelling (PEP 8), or named so by convention.
    pub fn is_setting(&self, name: &str) -> bool {
        is_constant_name(name)
            || self.is_declared(name)
            || name.starts_with("__") && name.ends_with("__")
            || self.settings.contains(&*last_word(name))
            || unnamed(name).is_some_and(|named| self.settings.contains(&*last_word(named)))
    }

    /// Whether an attribute is what the text of a class says, whatever object it is asked of.
    pub fn is_declared(&self, name: &str) -> bool {
        self.declared.contains(name)
    }

    /// The object that a call gives which binds what it is passed and makes no text of it. What methods of unknown objects are
    /// called with, they bind.
    pub fn bound_in(&self, path_called: &str, with_arguments: bool) -> Option<&str> {
        let (object, method) = path_called.strip_suffix("()")?.rsplit_once('.')?;
        if let Some(class) = self.chains.get(object) {
            return Some(class);
        }
        // `values()` of a mapping is something else.
        self.builders.get(method).filter(|_| with_arguments && !self.is_type(object)).map(String::as_str)
    }

    /// Whether something is known about what a path names.
    pub fn knows(&self, path: &str) -> bool {
        self.is_type(path)
            || self.source(path).is_some()
            || self.effect(path).is_some()
            || !self.sinks(path).is_empty()
            || self.guard(path).is_some()
            || !self.constants(path).is_empty()
            || !self.regexes(path).is_empty()
    }

    /// Whether a call does no more with a text than show or keep it.
    pub fn is_inert(&self, path: &str) -> bool {
        let root = path.split('.').next().unwrap_or(path);
        !self.inert.get(path).is_empty() || self.inert.modules.contains_key(root)
    }

    /// Whether nothing is known about what a call gives or does with what it is passed.
    pub fn is_unknown(&self, path: &str) -> bool {
        self.known(path).is_unknown
    }

    fn says_nothing_of(&self, path: &str) -> bool {
        let name = path.rsplit('.').next().unwrap_or(path);
        // `ValueError(text)` tells somebody.
        let exception = ["Error", "Exception", "Warning"].iter().any(|end| name.ends_with(end));
        !exception && !self.knows(path) && !self.is_inert(path)
    }

    /// Whether the library knows a path as that of an object.
    pub fn is_type(&self, path: &str) -> bool {
        self.known_types.contains(path)
    }

    /// All that is known about a path, worked out once a thread.
    pub fn known(&self, path: &str) -> Rc<Known> {
        thread_local! {
            static KNOWN: RefCell<(usize, KnownPaths)> = RefCell::default();
        }
        KNOWN.with_borrow_mut(|(owner, all)| {
            let own = std::ptr::from_ref(self).addr();
            if *owner != own || all.len() > MAX_KNOWN {
                (*owner, *all) = (own, HashMap::default());
            }
            if let Some(known) = all.get(path) {
                return known.clone();
            }
            let canonical = self.canonical(path);
            let name = path.rsplit('.').next().unwrap_or(path);
            let known = Rc::new(Known {
                text: self.texts.get(canonical).map(|text| Rc::from(text.as_str())),
                source: self.source(canonical).map(|(note, kind)| (Rc::from(note), kind)),
                is_known: self.knows(canonical),
                is_type: self.is_type(path),
                is_source: self.source(path).is_some(),
                effect: self.effect_by(path).map(|(effect, by_name)| (*effect, by_name)),
                becomes_type: self.is_type(canonical),
                class: self.by_word(name).map(Rc::from),
                path: Rc::from(canonical),
                is_unknown: self.says_nothing_of(path),
            });
            all.insert(Rc::from(path), known.clone());
            known
        })
    }

    /// Why somebody outside chooses a value, and who, where that is so.
    pub fn source(&self, path: &str) -> Option<(&str, OriginKind)> {
        self.sources.get(path).first().map(|(note, kind)| (note.as_str(), *kind))
    }

    /// What a call returns, where a model says so.
    pub fn effect(&self, path: &str) -> Option<&Effect> {
        self.effect_by(path).map(|(effect, _)| effect)
    }

    /// What a call returns, where a model says so, and whether what it makes of its argument is known by the name of a method
    /// alone, `*.escape`. Later files win. What goes by the name of a method says nothing of Python's own modules: such a name
    /// means something else there (`glob.escape`), or was put there.
    pub fn effect_by(&self, path: &str) -> Option<(&Effect, bool)> {
        let (found, of_methods) = self.effects.find(path);
        let effect = found.last()?;
        let by_name = of_methods && effect.argument.is_some();
        (!by_name || !self.is_inert(path)).then_some((effect, by_name))
    }

    /// Whether a model is for this very call, not for all methods of the name.
    pub fn has_own_effect(&self, path: &str) -> bool {
        self.effects.exact.contains_key(path)
    }

    /// What a call says about its argument, where a model says so.
    pub fn guard(&self, path: &str) -> Option<&Guard> {
        self.guards.get(path).last()
    }

    /// What a call says about its argument by its own name alone, where nobody shows what it does.
    pub fn guard_by_name(&self, path: &str) -> Option<&Guard> {
        let (model, guard) = self.validators.as_ref()?;
        let name = path.rsplit('.').next().unwrap_or(path).trim_start_matches('_');
        let (first, _) = name.split_once('_')?;
        let is = |words: &[String], word: &str| words.iter().any(|own| own == word);
        (is(&model.first, first) && is(&model.last, &last_word(name)) && self.is_unknown(path)).then_some(guard)
    }

    /// Where the arguments of a call must not come from an attacker.
    pub fn sinks(&self, path: &str) -> &[Sink] {
        self.sinks.get(path)
    }

    /// Calls that are wrong by a constant, with the index of the rule.
    pub fn constants(&self, path: &str) -> &[(usize, ConstantModel)] {
        self.constants.get(path)
    }

    /// How a call applies a regular expression, with the index of the rule.
    pub fn regexes(&self, path: &str) -> &[(usize, RegexModel)] {
        self.regexes.get(path)
    }

    /// Whether to be in this container says nothing.
    pub fn is_everything(&self, path: &str) -> bool {
        self.everything.iter().any(|own| own == path)
    }

    /// CWE numbers that rules exist for, each once, in order.
    pub fn cwes(&self) -> Vec<u32> {
        let mut all: Vec<u32> =
            self.rules.iter().flat_map(|rule| std::iter::once(rule.cwe).chain(rule.also.iter().copied())).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Whether a call is known to call what it is handed with nothing but what it is handed beside it.
    pub fn calls_back(&self, path: &str) -> bool {
        !self.call_back.get(path).is_empty()
    }

    /// Whether a decorator leaves the callers of a function those that the unit shows.
    pub fn keeps_callers(&self, path: &str) -> bool {
        !self.keep_callers.get(path).is_empty()
    }

    /// Whether a call never comes back.
    pub fn never_returns(&self, path: &str) -> bool {
        !self.never_return.get(path).is_empty()
    }
}

/// `MAX_SIZE`: written as constants are (PEP 8).
fn is_constant_name(name: &str) -> bool {
    name.chars().any(char::is_uppercase) && !name.chars().any(char::is_lowercase)
}

/// The last word of a name in any of Python's spellings, in lower case: `_db_cursor`, `readCursor`, `CURSOR2`.
/// What a name is the name of: `table_name`, `tableName`.
fn unnamed(name: &str) -> Option<&str> {
    ["_name", "_names", "Name", "Names"].iter().find_map(|end| name.strip_suffix(end))
}

fn last_word(name: &str) -> String {
    let name = name.trim_end_matches(|char: char| char == '_' || char.is_ascii_digit());
    let start = name.rfind('_').map_or(0, |at| at + 1);
    let word = &name[start..];
    let mut before = false;
    let mut first = 0;
    for (at, char) in word.char_indices() {
        if char.is_uppercase() && before {
            first = at;
        }
        before = char.is_lowercase();
    }
    word[first..].to_lowercase()
}

/// Reads a data file: YAML as it is written, JSON as it is embedded.
fn read<T: serde::de::DeserializeOwned>(file: &str, text: &str) -> Result<T, RegistryError> {
    if text.starts_with('{') {
        serde_json::from_str(text).map_err(|problem| fault(file, problem))
    } else {
        serde_saphyr::from_str(text).map_err(|problem| fault(file, problem))
    }
}

fn class(file: &str, text: &str) -> Result<CharSet, RegistryError> {
    Pattern::parse(text)
        .and_then(|pattern| pattern.single_class())
        .ok_or_else(|| fault(file, format!("`{text}` is not a character class such as `[a-z]`")))
}

fn fault(file: &str, problem: impl std::fmt::Display) -> RegistryError {
    RegistryError { file: file.to_owned(), problem: problem.to_string() }
}
