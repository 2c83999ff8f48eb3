//! Containers that are changed in place, also those that a function gets as argument: the caller sees the change.

use super::pass::Pass;
use crate::dataflow::Lattice;
use crate::ssa::{Op, ParameterKind, Passing, ValueId};
use crate::taint::domain::{Items, Key, MAX_ENTRIES, Object, Value, with_item};
use crate::taint::frame::{Arguments, fact};
use crate::taint::store::{Place, bit};
use crate::text::Text;

/// The key under which an option of a section is kept: the arguments of `get(section, option)`.
pub(super) fn option_of(arguments: &Arguments<'_>) -> Option<String> {
    let name = |at| arguments.positional(at).and_then(|value: &Value| value.text.as_literal());
    Some(format!("{}\u{0}{}", name(0)?, name(1)?))
}

/// The entries of a list that is known as a whole, after one of its methods.
fn listed_after(items: &Items, method: &str, arguments: &Arguments<'_>) -> Option<Vec<Value>> {
    let mut entries = items.entries()?;
    let at = |value: &Value| match value.as_keys()?[..] {
        [Key::Index(at)] => usize::try_from(at).ok(),
        _ => None,
    };
    match (method, arguments.positional(0), arguments.positional(1)) {
        ("append", Some(value), None) if entries.len() < MAX_ENTRIES => entries.push(value.clone()),
        ("pop", None, None) => drop(entries.pop()?),
        ("pop" | "__delitem__", Some(place), None) => drop(entries.remove(at(place).filter(|at| *at < entries.len())?)),
        ("insert", Some(place), Some(value)) if entries.len() < MAX_ENTRIES => {
            entries.insert(at(place)?.min(entries.len()), value.clone());
        }
        _ => return None,
    }
    Some(entries)
}

impl Pass<'_, '_> {
    /// Notes what became of a container, for the callers where it is theirs.
    pub(super) fn note_change(&mut self, container: ValueId, changed: &Value) {
        let bits = self.solved.aliases(self.id)[container.0 as usize];
        for index in (0..self.function.parameters.len()).filter(|index| bits & bit(*index) != 0) {
            self.solved.change_argument(self.id, index, changed);
        }
    }

    /// An argument after a call: with what the called functions of the program put into it.
    pub(super) fn changed_by(&mut self, mut known: Value, value: ValueId, call: ValueId, facts: &[Value]) -> Value {
        let Op::Call { callee, arguments } = self.function.op(call) else { return known };
        let program = self.solved.program;
        for object in &fact(facts, *callee).objects {
            let (target, skip) = match object {
                Object::Function(function) => (*function, 0),
                Object::Method(function) => (*function, 1),
                Object::Class(class) => match program.method(*class, "__init__") {
                    Some(init) => (init, 1),
                    None => continue,
                },
                _ => continue,
            };
            let parameters = &program.function(target).parameters;
            for (i, _) in arguments.iter().enumerate().filter(|(_, argument)| argument.value == value) {
                let index = match &arguments[i].passing {
                    Passing::Positional => Some(i + skip),
                    Passing::Keyword(name) => parameters.iter().position(|one| one.name == *name),
                    Passing::Star | Passing::DoubleStar => None,
                };
                let plain = |one: &crate::ssa::Parameter| {
                    matches!(one.kind, ParameterKind::Normal | ParameterKind::KeywordOnly)
                };
                if let Some(index) = index.filter(|index| parameters.get(*index).is_some_and(plain))
                    && let Some(changed) = self.solved.store.read(Place::Changed(target, index as u32), self.reader)
                {
                    known.join(changed);
                }
            }
        }
        known
    }

    /// A container after one of its methods has changed it.
    pub(super) fn mutated(&mut self, container: &Value, call: ValueId, facts: &[Value]) -> Value {
        let Op::Call { callee, arguments } = self.function.op(call) else { return container.clone() };
        let Op::Attribute(_, method) = self.function.op(*callee) else { return container.clone() };
        let arguments = Arguments::new(arguments, facts);
        if container.objects.iter().any(|object| matches!(object, Object::Instance(_) | Object::Class(_))) {
            return container.clone();
        }
        if matches!(&**method, "add_argument" | "add_option") {
            let declared = self.with_argument(container, &arguments, call);
            return declared.unwrap_or_else(|| Value { items: None, ..container.clone() });
        }
        if matches!(&**method, "update" | "__setitem__" | "setdefault") {
            self.rebind_in_module(container, &arguments);
        }
        let mut result = container.clone();
        let mut items = container.items.as_deref().cloned().unwrap_or_default();
        if let Some(entries) = listed_after(&items, method, &arguments) {
            result.items = Value::container(Items::listed(entries)).items;
            return result;
        }
        items.size = None;
        // `parser.set(section, option, value)` of `configparser`.
        if let ("set", Some(key), Some(value)) = (&**method, option_of(&arguments), arguments.positional(2)) {
            return with_item(container, Some(&Value::text(Text::literal(&key))), value);
        }
        match &**method {
            "update" if items.keys.is_some() => {
                for (passing, value) in arguments.iter() {
                    if let Passing::Keyword(name) = passing {
                        items.any.join(value);
                        items.keys.get_or_insert_default().join(&Value::text(Text::literal(name)));
                        items.known.insert(Key::Text(name.clone()), value.clone());
                        continue;
                    }
                    let other = value.items.as_deref().cloned().unwrap_or_else(|| Items {
                        any: value.element(),
                        keys: Some(value.element()),
                        ..Items::default()
                    });
                    items.any.join(&other.any);
                    if let (Some(keys), Some(more)) = (&mut items.keys, &other.keys) {
                        keys.join(more);
                    }
                    items.known.extend(other.known);
                }
            }
            "clear" if container.items.is_some() => {
                items = Items { keys: items.keys.map(|_| Value::default()), ..Items::default() };
            }
            "clear" => return result,
            // What is left of a list from the beginning on stays where it is.
            "pop" if arguments.positional(0).is_none() => {}
            "pop" | "__delitem__" | "remove" | "reverse" | "sort" => {
                items.known.retain(|key, _| matches!(key, Key::Text(_)));
            }
            "setdefault" => {
                if let (Some(key), Some(value)) = (arguments.positional(0), arguments.positional(1)) {
                    return with_item(container, Some(key), value);
                }
            }
            "extend" | "extendleft" | "update" | "writelines" => {
                for (_, value) in arguments.iter() {
                    items.any.join(&value.element());
                }
                let any = items.any.clone();
                items.known.values_mut().for_each(|known| {
                    known.join(&any);
                });
            }
            // `text += piece` in a buffer: what is written is kept, one piece or another.
            _ => {
                for (_, value) in arguments.iter() {
                    items.any.join(value);
                }
                if &**method != "append" {
                    items.known.clear();
                }
            }
        }
        result.items = Value::container(items).items;
        result
    }
}
