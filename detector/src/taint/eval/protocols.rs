//! Methods that the language calls where the program names none: `__str__`, `__iter__`, `__add__`, … (Python reference,
//! §3.3), and classes of the program that are strings or containers themselves.

use std::rc::Rc;

use super::pass::Pass;
use crate::dataflow::Lattice;
use crate::dotted::last;
use crate::rules::Returns;
use crate::ssa::{Argument, BinaryOp, ClassId, Declared, Passing, ValueId};
use crate::taint::domain::{Items, Key, Object, Value, languages};
use crate::taint::frame::Arguments;
use crate::text::Text;

/// What turns an object into text.
const TEXT: &[&str] = &["__format__", "__str__", "__repr__"];
/// Library classes whose objects are what their constructor is given.
const CONTENTS: &[&str] = &[
    "str",
    "bytes",
    "list",
    "tuple",
    "set",
    "frozenset",
    "dict",
    "collections.UserString",
    "collections.UserList",
    "collections.UserDict",
    "collections.OrderedDict",
    "collections.deque",
    "markupsafe.Markup",
];

/// Comparisons.
const COMPARISONS: &[&str] = &["__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"];
/// What functions of numbers call.
const NUMBERS: &[&str] = &[
    "__abs__",
    "__round__",
    "__trunc__",
    "__ceil__",
    "__floor__",
    "__pow__",
    "__rpow__",
    "__divmod__",
    "__rdivmod__",
    "__add__",
    "__radd__",
];

/// Methods of an operator, and those of the right operand.
fn operators(op: BinaryOp) -> (&'static [&'static str], &'static [&'static str]) {
    match op {
        BinaryOp::Add => (&["__iadd__", "__add__"], &["__radd__"]),
        BinaryOp::Modulo => (&["__mod__"], &["__rmod__"]),
        BinaryOp::Multiply => (&["__mul__"], &["__rmul__"]),
        BinaryOp::SetLike => (&["__or__", "__xor__"], &["__ror__", "__rxor__"]),
        BinaryOp::Intersection => (&["__and__"], &["__rand__"]),
        BinaryOp::Difference => (&["__sub__"], &["__rsub__"]),
        BinaryOp::Arithmetic => (
            &[
                "__truediv__",
                "__floordiv__",
                "__lshift__",
                "__rshift__",
                "__matmul__",
                "__pow__",
                "__neg__",
                "__pos__",
                "__invert__",
            ],
            &["__rtruediv__", "__rfloordiv__", "__rlshift__", "__rrshift__", "__rmatmul__", "__rpow__"],
        ),
    }
}

fn instances(value: &Value) -> impl Iterator<Item = ClassId> {
    value.objects.iter().filter_map(|object| match object {
        Object::Instance(class) => Some(*class),
        _ => None,
    })
}

fn has_instances(value: &Value) -> bool {
    instances(value).next().is_some()
}

impl Pass<'_, '_> {
    /// What the first of these methods returns that the classes of an object have; none where they have none.
    pub(super) fn protocol(&mut self, object: &Value, names: &[&str], arguments: &[&Value]) -> Option<Value> {
        let program = self.solved.program;
        let mut result: Option<Value> = None;
        let classes: Vec<ClassId> = instances(object).collect();
        for class in classes {
            let Some(method) = names.iter().find_map(|name| program.method(class, name)) else { continue };
            let takes_receiver = usize::from(program.function(method).method_of.is_some());
            self.pass_contents(method, class, object);
            for (index, argument) in arguments.iter().enumerate() {
                if index + takes_receiver < program.function(method).parameters.len() {
                    self.solved.pass_argument(method, index + takes_receiver, argument);
                }
            }
            self.solved.enter(method, self.id, ValueId(0));
            let returned = self.solved.returned(method, self.reader);
            result.get_or_insert_default().join(&returned.unwrap_or_default());
        }
        result
    }

