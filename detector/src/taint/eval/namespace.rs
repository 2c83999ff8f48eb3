//! Names that programs put together at run time: imports by name, attributes by name, namespaces as mappings. What is
//! constant in them is looked up as if it stood there (Python reference, §3.2 and §5; `builtins`, `importlib`, `operator`).

use std::rc::Rc;

use super::pass::Pass;
use crate::dataflow::Lattice;
use crate::dotted::split_last;
use crate::ssa::{Cell, FunctionId, Passing, ValueId};
use crate::taint::domain::{Items, Key, Object, Value};
use crate::taint::frame::Arguments;

/// Whether a path is the module of the program itself: `sys.modules[__name__]`.
pub(super) fn is_own_module(path: &str) -> bool {
    matches!(path, "sys.modules[]" | "__main__")
}

/// Whether a path is the mapping of names of the module of the program.
fn is_own_namespace(path: &str) -> bool {
    let of_module = path.strip_suffix(".__dict__").is_some_and(is_own_module);
    of_module
        || matches!(path, "globals()" | "vars()")
        || path.ends_with(".__globals__")
        || path.ends_with(".f_globals")
}

impl Pass<'_, '_> {
    /// `namespace[key]` and `namespace.get(key)`: `os.__dict__["system"]`, `sys.modules["os"]`, `globals()["run"]`.
    pub(super) fn entry_of(&mut self, value: ValueId, namespace: &Value, key: &Value) -> Option<Value> {
        let key: Rc<str> = Rc::from(key.text.as_literal()?);
        let paths: Vec<Rc<str>> = namespace.paths().cloned().collect();
        let mut found: Option<Value> = None;
        for path in paths {
            let one = match &*path {
                // What belongs to `builtins` is known without it.
                "sys.modules" | "builtins" | "__dict__" => self.path(value, &key),
                "globals()" | "locals()" | "vars()" => self.global(value, &key),
                _ => match path.strip_suffix(".__dict__") {
                    Some(owner) => self.path(value, &format!("{owner}.{key}")),
                    None => continue,
                },
            };
            found.get_or_insert_default().join(&one);
        }
        found
    }

    /// `globals()["name"] = value`: a name of the module means something else from then on.
    pub(super) fn bind_in_module(&mut self, namespace: &Value, key: &Value, stored: &Value) {
        if !namespace.paths().any(|path| is_own_namespace(path)) {
            return;
        }
        for key in key.as_keys().into_iter().flatten() {
            if let Key::Text(name) = key {
                self.solved.store_cell(&Cell { scope: FunctionId(0), name }, stored);
            }
        }
    }

    /// `globals().update(name=value)`, `globals().__setitem__("name", value)`
    pub(super) fn rebind_in_module(&mut self, namespace: &Value, arguments: &Arguments<'_>) {
        if let (Some(key), Some(stored)) = (arguments.positional(0), arguments.positional(1)) {
            self.bind_in_module(namespace, key, stored);
        }
        for (passing, value) in arguments.iter() {
            if let Passing::Keyword(name) = passing {
                self.bind_in_module(namespace, &Value::text(crate::text::Text::literal(name)), value);
            }
            for (key, stored) in value.items.iter().flat_map(|items| &items.known) {
                if let Key::Text(name) = key {
                    self.bind_in_module(namespace, &Value::text(crate::text::Text::literal(name)), stored);
                }
            }
        }
    }

    fn global(&mut self, value: ValueId, name: &Rc<str>) -> Value {
        let cell = Cell { scope: FunctionId(0), name: name.clone() };
        let known = self.solved.load_cell(&cell, self.reader);
        if known.is_none() { self.path(value, name) } else { known }
    }

    /// The fields of an object of the program as a mapping, or as a tuple.
    fn fields_of(&mut self, object: &Value, named: bool) -> Option<Value> {
        let program = self.solved.program;
        let mut items = Items { keys: named.then(Value::default), ..Items::default() };
        for class in
            object.objects.iter().filter_map(|one| if let Object::Instance(class) = one { Some(*class) } else { None })
        {
            for (at, name) in program.fields(class).iter().enumerate() {
                let value = self.solved.load_field(Some(class), name, self.reader);
                items.any.join(&value);
                let key = if named { Key::Text(name.clone()) } else { Key::Index(at as i64) };
                if let Some(keys) = &mut items.keys {
                    keys.join(&Value::text(crate::text::Text::literal(name)));
                }
                items.known.entry(key).or_default().join(&value);
            }
        }
        (!items.known.is_empty()).then(|| Value::container(items))
    }

