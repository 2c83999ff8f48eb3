//! Syntax trees that programs inspect before they run them: what a test of their nodes must rule out.

use thiserror::Error;

use super::schema::TreeModel;
use crate::text::{LanguageSet, Languages};

/// A class of nodes that matters.
#[derive(Clone, Debug)]
pub struct NodeKind {
    /// The class: `ast.Call`.
    pub class: String,
    /// A node of it: `ast.Call()`.
    pub object: String,
    /// Languages in which a tree with such a node does what its writer wants.
    pub runs_in: LanguageSet,
    /// Whether a list of allowed classes that has it is no guard.
    pub never_allowed: bool,
    /// The attribute that tells a harmless one.
    pub told_by: Option<Vec<String>>,
    bases: Vec<String>,
}

impl NodeKind {
    /// Whether a node of it is an instance of a class.
    pub fn is_a(&self, class: &str) -> bool {
        self.class == class || self.bases.iter().any(|base| base == class)
    }
}

/// A class that a language or the bases name, and that they do not both know.
#[derive(Debug, Error)]
pub(super) enum TreeError {
    /// No such language.
    #[error("language `{0}` of `harmless_without` is not one of the language files")]
    Language(String),
    /// A class without bases.
    #[error("node class `{0}` needs a line in `bases`")]
    Bases(String),
}

/// All that is known about syntax trees.
#[derive(Debug, Default)]
pub struct Trees {
    kinds: Vec<NodeKind>,
    parse: Vec<String>,
    walk: Vec<String>,
    languages: LanguageSet,
}

impl Trees {
    pub(super) fn add(&mut self, model: &TreeModel, languages: &Languages) -> Result<(), TreeError> {
        self.parse.extend(model.parse.iter().cloned());
        self.walk.extend(model.walk.iter().cloned());
        let first = self.kinds.len();
        for (class, bases) in &model.bases {
            self.kinds.push(NodeKind {
                class: class.clone(),
                object: format!("{class}()"),
                runs_in: LanguageSet::NONE,
                never_allowed: model.never_allowed.contains(class),
                told_by: model.told_by.get(class).map(|path| path.split('.').map(str::to_owned).collect()),
                bases: bases.clone(),
            });
        }
        for (id, classes) in &model.harmless_without {
            let index = languages.index(id).ok_or_else(|| TreeError::Language(id.clone()))?;
            self.languages = self.languages.union(LanguageSet::one(index));
            for class in classes {
                let kind = self.kinds[first..].iter_mut().find(|kind| kind.class == *class);
                let kind = kind.ok_or_else(|| TreeError::Bases(class.clone()))?;
                kind.runs_in = kind.runs_in.union(LanguageSet::one(index));
            }
        }
        Ok(())
    }

    /// The classes of nodes that matter.
    pub fn kinds(&self) -> &[NodeKind] {
        &self.kinds
    }

    /// Whether a call makes a tree of its first argument.
    pub fn parses(&self, path: &str) -> bool {
        self.parse.iter().any(|own| own == path)
    }

    /// Whether a call lists every node of its first argument.
    pub fn walks(&self, path: &str) -> bool {
        self.walk.iter().any(|own| own == path)
    }

    /// Languages in which a tree is harmless whose nodes are of no other of the kinds than these.
    pub fn harmless_with<'a>(&self, present: impl Iterator<Item = &'a NodeKind>) -> LanguageSet {
        present.fold(self.languages, |left, kind| left.difference(kind.runs_in))
    }
}
