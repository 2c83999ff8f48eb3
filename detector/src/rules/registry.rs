//! All data files, indexed by the paths that programs use: what they say of a path.

use real_detector_api::OriginKind;
use rustc_hash::{FxHashMap as HashMap, FxHashSet as HashSet};

use super::models::{Effect, Guard, Leave, Open, Sink, Validators};
use super::paths::Paths;
use super::schema::{ConstantModel, ObligationModel, RegexModel, Returns, Rule};
use super::trees::Trees;
use crate::dotted::{last, split_last};
use crate::text::Languages;

/// Rules, languages and library models.
#[derive(Debug, Default)]
pub struct Registry {
    /// Rules, by name.
    pub rules: Vec<Rule>,
    /// Languages.
    pub languages: Languages,
    pub(super) types: HashMap<String, String>,
    pub(super) modules: HashMap<String, String>,
    pub(super) known_types: HashSet<String>,
    pub(super) sources: Paths<(String, OriginKind)>,
    pub(super) effects: Paths<Effect>,
    pub(super) guards: Paths<Guard>,
    pub(super) sinks: Paths<Sink>,
    pub(super) constants: Paths<(usize, ConstantModel)>,
    pub(super) regexes: Paths<(usize, RegexModel)>,
    pub(super) everything: Vec<String>,
    pub(super) texts: HashMap<String, String>,
    /// Text that must not leave the program.
    pub leaves: Vec<Leave>,
    /// What must be tested, by index of the rule.
    pub obligations: Vec<(usize, ObligationModel)>,
    pub(super) never_return: Paths<()>,
    pub(super) chains: HashSet<String>,
    pub(super) builders: HashMap<String, String>,
    pub(super) inert: Paths<()>,
    pub(super) names: HashMap<String, String>,
    pub(super) words: HashMap<String, String>,
    /// What a unit is that binds two of these names itself.
    pub modules_by_names: Vec<(String, HashSet<String>)>,
    pub(super) settings: HashSet<String>,
    pub(super) declared: HashSet<String>,
    pub(super) validators: Option<Validators>,
    /// What holds for calls that nothing is known about.
    pub open: Vec<Open>,
    pub(super) call_back: Paths<()>,
    pub(super) keep_callers: Paths<()>,
    /// Syntax trees.
    pub trees: Trees,
}

impl Registry {
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

    /// What an object of unknown class is, by its name or the last word of it.
    pub fn by_word(&self, name: &str) -> Option<&str> {
        self.words.get(name).or_else(|| self.words.get(&*last_word(name))).map(String::as_str)
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

    /// The object that a call gives which binds what it is passed and makes no text of it, and whether it does so only where
    /// it is passed something: what methods of unknown objects are called with, they bind.
    pub fn bound_in(&self, path: &str) -> Option<(&str, bool)> {
        let (object, method) = split_last(path)?;
        if let Some(class) = self.chains.get(object) {
            return Some((class, false));
        }
        // `values()` of a mapping is something else.
        self.builders.get(method).filter(|_| !self.is_type(object)).map(|class| (class.as_str(), true))
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

    /// Whether the library knows a path as that of an object.
    pub fn is_type(&self, path: &str) -> bool {
        self.known_types.contains(path)
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
        let Some(effect) = found.last() else { return self.private_escape(path) };
        let by_name = of_methods && effect.argument.is_some();
        // What makes text of its receiver is about texts, which modules and their objects are not.
        let about_text = !matches!(effect.returns, Returns::Clean | Returns::Number);
        (!of_methods || !(by_name || about_text) || !self.is_inert(path)).then_some((effect, by_name))
    }

    /// `_quote_name` does what `quote_name` says.
    fn private_escape(&self, path: &str) -> Option<(&Effect, bool)> {
        let (object, name) = path.rsplit_once('.').unwrap_or(("", path));
        let public = name.strip_prefix('_').filter(|_| matches!(object, "" | "?") && !name.starts_with("__"))?;
        let path = if object.is_empty() { public.to_owned() } else { format!("{object}.{public}") };
        let effect = self.effects.find(&path).0.last()?;
        matches!(effect.returns, Returns::Closed | Returns::Keeps | Returns::Removes).then_some((effect, true))
    }

    /// Whether a model is for this very call, not for all methods of the name.
    pub fn has_own_effect(&self, path: &str) -> bool {
        self.effects.exact.contains_key(path)
    }

    /// What a call says about its argument, where a model says so.
    pub fn guard(&self, path: &str) -> Option<&Guard> {
        self.guards.get(path).last()
    }

    /// What a call says about its argument by its own name alone, where nobody shows what it does: by coming back, or by
    /// its result.
    pub fn guard_by_name(&self, path: &str, truth: Option<bool>) -> Option<&Guard> {
        let validators = self.validators.as_ref()?;
        let (object, name) = split_last(path).unwrap_or(("", path));
        let name = name.trim_start_matches('_');
        let is = |words: &[String], word: &str| words.iter().any(|own| own == word);
        let is_one = match truth {
            None => {
                let (first, rest) = name.split_once('_')?;
                let asks = || rest.split('_').any(|word| is(&validators.tests, word));
                is(&validators.first, first) && (is(&validators.last, &last_word(name)) || asks())
            }
            Some(true) => {
                let pattern = last(object);
                let compiled = is_constant_name(pattern) || is(&validators.patterns, &last_word(pattern));
                name.split('_').any(|word| is(&validators.tests, word)) || compiled && is(&validators.matches, name)
            }
            Some(false) => false,
        };
        (is_one && self.is_unknown(path)).then_some(&validators.guard)
    }

    /// What names are.
    pub fn name_guard(&self) -> Option<&Guard> {
        self.validators.as_ref().map(|validators| &validators.guard)
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

/// What a name is the name of: `table_name`, `tableName`.
fn unnamed(name: &str) -> Option<&str> {
    ["_name", "_names", "Name", "Names"].iter().find_map(|end| name.strip_suffix(end))
}

/// The last word of a name in any of Python's spellings, in lower case: `_db_cursor`, `readCursor`, `CURSOR2`.
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
