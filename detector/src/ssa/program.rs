//! The whole program: functions and classes.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::rc::Rc;

use super::function::{Declared, Function};
use super::op::{ClassId, FunctionId};

/// A class of the program.
#[derive(Debug)]
pub struct Class {
    /// Its name.
    pub name: Rc<str>,
    /// Base classes of the program.
    pub bases: Vec<ClassId>,
    /// Dotted paths of base classes from elsewhere.
    pub foreign_bases: Vec<Rc<str>>,
    /// Its own methods; of two with one name the later.
    pub methods: BTreeMap<Rc<str>, FunctionId>,
    /// What runs where a property is assigned to.
    pub setters: BTreeMap<Rc<str>, FunctionId>,
    /// Annotated fields in the order of the text, which constructors that are made from them take by position.
    pub fields: Vec<Rc<str>>,
    /// What annotated fields let pass, where that is not anything.
    pub declared: Vec<(Rc<str>, Declared)>,
}

/// Most classes among which a member is looked for. Hierarchies beyond that are made by machines; what lies further up is
/// not seen.
const MAX_ANCESTORS: usize = 256;

/// A whole program.
#[derive(Debug)]
pub struct Program {
    /// Functions; 0 is the module body.
    pub functions: Vec<Function>,
    /// Classes.
    pub classes: Vec<Class>,
    /// Functions that callers from outside enter with what they like.
    pub entries: Vec<FunctionId>,
    /// Whether it runs inside of another program, which binds the names that it does not.
    pub fragment: bool,
}

impl Program {
    /// A function.
    pub fn function(&self, id: FunctionId) -> &Function {
        &self.functions[id.0 as usize]
    }

    /// A class.
    pub fn class(&self, id: ClassId) -> &Class {
        &self.classes[id.0 as usize]
    }

    /// Instructions and their operands.
    pub fn size(&self) -> usize {
        let mut size = 0;
        for instruction in self.functions.iter().flat_map(|function| &function.values) {
            size += 1;
            instruction.op.operands(|_| size += 1);
        }
        size
    }

    /// A class and its base classes, nearest first; at most [`MAX_ANCESTORS`].
    pub fn ancestors(&self, class: ClassId) -> impl Iterator<Item = ClassId> {
        let mut waiting = VecDeque::from([class]);
        // Most classes have one base or none, and need not remember where they were.
        let mut seen: Option<HashSet<ClassId>> = None;
        let ancestors = std::iter::from_fn(move || {
            let class = waiting.pop_front()?;
            let bases = &self.class(class).bases;
            if bases.len() > 1 && seen.is_none() {
                seen = Some(HashSet::from([class]));
            }
            for base in bases {
                if seen.as_mut().is_none_or(|seen| seen.insert(*base)) {
                    waiting.push_back(*base);
                }
            }
            Some(class)
        });
        ancestors.take(MAX_ANCESTORS)
    }

    /// Paths of the classes from elsewhere that a class is made from.
    pub fn foreign_bases(&self, class: ClassId) -> impl Iterator<Item = &Rc<str>> {
        self.ancestors(class).flat_map(|one| &self.class(one).foreign_bases)
    }

    /// A method, looked up through base classes.
    pub fn method(&self, class: ClassId, name: &str) -> Option<FunctionId> {
        self.ancestors(class).find_map(|class| self.class(class).methods.get(name).copied())
    }

    /// What runs where a property is assigned to, looked up through base classes.
    pub fn setter(&self, class: ClassId, name: &str) -> Option<FunctionId> {
        self.ancestors(class).find_map(|class| self.class(class).setters.get(name).copied())
    }

    /// The annotated fields of a class, those of base classes first.
    pub fn fields(&self, class: ClassId) -> Vec<Rc<str>> {
        let mut classes: Vec<ClassId> = self.ancestors(class).collect();
        classes.reverse();
        let mut fields: Vec<Rc<str>> = vec![];
        for field in classes.iter().flat_map(|class| &self.class(*class).fields) {
            if !fields.contains(field) {
                fields.push(field.clone());
            }
        }
        fields
    }

    /// Whether objects of a class are tuples of its fields.
    pub fn is_named_tuple(&self, class: ClassId) -> bool {
        let mut bases = self.ancestors(class).flat_map(|class| &self.class(class).foreign_bases);
        bases.any(|base| matches!(&**base, "typing.NamedTuple" | "collections.namedtuple"))
    }
}
