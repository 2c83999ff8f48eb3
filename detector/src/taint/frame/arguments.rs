//! Facts about the values of one function, and about the arguments of a call in it.

use std::rc::Rc;

use crate::ssa::{Argument, Passing, ValueId};
use crate::taint::domain::{Key, Value};
use crate::text::Origins;

/// Facts by value.
pub(in crate::taint) fn fact(facts: &[Value], value: ValueId) -> &Value {
    &facts[value.0 as usize]
}

/// The arguments of a call that stand on their own.
pub(in crate::taint) struct Arguments<'a> {
    arguments: &'a [Argument],
    facts: &'a [Value],
}

impl<'a> Arguments<'a> {
    pub(in crate::taint) fn new(arguments: &'a [Argument], facts: &'a [Value]) -> Self {
        Self { arguments, facts }
    }

    /// The n-th positional argument, before any `*` or among the first of `*values` whose entries are known.
    pub(in crate::taint) fn positional(&self, index: usize) -> Option<&'a Value> {
        for (at, argument) in self.arguments.iter().enumerate() {
            match &argument.passing {
                Passing::Positional if at == index => return Some(fact(self.facts, argument.value)),
                Passing::Positional => {}
                Passing::Star => {
                    let entries =
                        fact(self.facts, argument.value).items.as_ref().filter(|items| items.keys.is_none())?;
                    return entries.known.get(&Key::Index(index as i64 - at as i64));
                }
                _ => return None,
            }
        }
        None
    }

    /// An argument by its position or one of its names.
    pub(in crate::taint) fn either(&self, index: usize, names: &[&str]) -> Option<&'a Value> {
        self.positional(index).or_else(|| names.iter().find_map(|name| self.keyword(name)))
    }

    /// A keyword argument.
    pub(in crate::taint) fn keyword(&self, name: &str) -> Option<&'a Value> {
        self.arguments.iter().find_map(|one| match &one.passing {
            Passing::Keyword(own) if &**own == name => Some(fact(self.facts, one.value)),
            Passing::DoubleStar => fact(self.facts, one.value).items.as_ref()?.known.get(&Key::Text(Rc::from(name))),
            _ => None,
        })
    }

    /// Whether there are none.
    pub(in crate::taint) fn is_empty(&self) -> bool {
        self.arguments.is_empty()
    }

    /// All of them.
    pub(in crate::taint) fn iter(&self) -> impl Iterator<Item = (&'a Passing, &'a Value)> {
        self.arguments.iter().map(|one| (&one.passing, fact(self.facts, one.value)))
    }

    /// Who has a say in any of them.
    pub(in crate::taint) fn origins(&self) -> Origins {
        self.iter().fold(Origins::NONE, |all, (_, value)| all.union(value.origins()))
    }
}

/// Whether a call passes no flags that change what the characters and anchors of a regular expression mean.
pub(in crate::taint) fn has_plain_flags(arguments: &Arguments<'_>, index: usize) -> bool {
    let plain =
        |path: &Rc<str>| matches!(&**path, "re.IGNORECASE" | "re.I" | "re.ASCII" | "re.A" | "re.UNICODE" | "re.U");
    match arguments.positional(index).or_else(|| arguments.keyword("flags")) {
        Some(flags) => {
            !flags.objects.is_empty() && flags.paths().count() == flags.objects.len() && flags.paths().all(plain)
        }
        None => true,
    }
}
