//! What each instruction makes of its operands.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::displays::{display, mapping};
use super::ends::beginning;
use super::pass::Pass;
use crate::dataflow::{Analysis, Lattice, Ways};
use crate::ssa::{BinaryOp, Cell, Declared, FunctionId, Op, ParameterKind, Piece, Route, ValueId};
use crate::taint::domain::{
    Items, Key, MAX_ENTRIES, Object, Value, binary, enforce, escaped, formatted, is_markup, is_path, joined_path,
    languages, literal_value, part, with_item,
};
use crate::taint::frame::fact;
use crate::taint::store::Role;
use crate::text::{Origins, Text};
use real_detector_api::OriginKind;

impl Analysis for Pass<'_, '_> {
    type Fact = Value;

    fn transfer(&mut self, value: ValueId, op: &Op, facts: &[Value]) -> Option<Value> {
        Some(match op {
            Op::Literal(literal) => literal_value(literal),
            Op::Parameter(index) => self.parameter(value, *index),
            Op::Phi(_) | Op::Join(_) => Value::default(),
            Op::Refine { value, condition, truth } => self.refine(*value, *condition, *truth, facts),
            Op::Survived { value, call } => self.survived(*value, *call, facts),
            Op::EachElement { value, element, last } => self.each_element(*value, *element, *last, facts),
            Op::Load(cell) => self.solved.load_cell(cell, self.reader),
            Op::Store(cell, stored) => {
                self.solved.store_cell(cell, fact(facts, *stored));
                Value::default()
            }
            Op::Path(path) => self.path(value, path),
            Op::Unbound(name) => self.unbound(value, name),
            Op::Function(function) => {
                self.defaults(*function, facts);
                Value::object(Object::Function(*function))
            }
            Op::Class(class) => Value::object(Object::Class(*class)),
            Op::Attribute(object, name) => {
                let known = fact(facts, *object);
                if matches!(&**name, "value" | "name") && self.is_unseen_member(*object) {
                    return Some(Value::any(Origins::NONE));
                }
                if self.is_set_up(*object, known.origins(), name) {
                    let bare = Value { text: Text::default(), ..known.clone() };
                    return Some(self.attribute(value, &bare, name));
                }
                self.attribute(value, known, name)
            }
            Op::SetAttribute(object, name, stored) => {
                self.set_attribute(fact(facts, *object), name, fact(facts, *stored));
                Value::default()
            }
            Op::Subscript(container, index) => self.subscript(value, fact(facts, *container), fact(facts, *index)),
            Op::Slice(sliced, from_start) => {
                let sliced = fact(facts, *sliced);
                if let Some(found) = self.protocol(sliced, &["__getitem__"], &[]) {
                    return Some(found);
                }
                let mut result = sliced.clone();
                result.text = Text::default();
                if *from_start {
                    result.text = beginning(&sliced.text);
                } else if let Some(hole) = sliced.text.collapse(languages()) {
                    result.text = Text::hole(part(hole));
                }
                result.objects.retain(|object| matches!(object, Object::Path(_)));
                if let Some(items) = &sliced.items {
                    result.items = Some(Rc::new(Items { known: BTreeMap::new(), size: None, ..(**items).clone() }));
                }
                result
            }
            Op::WithItem(container, key, item) => {
                let key = key.map(|key| fact(facts, key).clone());
                if let Some(key) = &key {
                    self.bind_in_module(fact(facts, *container), key, fact(facts, *item));
                }
                let changed = with_item(fact(facts, *container), key.as_ref(), fact(facts, *item));
                self.note_change(*container, &changed);
                changed
            }
            Op::Mutated(container, call) => {
                let changed = self.mutated(fact(facts, *container), *call, facts);
                self.note_change(*container, &changed);
                changed
            }
            Op::InPlace(held, new) => {
                let held = *held;
                let (old, new) = (fact(facts, held), fact(facts, *new));
                // Texts and numbers are what they were.
                if old.items.is_none() {
                    return Some(old.clone());
                }
                self.note_change(held, new);
                let mut either = old.clone();
                either.join(new);
                either
            }
            Op::Call { .. } => return self.call(value, op, facts),
            Op::Binary(op, left, right) => {
                let (left, right) = (fact(facts, *left), fact(facts, *right));
                match self.operator(*op, left, right) {
                    Some(result) => result,
                    None if *op == BinaryOp::Arithmetic && is_path(left) => joined_path(left, right),
                    None if *op == BinaryOp::Modulo && is_markup(left) => escaped(left, right),
                    None if *op == BinaryOp::Add && (is_markup(left) || is_markup(right)) => escaped(left, right),
                    None if *op == BinaryOp::Modulo => binary(*op, left, &self.shown_entries(right)),
                    None => binary(*op, left, right),
                }
            }
            Op::Compare(_, left, right) => {
                let compared = self.compared(fact(facts, *left), fact(facts, *right));
                compared.unwrap_or_else(|| Value::number(Origins::NONE))
            }
            Op::Not(value) => Self::negated(fact(facts, *value)),
            Op::Logic(and, parts) => {
                let parts: Vec<&Value> = parts.iter().map(|part| fact(facts, *part)).collect();
                Self::decided(*and, &parts)
            }
            Op::Format(pieces) => Value::text(self.format(pieces, facts)),
            Op::Display(kind, items) => display(*kind, items, facts),
            Op::Mapping(items) => mapping(items, facts),
            Op::Element(container) => {
                let container = fact(facts, *container);
                let mut element = self.element_of(container);
                element.join(&self.rows_of(value, container));
                element
            }
            Op::Enter(manager) => self.entered(fact(facts, *manager)),
            Op::Item(container, index) => {
                let container = fact(facts, *container);
                match &container.items {
                    Some(items) if items.keys.is_none() => container.lookup(Some(&Key::Index(*index as i64))),
                    // `connection, peer = listener.accept()`
                    None if !container.is_none() => {
                        let mut item = self.element_of(container);
                        for path in container.paths() {
                            item.join(&self.path(value, &[path, "[]"].concat()));
                        }
                        item
                    }
                    _ => self.element_of(container),
                }
            }
            Op::Rest(container) => Value::list(self.element_of(fact(facts, *container))),
            Op::Comprehension { result, .. } => Value::list(fact(facts, *result).clone()),
            Op::MappingComprehension(key, item) => {
                let (key, item) = (fact(facts, *key), fact(facts, *item));
                let keys = key.as_keys().filter(|keys| keys.len() <= MAX_ENTRIES).unwrap_or_default();
                Value::container(Items {
                    known: keys.into_iter().map(|key| (key, item.clone())).collect(),
                    any: item.clone(),
                    keys: Some(key.clone()),
                    size: None,
                })
            }
            Op::Caught => {
                let mut caught = Value::any(Origins::NONE);
                caught.join(&self.solved.load_cell(&Cell::raised(), self.reader));
                caught
            }
            Op::Unknown => Value::any(Origins::NONE),
            Op::Same(same) => fact(facts, *same).clone(),
        })
    }

