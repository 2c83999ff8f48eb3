//! Containers that are changed in place, also those that a function gets as argument: the caller sees the change.

use super::pass::Pass;
use crate::dataflow::Lattice;
use crate::ssa::{Op, ParameterKind, Passing, ValueId};
use crate::taint::domain::{Items, Key, Object, Value, with_item};
use crate::taint::frame::{Arguments, fact};
use crate::taint::store::{Place, bit};
use crate::text::Text;

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
        let mut result = container.clone();
        let mut items = container.items.as_deref().cloned().unwrap_or_default();
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
