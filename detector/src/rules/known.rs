//! What is known about a path altogether, remembered by each thread.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use real_detector_api::OriginKind;
use rustc_hash::FxHashMap as HashMap;

use super::models::Effect;
use super::registry::Registry;
use crate::dotted::last;

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
    /// Whether anything is known about the path as it is.
    pub is_known_itself: bool,
    /// Whether the path, as it is, is that of an object.
    pub is_type: bool,
    /// The same for the path under which the library knows it.
    pub becomes_type: bool,
    /// Whether somebody outside chooses what the path, as it is, names.
    pub is_source: bool,
    /// What a call of the path, as it is, returns, and whether that is known by the name of a method alone.
    pub effect: Option<(Effect, bool)>,
    /// What a model for this very path, not for all methods of the name, says that a call returns.
    pub own_effect: Option<Effect>,
    /// Whether a call of the path, as it is, never comes back.
    pub never_returns: bool,
    /// What a call of the path, as it is, gives which binds what it is passed and makes no text of it, and whether that needs
    /// arguments.
    pub binds: Option<(Rc<str>, bool)>,
    /// What is known about the result of a call.
    called: OnceCell<Rc<Known>>,
    /// What an object of unknown class is by the last word of its name.
    pub class: Option<Rc<str>>,
    /// Whether nothing is known about what a call of the path, as it is, gives or does with what it is passed.
    pub is_unknown: bool,
}

impl Registry {
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
            let moved = self.moved(path);
            let canonical = self.canonical(moved.as_deref().unwrap_or(path));
            let name = last(path);
            let is_known_itself = self.knows(path);
            let effect = self.effect_by(path).map(|(effect, by_name)| (*effect, by_name));
            let known = Rc::new(Known {
                text: self.texts.get(canonical).map(|text| Rc::from(text.as_str())),
                source: self.source(canonical).map(|(note, kind)| (Rc::from(note), kind)),
                is_known: if canonical == path { is_known_itself } else { self.knows(canonical) },
                is_known_itself,
                is_type: self.is_type(path),
                is_source: self.source(path).is_some(),
                effect,
                own_effect: effect.filter(|_| self.has_own_effect(path)).map(|(effect, _)| effect),
                never_returns: self.never_returns(path),
                binds: self.bound_in(path).map(|(object, needs)| (Rc::from(object), needs)),
                called: OnceCell::new(),
                becomes_type: self.is_type(canonical),
                class: self.by_word(name).map(Rc::from),
                path: Rc::from(canonical),
                is_unknown: !is_known_itself && self.says_nothing_of(path),
            });
            all.insert(Rc::from(path), known.clone());
            known
        })
    }

    /// A path in the module that offers what another one defines.
    fn moved(&self, path: &str) -> Option<String> {
        let mut ends = path.match_indices('.').map(|(at, _)| at);
        ends.find_map(|at| Some(format!("{}{}", self.modules.get(&path[..at])?, &path[at..])))
    }

    /// What is known about the result of a call of a path.
    pub fn known_result(&self, path: &str, known: &Known) -> Rc<Known> {
        known.called.get_or_init(|| self.known(&[path, "()"].concat())).clone()
    }

    /// Whether nothing is known about what a call gives or does with what it is passed.
    pub fn is_unknown(&self, path: &str) -> bool {
        self.known(path).is_unknown
    }

    /// Whether neither the name nor the module of a path says what a call does.
    fn says_nothing_of(&self, path: &str) -> bool {
        let name = last(path);
        // `ValueError(text)` tells somebody.
        let exception = ["Error", "Exception", "Warning"].iter().any(|end| name.ends_with(end));
        !exception && !self.is_inert(path)
    }
}