    fn branch(&self, condition: ValueId, facts: &[Value]) -> Ways {
        // Only what is constant in the program text decides: `while True`, not what a helper happens to return.
        match self.function.op(condition) {
            Op::Literal(_) => match fact(facts, condition).truth() {
                (true, false) => Ways::Only(true),
                (false, true) => Ways::Only(false),
                _ => Ways::All,
            },
            _ => Ways::All,
        }
    }
}

impl Pass<'_, '_> {
    fn parameter(&mut self, value: ValueId, index: usize) -> Value {
        let function = self.function;
        let parameter = &function.parameters[index];
        let given = self.given.as_ref().and_then(|given| given[index].clone());
        let mut result = given.unwrap_or_else(|| self.solved.parameter(self.id, index, self.reader));
        let registry = self.solved.registry;
        if let Some(annotation) = &parameter.annotation {
            let path = [annotation, "()"].concat();
            let path = registry.canonical(&path);
            if registry.is_type(path) {
                result.objects.insert(Object::Path(Rc::from(path)));
                if let Some((note, _)) = registry.source(path) {
                    let origins = self.solved.source(self.id, value, note, OriginKind::Attacker);
                    result.join(&Value::any(origins));
                }
                return result;
            }
        }
        if self.given.is_none() && self.solved.exposed[self.id.0 as usize] {
            if index == 0
                && let Some(class) = function.method_of
            {
                result.join(&self.solved.instances(class));
                return result;
            }
            // What is annotated with another's class is no request by its name.
            let is_other =
                parameter.class.is_some() || parameter.annotation.as_ref().is_some_and(|path| path.contains('.'));
            let by_word = registry.by_word(&parameter.name);
            if let Some(class) = by_word.filter(|class| !is_other || registry.source(class).is_none()) {
                result.join(&self.path(value, class));
            }
            let note = || format!("parameter `{}` of `{}`, which callers choose", parameter.name, function.name);
            let role = match (&*function.name, function.routes.is_empty()) {
                (_, false) => Role::Handler,
                ("__init__", true) => Role::Constructor,
                // A method that was cut out of its class: who makes the object sets its attributes.
                _ if index == 0 && matches!(&*parameter.name, "self" | "cls") => Role::Constructor,
                _ => Role::Function,
            };
            let origins = self.solved.origins.parameter((self.id, value), index, role, note);
            if function.routes.iter().any(|route| route.fills_with_number(parameter)) {
                result.join(&Value::number(origins));
                return result;
            }
            let enforced = function.routes.iter().any(Route::enforces_annotations);
            if enforced && parameter.made_by_default {
                let Some(class) = parameter.class.filter(|_| result.objects.is_empty()) else { return result };
                // `handler: Handler = Depends()`: the framework makes it of what the request says.
                result.join(&Value::object(Object::Instance(class)));
                if let Some(init) = self.solved.program.method(class, "__init__") {
                    for at in 1..self.solved.program.function(init).parameters.len() {
                        self.solved.pass_argument(init, at, &Value::any(origins));
                    }
                    self.solved.enter(init, self.id, value);
                }
                if !self.is_model(class) {
                    return result;
                }
            }
            let limited = parameter.limited || function.routes.iter().any(|route| route.limits(parameter));
            if limited || enforced && parameter.declared == Declared::Made {
                result.join(&Value::any(Origins::NONE));
                return result;
            }
            if let Some(class) = parameter.class {
                let is_enumeration = self.is_enumeration(class);
                if is_enumeration || self.is_model(class) {
                    result.join(&Value::object(Object::Instance(class)));
                }
                if enforced && is_enumeration {
                    return result;
                }
            }
            let any = match &parameter.declared {
                declared if enforced => enforce(declared, origins),
                _ => Value::any(origins),
            };
            result.join(&match parameter.kind {
                ParameterKind::Star => Value::list(any),
                ParameterKind::DoubleStar => {
                    Value::container(Items { keys: Some(any.clone()), any, ..Items::default() })
                }
                _ => any,
            });
        }
        result
    }