    /// Calls that give an object by its name.
    pub(super) fn by_name(
        &mut self,
        call: ValueId,
        path: &str,
        receiver: Option<&Value>,
        arguments: &Arguments<'_>,
    ) -> Option<Value> {
        let first = arguments.positional(0);
        match path {
            "__import__" | "importlib.__import__" | "importlib.import_module" => {
                let name = first.or_else(|| arguments.keyword("name"))?.text.as_literal()?.to_owned();
                // `__import__("os.path")` gives `os`.
                let whole = path == "importlib.import_module" || arguments.keyword("fromlist").is_some();
                let name = if whole { &*name } else { name.split('.').next().unwrap_or(&name) };
                Some(self.path(call, name))
            }
            "ord" => {
                let mut chars = first?.text.as_literal()?.chars();
                let (code, None) = (i64::from(u32::from(chars.next()?)), chars.next()) else { return None };
                let text = crate::text::Text::literal(&code.to_string());
                Some(Value { text, ..Value::object(Object::Integer(code)) })
            }
            "setattr" => {
                let name = Rc::from(arguments.positional(1)?.text.as_literal()?);
                self.set_attribute(first?, &name, arguments.positional(2)?);
                None
            }
            "vars" => {
                let mut result = Value::default();
                for path in first?.paths() {
                    result.objects.insert(Object::Path(Rc::from(format!("{path}.__dict__"))));
                }
                (!result.is_none()).then_some(result)
            }
            "dataclasses.asdict" | "dataclasses.astuple" => self.fields_of(first?, path.ends_with("asdict")),
            "operator.attrgetter" => {
                let name = first?.text.as_literal()?;
                Some(Value::object(Object::Path(Rc::from(format!("operator.attrgetter({name})")))))
            }
            "functools.partial" => {
                let mut callee = first?.clone();
                callee.text = crate::text::Text::default();
                callee
                    .objects
                    .retain(|object| !matches!(object, Object::Truth(_) | Object::Nothing | Object::Integer(_)));
                // What is given by name stays with it.
                let mut bound = Items { keys: Some(Value::default()), ..Items::default() };
                for (at, (passing, value)) in arguments.iter().enumerate() {
                    let key = match passing {
                        Passing::Keyword(name) => Key::Text(name.clone()),
                        Passing::Positional if at > 0 => Key::Index(at as i64 - 1),
                        _ => continue,
                    };
                    bound.any.join(value);
                    bound.known.insert(key, value.clone());
                }
                let items = (!bound.known.is_empty()).then(|| Value::container(bound).items).flatten();
                (!callee.objects.is_empty()).then_some(Value { items, ..callee })
            }
            "object.__getattribute__" => {
                let name = Rc::from(arguments.positional(1)?.text.as_literal()?);
                Some(self.attribute(call, first?, &name))
            }
            _ if path.strip_suffix(".__setattr__").is_some_and(is_own_module) => {
                let name = Rc::from(first?.text.as_literal()?);
                self.set_attribute(receiver?, &name, arguments.positional(1)?);
                None
            }
            _ if path.ends_with(".__getattribute__") => {
                let owner = Value::object(Object::Path(Rc::from(path.strip_suffix(".__getattribute__")?)));
                let name = Rc::from(first?.text.as_literal()?);
                Some(self.attribute(call, &owner, &name))
            }
            _ if matches!(split_last(path), Some((_, "get" | "__getitem__" | "pop"))) => {
                self.entry_of(call, receiver?, first?)
            }
            _ => {
                let names = path.strip_prefix("operator.attrgetter(")?.strip_suffix(')')?.to_owned();
                let mut object = first?.clone();
                for name in names.split('.') {
                    object = self.attribute(call, &object, &Rc::from(name));
                }
                Some(object)
            }
        }
    }
}
