//! Command lines that the program declares: what `choices` and `type` leave of an argument (library reference, `argparse`,
//! `optparse`).

use std::rc::Rc;

use super::pass::Pass;
use crate::dataflow::Lattice;
use crate::ssa::{Passing, ValueId};
use crate::taint::domain::{Items, Key, Object, Value};
use crate::taint::frame::Arguments;
use crate::text::Origins;

/// What parsing gives, with the arguments that the parser knows as entries.
const NAMESPACE: &str = "argparse.ArgumentParser().parse_args()";

impl Pass<'_, '_> {
    /// A parser after an argument was declared.
    pub(super) fn with_argument(&mut self, parser: &Value, arguments: &Arguments<'_>, call: ValueId) -> Option<Value> {
        let literal = |value: &Value| value.text.as_literal().map(str::to_owned);
        let names: Vec<String> = arguments
            .iter()
            .take_while(|(passing, _)| **passing == Passing::Positional)
            .map(|(_, value)| literal(value))
            .collect::<Option<_>>()?;
        let name = match arguments.keyword("dest") {
            Some(dest) => literal(dest)?,
            None => names.iter().find(|name| name.starts_with("--")).or(names.first())?.clone(),
        };
        let name = name.trim_start_matches('-').replace('-', "_");
        let typed = self.path(call, NAMESPACE).text;
        let mut value = Value::text(typed);
        let action = arguments.keyword("action").and_then(literal);
        if matches!(action.as_deref(), Some("store_true" | "store_false" | "store_const" | "count" | "append_const")) {
            value = Value::number(Origins::NONE);
        } else {
            if let Some(kind) = arguments.keyword("type") {
                value = self.converted(kind, &value, call);
            }
            if let Some(choices) = arguments.keyword("choices") {
                let one = choices.element();
                if one.origins().is_none() && choices.items.is_some() {
                    value = one;
                }
            }
            if let Some(default) = arguments.keyword("default") {
                value.join(default);
            }
        }
        if arguments.keyword("nargs").is_some() || action.as_deref() == Some("append") {
            value = Value::list(value);
        }
        let mut items = parser.items.as_deref().cloned().unwrap_or_default();
        items.any.join(&value);
        items.known.insert(Key::Text(Rc::from(name)), value);
        Some(Value { items: Value::container(items).items, ..parser.clone() })
    }

    /// What a function makes of a text that it is given to convert.
    pub(super) fn converted(&mut self, function: &Value, text: &Value, call: ValueId) -> Value {
        let mut result = Value::default();
        for object in &function.objects {
            match object {
                Object::Function(id) | Object::Method(id) => {
                    let own = usize::from(matches!(object, Object::Method(_)));
                    self.solved.pass_argument(*id, own, text);
                    self.solved.enter(*id, self.id, call);
                    result.join(&self.solved.returned(*id, self.reader).unwrap_or_default());
                }
                other => {
                    result.join(&self.applied(other, text, call));
                }
            }
        }
        if result.is_none() { text.clone() } else { result }
    }

    /// What a parser gives that knows these arguments.
    pub(super) fn parsed(&mut self, path: &str, parser: Option<&Value>, call: ValueId) -> Option<Value> {
        let known = path.ends_with(".parse_args") || path.ends_with(".parse_known_args");
        let items = parser.filter(|_| known)?.items.clone()?;
        let mut namespace = self.path(call, NAMESPACE);
        namespace.items = Some(items);
        if path.ends_with("known_args") {
            let rest = Value::text(namespace.text.clone());
            return Some(Value::container(Items {
                known: [(Key::Index(0), namespace.clone()), (Key::Index(1), rest)].into(),
                any: namespace,
                keys: None,
                size: None,
            }));
        }
        Some(namespace)
    }

    /// An attribute of what a parser gave, where the argument was declared.
    pub(super) fn declared(namespace: &Value, name: &Rc<str>) -> Option<Value> {
        if !namespace.paths().any(|path| matches!(&**path, NAMESPACE | "types.SimpleNamespace()")) {
            return None;
        }
        namespace.items.as_ref()?.known.get(&Key::Text(name.clone())).cloned()
    }
}
