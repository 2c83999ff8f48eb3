//! Classes: their bodies run where they stand, their methods are functions.

use std::collections::BTreeMap;
use std::rc::Rc;

use ruff_python_ast::{Stmt, StmtClassDef};

use super::names::class_variable;
use super::scope::Scope;
use super::{Lowerer, span_of};
use crate::ssa::{Class, ClassId, Op, ValueId};

impl<'a> Lowerer<'a> {
    /// `class`: registers the class, lowers its body, makes the class object.
    pub(super) fn class(&mut self, class: &'a StmtClassDef) {
        let span = span_of(class);
        let arguments = class.arguments.iter().flat_map(|arguments| arguments.args.iter());
        let (mut bases, mut foreign_bases) = (vec![], vec![]);
        for base in arguments {
            match self.static_class(base) {
                Some(id) => bases.push(id),
                None => foreign_bases.extend(self.static_path(base)),
            }
            self.expression(base);
        }
        let name: Rc<str> = Rc::from(class.name.as_str());
        let id = ClassId(self.classes.len() as u32);
        self.classes.push(Class { name: name.clone(), bases, foreign_bases, methods: BTreeMap::new() });
        self.context().known_classes.insert(name.clone(), id);
        let object = self.push(Op::Class(id), span);
        // Methods may name the class before its statement is over.
        self.write_name(&name, object, span);
        let unique: Rc<str> = Rc::from(format!("{name}#{}", id.0));
        self.context().classes.push((unique.clone(), Scope::of_body(&class.body)));
        let mut attributes: Vec<(Rc<str>, ValueId)> = vec![];
        for statement in &class.body {
            if let Stmt::FunctionDef(function) = statement {
                let open = std::mem::take(&mut self.context().classes);
                let (method, value) = self.function(function, Some(id));
                self.context().classes = open;
                let name: Rc<str> = Rc::from(function.name.as_str());
                self.classes[id.0 as usize].methods.insert(name.clone(), method);
                self.builder().write(&class_variable(&unique, &name), value);
            } else {
                self.statement(statement);
            }
        }
        let names: Vec<Rc<str>> =
            self.context().classes.pop().map(|(_, scope)| scope.bound.into_keys().collect()).unwrap_or_default();
        if self.builder().reachable() {
            for name in names {
                let is_method = self.classes[id.0 as usize].methods.contains_key(&name);
                if !is_method {
                    let value = self.builder().read(&class_variable(&unique, &name));
                    attributes.push((name, value));
                }
            }
        }
        attributes.sort();
        for (name, value) in attributes {
            self.push(Op::SetAttribute(object, name, value), span);
        }
    }
}
