//! Objects by their path or class: what is known about them and their members.

use std::rc::Rc;

use super::namespace::is_own_module;
use super::pass::Pass;
use crate::dataflow::Lattice;
use crate::dotted::last;
use crate::rules::{Effect, Known, Returns};
use crate::ssa::{Cell, FunctionId, Op, Passing, ValueId, origin};
use crate::taint::domain::{Object, Value, enforce};
use crate::taint::frame::Arguments;
use crate::taint::store::OriginTable;
use crate::text::{Origins, Text};
use real_detector_api::OriginKind;

/// Attributes of attributes of `self` that are looked through.
const MAX_ATTRIBUTES: usize = 3;

impl Pass<'_, '_> {
    /// An object from outside, which may be an attacker's.
    pub(super) fn path(&mut self, value: ValueId, path: &str) -> Value {
        let known = self.solved.registry.known(path);
        self.object(value, &known)
    }

    /// What the program has put in the place of a member of a module: `html.escape = str`.
    fn replaced(&mut self, path: &str) -> Option<Value> {
        let replaced = &self.solved.replaced;
        let named = || replaced.contains(last(path));
        let may_be = !replaced.is_empty() && named() || self.solved.rebinds();
        let put = may_be.then(|| self.solved.load_field(None, &Rc::from(path), self.reader));
        put.filter(|put| !put.is_none())
    }

    pub(super) fn object(&mut self, value: ValueId, known: &Known) -> Value {
        let mut result = Value::object(Object::Path(known.path.clone()));
        if let Some(text) = &known.text {
            result.text = Text::literal(text);
        }
        if let Some((note, kind)) = &known.source {
            let origins = self.solved.source(self.id, value, note, *kind);
            result.join(&Value::any(origins));
        }
        if let Some(put) = self.replaced(&known.path) {
            result.join(&put);
        }
        result
    }

    /// What iteration over an object from outside gives that somebody else wrote: rows of a cursor.
    pub(super) fn rows_of(&mut self, value: ValueId, object: &Value) -> Value {
        let mut rows = Value::default();
        for path in object.paths() {
            let element = [path, "[]"].concat();
            if self.solved.registry.source(&element).is_some() {
                rows.join(&self.path(value, &element));
            }
        }
        rows
    }

    /// Whether an attribute of `self` is how the object is set up, or one of a name that only the code around binds.
    pub(super) fn is_set_up(&self, object: ValueId, chosen: Origins, name: &str) -> bool {
        if self.solved.registry.is_declared(name) {
            return true;
        }
        let mut root = origin(&self.function.values, object);
        // `self.config.table`, as long as it is no attribute of what a request is.
        for _ in 0..MAX_ATTRIBUTES {
            match self.function.op(root) {
                Op::Attribute(inner, _) if OriginTable::are_parameters(chosen.known()) => {
                    root = origin(&self.function.values, *inner);
                }
                _ => break,
            }
        }
        match self.function.op(root) {
            Op::Parameter(0) => {
                let own = matches!(&*self.function.parameters[0].name, "self" | "cls");
                own && self.solved.registry.is_setting(name)
            }
            Op::Unbound(_) => chosen.known().is_none(),
            _ => false,
        }
    }

    /// A name that nothing in the unit binds: what it stands for by convention.
    pub(super) fn unbound(&mut self, value: ValueId, name: &Rc<str>) -> Value {
        let mut result = match self.solved.registry.unbound(name) {
            Some(path) => self.path(value, path),
            None => self.named(value, name),
        };
        let registry = self.solved.registry;
        // A name in lower case holds what the code around puts into it.
        let known = registry.known(name);
        let variable = known.is_unknown && !registry.is_setting(name);
        if (self.solved.program.fragment || variable) && !known.is_known_itself {
            let note = format!("`{name}`, which the code around binds");
            result.join(&Value::any(self.solved.source(self.id, value, &note, OriginKind::Unknown)));
        }
        result
    }

    /// An object of unknown class, by its path and what its name says about it.
    fn named(&mut self, value: ValueId, path: &str) -> Value {
        let known = self.solved.registry.known(path);
        self.named_as(value, &known)
    }