    /// An object as it is put into a text.
    pub(super) fn shown(&mut self, value: &Value) -> Value {
        if !has_instances(value) {
            return value.clone();
        }
        match self.protocols(value, TEXT, &[]) {
            Some(text) => {
                let mut shown = Value { text: text.text, ..Value::default() };
                if instances(value).count() < value.objects.len() || value.items.is_some() {
                    shown.join(value);
                }
                shown
            }
            None => value.clone(),
        }
    }

    /// A container with its entries as they are put into a text.
    pub(super) fn shown_entries(&mut self, value: &Value) -> Value {
        let mut shown = self.shown(value);
        if let Some(items) = &shown.items
            && std::iter::once(&items.any).chain(items.known.values()).any(has_instances)
        {
            let items = (**items).clone();
            let known = items.known.iter().map(|(key, entry)| (key.clone(), self.shown(entry))).collect();
            shown.items =
                Some(Rc::new(Items { known, any: self.shown(&items.any), keys: items.keys, size: items.size }));
        }
        shown
    }

    /// What iteration over a value gives.
    pub(super) fn element_of(&mut self, value: &Value) -> Value {
        if !has_instances(value) {
            return value.element();
        }
        let mut element = match self.protocol(value, &["__iter__"], &[]) {
            Some(iterator) if has_instances(&iterator) => {
                let next = self.protocol(&iterator, &["__next__"], &[]).unwrap_or_default();
                let mut element = next;
                if iterator.items.is_some() {
                    element.join(&iterator.element());
                }
                element
            }
            Some(iterator) => iterator.element(),
            None => match self.protocol(value, &["__getitem__"], &[]) {
                Some(item) => item,
                None => return value.element(),
            },
        };
        if value.items.is_some() || !value.text.is_none() {
            element.join(&value.element());
        }
        element
    }

    /// An operator of the classes of its operands; none where they have none.
    pub(super) fn operator(&mut self, op: BinaryOp, left: &Value, right: &Value) -> Option<Value> {
        self.of_operands(left, right, operators(op))
    }

    /// What comparisons of the classes of their operands return, which may be anything; none where they have none.
    pub(super) fn compared(&mut self, left: &Value, right: &Value) -> Option<Value> {
        self.of_operands(left, right, (COMPARISONS, COMPARISONS))
    }

    fn of_operands(&mut self, left: &Value, right: &Value, (of_left, of_right): (&[&str], &[&str])) -> Option<Value> {
        let mut result = self.protocols(left, of_left, &[right]);
        if let Some(other) = self.protocols(right, of_right, &[left]) {
            result.get_or_insert_default().join(&other);
        }
        result
    }

    /// What functions of numbers (`abs`, `round`, `sum`, `math.floor`) make of objects of the program, which may be anything.
    pub(super) fn as_numbers(&mut self, arguments: &Arguments<'_>) -> Value {
        let mut result = Value::default();
        for (_, value) in arguments.iter() {
            for one in [value, &value.element()] {
                if has_instances(one) {
                    result.join(&self.protocols(one, NUMBERS, &[&Value::default()]).unwrap_or_default());
                }
            }
        }
        result
    }

    /// What any of these methods returns that the classes of an object have; none where they have none.
    fn protocols(&mut self, object: &Value, names: &[&str], arguments: &[&Value]) -> Option<Value> {
        let mut result: Option<Value> = None;
        if has_instances(object) {
            for name in names {
                if let Some(returned) = self.protocol(object, &[name], arguments) {
                    result.get_or_insert_default().join(&returned);
                }
            }
        }
        result
    }