    fn defaults(&mut self, function: FunctionId, facts: &[Value]) {
        let program = self.solved.program;
        for (i, parameter) in program.function(function).parameters.iter().enumerate() {
            if let Some(default) = parameter.default {
                self.solved.pass_argument(function, i, fact(facts, default));
                if let Some(outer) = program.function(function).outer {
                    self.solved.pass_argument(outer, i, fact(facts, default));
                }
            }
        }
    }

    fn format(&mut self, pieces: &[Piece], facts: &[Value]) -> Text {
        let mut text = Text::literal("");
        for piece in pieces {
            let next = match piece {
                Piece::Text(literal) => Text::literal(literal),
                Piece::Value { value, repr, spec } => formatted(&self.shown(fact(facts, *value)), *repr, spec),
            };
            text = text.concat(&next, languages());
        }
        text
    }

    /// What `with manager as …` binds.
    fn entered(&mut self, manager: &Value) -> Value {
        let mut result = Value { objects: crate::few::Few::default(), ..manager.clone() };
        for object in &manager.objects {
            match object {
                Object::Instance(class) => match self.solved.program.method(*class, "__enter__") {
                    Some(enter) => {
                        self.solved.enter(enter, self.id, ValueId(0));
                        result.join(&self.solved.returned(enter, self.reader).unwrap_or_default());
                    }
                    None => {
                        result.objects.insert(object.clone());
                    }
                },
                _ => {
                    result.objects.insert(object.clone());
                }
            }
        }
        // `@contextmanager`: what is yielded is bound.
        if let Some(items) = result.items.clone() {
            result.join(&items.any);
        }
        result
    }
}