    fn named_as(&mut self, value: ValueId, known: &Known) -> Value {
        let mut result = self.object(value, known);
        if let (false, Some(class)) = (known.is_known, &known.class) {
            result.join(&self.path(value, class));
        }
        result
    }

    /// `object.name`
    pub(super) fn attribute(&mut self, value: ValueId, object: &Value, name: &Rc<str>) -> Value {
        if let Some(declared) = Self::declared(object, name) {
            return declared;
        }
        if let Some(declared) = self.declared_field(object, name) {
            return enforce(&declared, object.origins());
        }
        let mut result = Value::default();
        let mut known = false;
        // What an attribute keeps of the text that an object is: `Path(text).name`.
        let mut property: Option<Effect> = None;
        for one in &object.objects {
            match one {
                Object::Path(_) | Object::Function(_) | Object::Method(_) if &**name == "__call__" => {
                    known = true;
                    result.join(&Value::object(one.clone()));
                }
                Object::Path(path) => {
                    known = true;
                    let registry = self.solved.registry;
                    let (path, is_long) = if path.len() > 160 { ("?", true) } else { (&**path, false) };
                    let whole = registry.known(&[path, ".", name].concat());
                    property = property.or_else(|| whole.own_effect.filter(|_| !is_long));
                    result.join(&if registry.is_type(path) {
                        self.object(value, &whole)
                    } else {
                        self.named_as(value, &whole)
                    });
                }
                Object::Instance(class) | Object::Class(class) => {
                    known = true;
                    let bound = matches!(one, Object::Instance(_));
                    result.join(&self.member(value, *class, bound, name));
                }
                _ => {}
            }
        }
        if !known {
            let origins = object.origins();
            result.join(&self.named(value, &["?.", name].concat()));
            result.join(&self.solved.load_field(None, name, self.reader));
            if !origins.is_none() {
                result.join(&Value::any(origins));
            }
        } else if let Some(property) =
            property.filter(|effect| matches!(effect.returns, Returns::Keeps | Returns::Removes | Returns::Clean))
        {
            result.join(&self.effect(&property, Some(object), &Arguments::new(&[], &[]), value));
        } else if !object.origins().is_none() && !self.is_named_tuple(object) && !self.is_member(object, name) {
            result.join(&Value::any(object.origins()));
        }
        result
    }

    /// Whether the contents of a value are its fields by position, which are looked up by name.
    fn is_named_tuple(&self, object: &Value) -> bool {
        let program = self.solved.program;
        object.text.is_none()
            && object.objects.iter().all(|one| matches!(one, Object::Instance(class) if program.is_named_tuple(*class)))
    }

    /// Whether only members of an enumeration have such an attribute: texts have no `value`.
    fn is_member(&self, object: &Value, name: &str) -> bool {
        matches!(name, "value" | "name")
            && object.objects.iter().all(|one| matches!(one, Object::Instance(class) if self.is_enumeration(*class)))
    }

    /// Whether a value is a member of an enumeration that the unit does not show: `Order(text)`, `Order[text]`. What classes
    /// of the unit give is known from them.
    pub(super) fn is_unseen_member(&self, object: ValueId) -> bool {
        let op = |value: ValueId| self.function.op(origin(&self.function.values, value));
        let class = match op(object) {
            Op::Call { callee, arguments } if arguments.len() == 1 && arguments[0].passing == Passing::Positional => {
                *callee
            }
            Op::Subscript(class, _) => *class,
            _ => return false,
        };
        let Op::Unbound(name) = op(class) else { return false };
        name.starts_with(|char: char| char.is_ascii_uppercase())
            && name.contains(|char: char| char.is_ascii_lowercase())
            && self.solved.registry.unbound(name).is_none()
            && !self.solved.registry.knows(name)
    }

