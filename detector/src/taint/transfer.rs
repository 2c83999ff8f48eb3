//! What each instruction makes of its operands.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::origins::Role;
use super::solver::Solved;
use super::value::{Items, Key, MAX_ENTRIES, Object, Value, languages, part};
use crate::dataflow::{Analysis, Lattice, Ways};
use crate::rules::Known;
use crate::ssa::{BinaryOp, Function, FunctionId, Literal, Op, ParameterKind, Piece, ValueId, origin};
use crate::text::{CharSet, Hole, LanguageSet, Origins, Text};
use real_detector_api::OriginKind;

/// The library's paths as objects.
const PATH: &str = "pathlib.Path()";

/// The solution of one function, in the making.
pub(super) struct Pass<'s, 'p> {
    pub(super) solved: &'s mut Solved<'p>,
    pub(super) id: FunctionId,
    pub(super) function: &'p Function,
    /// Who is to be solved again where what was read grows.
    pub(super) reader: FunctionId,
    /// What one call gives the parameters; all calls together where it is none.
    pub(super) given: Option<Rc<[Option<Value>]>>,
}

/// Facts by value.
pub(super) fn fact(facts: &[Value], value: ValueId) -> &Value {
    &facts[value.0 as usize]
}

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
            Op::Slice(sliced) => {
                let sliced = fact(facts, *sliced);
                if let Some(found) = self.protocol(sliced, &["__getitem__"], &[]) {
                    return Some(found);
                }
                let mut result = sliced.clone();
                result.text = Text::default();
                if let Some(hole) = sliced.text.collapse(languages()) {
                    result.text = Text::hole(part(hole));
                }
                result.objects.retain(|object| matches!(object, Object::Path(_)));
                if let Some(items) = &sliced.items {
                    result.items = Some(Rc::new(Items { known: BTreeMap::new(), ..(**items).clone() }));
                }
                result
            }
            Op::WithItem(container, key, item) => {
                let key = key.map(|key| fact(facts, key).clone());
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
                    None if *op == BinaryOp::Modulo => binary(*op, left, &self.shown_entries(right)),
                    None => binary(*op, left, right),
                }
            }
            Op::Compare(..) | Op::Not(_) => Value::number(Origins::NONE),
            Op::Logic(_, parts) => {
                let mut joined = Value::default();
                for part in parts {
                    joined.join(fact(facts, *part));
                }
                joined
            }
            Op::Format(pieces) => Value::text(self.format(pieces, facts)),
            Op::Display(_, items) => display(items, facts),
            Op::Mapping(items) => mapping(items, facts),
            Op::Element(container) => self.element_of(fact(facts, *container)),
            Op::Enter(manager) => self.entered(fact(facts, *manager)),
            Op::Item(container, index) => {
                let container = fact(facts, *container);
                match &container.items {
                    Some(items) if items.keys.is_none() => container.lookup(Some(&Key::Index(*index as i64))),
                    _ => self.element_of(container),
                }
            }
            Op::Rest(container) => Value::list(self.element_of(fact(facts, *container))),
            Op::Comprehension { result, .. } => Value::list(fact(facts, *result).clone()),
            Op::MappingComprehension(key, item) => Value::container(Items {
                known: BTreeMap::new(),
                any: fact(facts, *item).clone(),
                keys: Some(fact(facts, *key).clone()),
            }),
            Op::Caught | Op::Unknown => Value::any(Origins::NONE),
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
            let path = format!("{annotation}()");
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
            if let Some(class) = registry.by_word(&parameter.name) {
                result.join(&self.path(value, class));
            }
            let note = || format!("parameter `{}` of `{}`, which callers choose", parameter.name, function.name);
            let role = match (&*function.name, function.routes.is_empty()) {
                (_, false) => Role::Handler,
                ("__init__", true) => Role::Constructor,
                _ => Role::Function,
            };
            let origins = self.solved.origins.parameter((self.id, value), index, role, note);
            if function.routes.iter().any(|route| route.fills_with_number(parameter)) {
                result.join(&Value::number(origins));
                return result;
            }
            if let Some(class) = parameter.class.filter(|class| self.is_enumeration(*class)) {
                result.join(&Value::object(Object::Instance(class)));
            }
            let any = Value::any(origins);
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

    /// An object from outside, which may be an attacker's.
    pub(super) fn path(&mut self, value: ValueId, path: &str) -> Value {
        let known = self.solved.registry.known(path);
        self.object(value, &known)
    }

    fn object(&mut self, value: ValueId, known: &Known) -> Value {
        let mut result = Value::object(Object::Path(known.path.clone()));
        if let Some(text) = &known.text {
            result.text = Text::literal(text);
        }
        if let Some((note, kind)) = &known.source {
            let origins = self.solved.source(self.id, value, note, *kind);
            result.join(&Value::any(origins));
        }
        result
    }

    /// Whether an attribute of `self` is how the object is set up, or one of a name that only the code around binds.
    fn is_set_up(&self, object: ValueId, chosen: Origins, name: &str) -> bool {
        let root = origin(&self.function.values, object);
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
    fn unbound(&mut self, value: ValueId, name: &Rc<str>) -> Value {
        let mut result = match self.solved.registry.unbound(name) {
            Some(path) => self.path(value, path),
            None => self.named(value, name),
        };
        let registry = self.solved.registry;
        // A name in lower case holds what the code around puts into it.
        let variable = self.id != FunctionId(0) && registry.is_unknown(name) && !registry.is_setting(name);
        if (self.solved.program.fragment || variable) && !registry.knows(name) {
            let note = format!("`{name}`, which the code around binds");
            result.join(&Value::any(self.solved.source(self.id, value, &note, OriginKind::Unknown)));
        }
        result
    }

    /// An object of unknown class, by its path and what its name says about it.
    fn named(&mut self, value: ValueId, path: &str) -> Value {
        let known = self.solved.registry.known(path);
        let mut result = self.object(value, &known);
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
        let mut result = Value::default();
        let mut known = false;
        for one in &object.objects {
            match one {
                Object::Path(_) | Object::Function(_) | Object::Method(_) if &**name == "__call__" => {
                    known = true;
                    result.join(&Value::object(one.clone()));
                }
                Object::Path(path) => {
                    known = true;
                    let path = if path.len() > 160 { Rc::from("?") } else { path.clone() };
                    let whole = format!("{path}.{name}");
                    result.join(&if self.solved.registry.is_type(&path) {
                        self.path(value, &whole)
                    } else {
                        self.named(value, &whole)
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
            result.join(&self.named(value, &format!("?.{name}")));
            result.join(&self.solved.load_field(None, name, self.reader));
            if !origins.is_none() {
                result.join(&Value::any(origins));
            }
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
        let foreign: Vec<Rc<str>> = program.class(class).foreign_bases.clone();
        for base in foreign {
            let path = format!("{base}().{name}");
            result.join(&Value::object(Object::Path(Rc::from(self.solved.registry.canonical(&path)))));
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
            if !self.solved.assigned.contains(name) && !constructed && !self.solved.registry.is_setting(name) {
                let note = format!("attribute `{name}`, which the program does not set");
                result.join(&Value::any(self.solved.source(self.id, value, &note, OriginKind::Unknown)));
            }
        }
        result
    }

    fn set_attribute(&mut self, object: &Value, name: &Rc<str>, stored: &Value) {
        let mut known = false;
        for one in &object.objects {
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

    fn subscript(&mut self, value: ValueId, container: &Value, index: &Value) -> Value {
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
            result.join(&self.path(value, &format!("{path}[]")));
        }
        result
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

fn literal_value(literal: &Literal) -> Value {
    match literal {
        Literal::Text(text) => Value::text(Text::literal(text)),
        Literal::Integer(i) => Value { text: Text::literal(&i.to_string()), ..Value::object(Object::Integer(*i)) },
        Literal::Number => Value::number(Origins::NONE),
        Literal::Bool(truth) => {
            Value { text: Text::literal(if *truth { "True" } else { "False" }), ..Value::object(Object::Truth(*truth)) }
        }
        Literal::None => Value { text: Text::literal("None"), ..Value::object(Object::Nothing) },
    }
}

/// Adds an entry to a container.
pub(super) fn with_item(container: &Value, key: Option<&Value>, item: &Value) -> Value {
    let mut items = container.items.as_deref().cloned().unwrap_or_default();
    let keys = key.and_then(Value::as_keys);
    items.any.join(item);
    match keys.as_deref() {
        Some([one]) => {
            items.known.insert(one.clone(), item.clone());
        }
        _ => items.known.values_mut().for_each(|value| {
            value.join(item);
        }),
    }
    if let (Some(keys), Some(key)) = (&mut items.keys, key) {
        keys.join(key);
    }
    let mut result = container.clone();
    result.items = Value::container(items).items;
    result
}

/// Whether a value is a `pathlib` path, for which `/` joins.
fn is_path(value: &Value) -> bool {
    value.paths().any(|path| &**path == PATH)
}

/// `folder / name`
pub(super) fn joined_path(folder: &Value, name: &Value) -> Value {
    let text = folder.to_text().concat(&Text::literal("/").concat(&name.to_text(), languages()), languages());
    Value { text, ..Value::object(Object::Path(Rc::from(PATH))) }
}

fn binary(op: BinaryOp, left: &Value, right: &Value) -> Value {
    let origins = left.origins().union(right.origins());
    let both_lists = left.items.is_some() && right.items.is_some();
    match op {
        BinaryOp::Arithmetic => Value::number(origins),
        _ if left.is_number() && right.is_number() => Value::number(origins),
        BinaryOp::Add if both_lists => {
            let mut joined = left.clone();
            if let (Some(items), Some(other)) = (&left.items, &right.items) {
                let mut items = (**items).clone();
                items.any.join(&other.any);
                joined.items = Some(Rc::new(items));
            }
            joined
        }
        BinaryOp::Difference if left.items.is_some() => left.clone(),
        BinaryOp::Add | BinaryOp::SetLike if left.items.is_some() || right.items.is_some() => {
            let mut joined = left.clone();
            joined.join(right);
            joined
        }
        BinaryOp::SetLike | BinaryOp::Difference => Value::number(origins),
        BinaryOp::Add => Value::text(left.to_text().concat(&right.to_text(), languages())),
        BinaryOp::Modulo if left.is_number() => Value::number(origins),
        BinaryOp::Modulo => Value::text(super::effects::percent_format(left, right)),
        BinaryOp::Multiply => {
            let repeated = if left.is_number() { right } else { left };
            let mut result = repeated.clone();
            if let Some(hole) = repeated.text.collapse(languages()) {
                result.text = Text::hole(Hole { closed: LanguageSet::NONE, ..hole });
            }
            result.objects.clear();
            result
        }
    }
}

/// The text of a placeholder.
pub(super) fn formatted(value: &Value, repr: bool, spec: &str) -> Text {
    let numeric = spec.chars().last().is_some_and(|last| "bcdeEfFgGnoxX%".contains(last));
    if numeric {
        return Text::hole(Hole::number(value.origins()));
    }
    if repr {
        let hole = value.to_hole();
        if hole.number {
            return Text::hole(hole);
        }
        let chars = hole.chars.union(CharSet::of("'\"\\"));
        // The text of a literal is one piece of Python.
        let python = ["python", "python-expression"].into_iter().filter_map(|id| languages().index(id));
        let closed = python.fold(LanguageSet::NONE, |closed, index| closed.union(LanguageSet::one(index)));
        return Text::hole(Hole { chars, doubled: CharSet::NONE, closed, ..hole });
    }
    if spec.is_empty() {
        return value.to_text();
    }
    // Padding: fill characters around it.
    let hole = value.to_hole();
    Text::hole(Hole { chars: hole.chars.union(CharSet::of(spec)).with(' '), ..part(hole) })
}

fn display(items: &[(ValueId, bool)], facts: &[Value]) -> Value {
    let mut all = Items::default();
    let mut position = Some(0);
    for (item, starred) in items {
        let value = fact(facts, *item);
        if *starred {
            all.any.join(&value.element());
            position = None;
        } else {
            all.any.join(value);
            // Positions are worth keeping in sets as well: they enumerate the constants of an allow-list.
            if let Some(i) = &mut position {
                all.known.insert(Key::Index(*i), value.clone());
                *i += 1;
            }
            if all.known.len() > MAX_ENTRIES {
                all.known.clear();
                position = None;
            }
        }
    }
    Value::container(all)
}

fn mapping(items: &[(Option<ValueId>, ValueId)], facts: &[Value]) -> Value {
    let mut all = Items { keys: Some(Value::default()), ..Items::default() };
    let mut keys = Value::default();
    for (key, item) in items {
        let item = fact(facts, *item);
        if let Some(key) = key {
            let key = fact(facts, *key);
            keys.join(key);
            all.any.join(item);
            if let Some([one]) = key.as_keys().as_deref()
                && items.len() <= MAX_ENTRIES
            {
                all.known.insert(one.clone(), item.clone());
            }
            continue;
        }
        // What comes later replaces what was there, where its keys are known.
        let replaces = item.items.as_ref().is_some_and(|other| other.is_complete()) && item.text.is_none();
        if !replaces {
            let more = item.items.as_ref().map_or_else(|| item.element(), |other| other.any.clone());
            all.known.values_mut().for_each(|known| {
                known.join(&more);
            });
        }
        if let Some(other) = &item.items {
            all.any.join(&other.any);
            keys.join(other.keys.as_ref().unwrap_or(&other.any));
            all.known.extend(other.known.iter().map(|(key, value)| (key.clone(), value.clone())));
        } else {
            all.any.join(&item.element());
            keys.join(&item.element());
        }
    }
    all.keys = Some(keys);
    Value::container(all)
}