    /// The arguments of a library call with what the language makes of objects of the program there; none where there are
    /// none of these.
    pub(super) fn prepared(
        &mut self,
        returns: Returns,
        arguments: &Arguments<'_>,
    ) -> Option<(Vec<Argument>, Vec<Value>)> {
        let as_text = matches!(returns, Returns::Same | Returns::Repr | Returns::Format);
        let as_list = matches!(
            returns,
            Returns::Elements | Returns::Element | Returns::Join | Returns::Enumerate | Returns::Zip | Returns::Map
        );
        let concerns = |value: &Value| {
            has_instances(value)
                || value
                    .items
                    .as_ref()
                    .is_some_and(|items| std::iter::once(&items.any).chain(items.known.values()).any(has_instances))
        };
        if !(as_text || as_list) || !arguments.iter().any(|(_, value)| concerns(value)) {
            return None;
        }
        let mut values = vec![];
        let mut renamed = vec![];
        for (index, (passing, value)) in arguments.iter().enumerate() {
            let iterated = as_list && has_instances(value) && value.items.is_none();
            let iterated = iterated.then(|| self.element_of(value)).filter(|element| !element.is_none());
            values.push(match iterated {
                Some(element) => {
                    let mut list = Value::list(element);
                    list.objects.clone_from(&value.objects);
                    list
                }
                None if as_text || returns == Returns::Join => self.shown_entries(value),
                None => value.clone(),
            });
            renamed.push(Argument { passing: passing.clone(), value: ValueId(index as u32) });
        }
        Some((renamed, values))
    }

    /// Whether the objects of a class are those that stand in its body.
    pub(super) fn is_enumeration(&self, class: ClassId) -> bool {
        self.solved.program.foreign_bases(class).any(|base| base.ends_with("Enum") || base.ends_with("Flag"))
    }

    /// Whether objects of a class have what its fields declare, whoever makes them (library pydantic).
    pub(super) fn is_model(&self, class: ClassId) -> bool {
        self.solved
            .program
            .foreign_bases(class)
            .any(|base| matches!(last(base), "BaseModel" | "SQLModel" | "BaseSettings"))
    }

    /// What a model's field declares, unless the program sets an attribute of the name.
    pub(super) fn declared_field(&self, object: &Value, name: &str) -> Option<Declared> {
        let program = self.solved.program;
        let declared = object.objects.iter().map(|one| match one {
            Object::Instance(class) if self.is_model(*class) => {
                let mut fields = program.ancestors(*class).flat_map(|one| &program.class(one).declared);
                fields.find(|(field, _)| **field == *name).map(|(_, declared)| declared.clone())
            }
            _ => None,
        });
        let declared = declared.reduce(|one, other| Some(one?.or(other?))).flatten()?;
        (declared != Declared::Anything && !self.solved.set_on_objects(name)).then_some(declared)
    }

    /// Whether a class of the program is a string or container of the library.
    fn holds_contents(&self, class: ClassId) -> bool {
        self.solved.program.foreign_bases(class).any(|base| CONTENTS.contains(&&**base)) && !self.is_enumeration(class)
    }

    /// What an object of a class is beside an object, where the class is a string or container: what it is made of.
    pub(super) fn contents(&mut self, class: ClassId, arguments: &Arguments<'_>) -> Value {
        let mut contents = Value::default();
        let program = self.solved.program;
        if program.is_named_tuple(class) {
            let fields = program.fields(class);
            let mut items = Items::default();
            for (index, (passing, value)) in arguments.iter().enumerate() {
                let at = match passing {
                    Passing::Positional => Some(index),
                    Passing::Keyword(name) => fields.iter().position(|field| field == name),
                    Passing::Star | Passing::DoubleStar => None,
                };
                items.any.join(value);
                if let Some(at) = at {
                    items.known.insert(Key::Index(at as i64), value.clone());
                }
            }
            return Value::container(items);
        }
        if self.holds_contents(class) {
            for (passing, value) in arguments.iter() {
                if matches!(passing, Passing::Keyword(_)) {
                    contents.join(&Value::list(value.clone()));
                } else {
                    contents.text.join(&value.text, languages());
                    contents.items.clone_from(&value.items);
                }
            }
            if contents.is_none() {
                contents.text = Text::literal("");
            }
        }
        contents
    }

    /// Lets a method see the string or container that its object is.
    pub(super) fn pass_contents(&mut self, method: crate::ssa::FunctionId, class: ClassId, object: &Value) {
        if (!object.text.is_none() || object.items.is_some()) && self.holds_contents(class) {
            let contents = Value { objects: crate::few::Few::default(), ..object.clone() };
            self.solved.pass_argument(method, 0, &contents);
        }
    }
}