    fn member(&mut self, value: ValueId, class: crate::ssa::ClassId, bound: bool, name: &Rc<str>) -> Value {
        let program = self.solved.program;
        if let Some(method) = program.method(class, name) {
            let function = program.function(method);
            let decorated = |path: &str| function.decorators.iter().any(|decorator| &**decorator == path);
            if bound && (decorated("property") || decorated("functools.cached_property")) {
                let call = ValueId(0);
                self.solved.enter(method, self.id, call);
                return self.solved.returned(method, self.reader).unwrap_or_default();
            }
            let takes_receiver = function.method_of.is_some() && (bound || decorated("classmethod"));
            return Value::object(if takes_receiver { Object::Method(method) } else { Object::Function(method) });
        }
        let mut result = self.solved.load_field(Some(class), name, self.reader);
        if result.is_none() && matches!(&**name, "value" | "name") && self.is_enumeration(class) {
            return Value::any(Origins::NONE);
        }
        if result.is_none() {
            result = self.solved.load_field(Some(class), &Rc::from("*"), self.reader);
        }
        // Descriptors (Python reference, §3.3.2).
        if bound {
            let instance = Value::object(Object::Instance(class));
            let held = result.clone();
            result.join(&self.protocol(&held, &["__get__"], &[&instance]).unwrap_or_default());
        }
        let foreign: Vec<Rc<str>> = program.class(class).foreign_bases.clone();
        for base in foreign {
            let instance = format!("{base}()");
            let path = [self.solved.registry.canonical(&instance), ".", name].concat();
            let path: Rc<str> = Rc::from(self.solved.registry.canonical(&path));
            result.join(&self.path(value, &path));
        }
        if result.is_none() {
            let instance = Value::object(Object::Instance(class));
            let name_of = Value::text(Text::literal(name));
            if let Some(found) = self.protocol(&instance, &["__getattr__", "__getattribute__"], &[&name_of]) {
                return found;
            }
            result = self.named(value, &format!("?.{name}"));
            // What is set elsewhere in the program may only not have come here so far.
            let constructed = self.solved.constructed.contains(&class) && program.fields(class).contains(name);
            let set_up = self.solved.registry.is_setting(name) && !self.solved.rebinds();
            if !self.solved.assigned.contains(name) && !constructed && !set_up {
                let note = format!("attribute `{name}`, which the program does not set");
                result.join(&Value::any(self.solved.source(self.id, value, &note, OriginKind::Unknown)));
            }
        }
        result
    }

    pub(super) fn set_attribute(&mut self, object: &Value, name: &Rc<str>, stored: &Value) {
        let mut known = false;
        for one in &object.objects {
            if let Object::Path(path) = one
                && is_own_module(path)
            {
                self.solved.store_cell(&Cell { scope: FunctionId(0), name: name.clone() }, stored);
            }
            // A member of a module or class from elsewhere, or of what an application keeps: `app.state`.
            if let Object::Path(path) = one
                && (!path.contains(['(', '[', '?']) || path.ends_with(".state"))
            {
                let member = format!("{path}.{name}");
                let member = self.solved.registry.known(&member).path.clone();
                self.solved.store_field(None, &member, stored);
            }
            if let Object::Instance(class) | Object::Class(class) = one {
                known = true;
                match self.solved.program.setter(*class, name) {
                    Some(setter) => {
                        self.solved.pass_argument(setter, 1, stored);
                        self.solved.enter(setter, self.id, ValueId(0));
                    }
                    None => self.solved.store_field(Some(*class), name, stored),
                }
            }
        }
        if !known {
            self.solved.store_field(None, name, stored);
        }
    }

    pub(super) fn subscript(&mut self, value: ValueId, container: &Value, index: &Value) -> Value {
        let mut result = Value::default();
        if let Some(found) = self.protocol(container, &["__getitem__"], &[index]) {
            if container.items.is_none() {
                return found;
            }
            result.join(&found);
        }
        match index.as_keys() {
            Some(keys) if !keys.is_empty() => keys.iter().for_each(|key| {
                result.join(&container.lookup(Some(key)));
            }),
            _ => {
                result.join(&container.lookup(None));
            }
        }
        if let Some(named) = self.entry_of(value, container, index) {
            result.join(&named);
            return result;
        }
        for path in container.paths() {
            result.join(&self.path(value, &[path, "[]"].concat()));
        }
        result
    }
}
