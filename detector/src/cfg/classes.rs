//! Classes: their bodies run where they stand, their methods are functions.

use std::collections::BTreeMap;
use std::rc::Rc;

use ruff_python_ast::{Expr, ExprCall, Stmt, StmtClassDef, StmtFunctionDef};
use rustc_hash::FxHashSet as HashSet;

use super::names::class_variable;
use super::scope::Scope;
use super::{Lowerer, span_of};
use crate::ssa::{Class, ClassId, Op, ValueId};

impl<'a> Lowerer<'a> {
    /// `namedtuple("Point", "x y")`: a class of these fields.
    pub(super) fn named_tuple(&mut self, call: &ExprCall, path: &str) -> Option<ValueId> {
        if !matches!(path, "collections.namedtuple" | "typing.NamedTuple") {
            return None;
        }
        let [Expr::StringLiteral(name), listed, ..] = &*call.arguments.args else { return None };
        let text = |one: &Expr| Some(Rc::<str>::from(one.as_string_literal_expr()?.value.to_str()));
        let first = |one: &Expr| match one {
            Expr::Tuple(pair) => pair.elts.first().and_then(text),
            one => text(one),
        };
        let fields: Vec<Rc<str>> = match listed {
            Expr::StringLiteral(names) => {
                names.value.to_str().split([' ', ',']).filter(|name| !name.is_empty()).map(Rc::from).collect()
            }
            Expr::List(list) => list.elts.iter().map(first).collect::<Option<_>>()?,
            Expr::Tuple(tuple) => tuple.elts.iter().map(first).collect::<Option<_>>()?,
            _ => return None,
        };
        let id = ClassId(self.classes.len() as u32);
        self.classes.push(Class {
            name: Rc::from(name.value.to_str()),
            bases: vec![],
            foreign_bases: vec![Rc::from("collections.namedtuple")],
            methods: BTreeMap::new(),
            setters: BTreeMap::new(),
            fields,
            declared: vec![],
        });
        Some(self.push(Op::Class(id), span_of(call)))
    }

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
        let fields = class.body.iter().filter_map(field).map(Rc::from).collect();
        let declared = self.declared_fields(&class.body);
        let (methods, setters) = (BTreeMap::new(), BTreeMap::new());
        self.classes.push(Class { name: name.clone(), bases, foreign_bases, methods, setters, fields, declared });
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
                match accessor(function) {
                    Some("setter") => {
                        self.classes[id.0 as usize].setters.insert(name, method);
                        continue;
                    }
                    Some("deleter") => continue,
                    _ => {}
                }
                self.classes[id.0 as usize].methods.insert(name.clone(), method);
                self.builder().write(&class_variable(&unique, &name), value);
            } else {
                self.statement(statement);
            }
        }
        let declared: HashSet<&str> = class.body.iter().filter(|one| is_only_declared(one)).filter_map(field).collect();
        let bound = self.context().classes.pop().map(|(_, scope)| scope.bound).unwrap_or_default();
        // `name: str` alone binds nothing.
        let names = bound.into_iter().filter(|(name, count)| *count > 1 || !declared.contains(&**name));
        let names: Vec<Rc<str>> = names.map(|(name, _)| name).collect();
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

/// The `setter` or `deleter` of a property that a method is.
fn accessor(function: &StmtFunctionDef) -> Option<&str> {
    function.decorator_list.iter().find_map(|decorator| match &decorator.expression {
        Expr::Attribute(attribute) => match (&*attribute.value, attribute.attr.as_str()) {
            (Expr::Name(name), kind @ ("setter" | "deleter")) if name.id == function.name.id => Some(kind),
            _ => None,
        },
        _ => None,
    })
}

/// The name of an annotated field.
fn field(statement: &Stmt) -> Option<&str> {
    match statement {
        Stmt::AnnAssign(assign) => Some(assign.target.as_name_expr()?.id.as_str()),
        _ => None,
    }
}

fn is_only_declared(statement: &Stmt) -> bool {
    matches!(statement, Stmt::AnnAssign(assign) if assign.value.is_none())
}
