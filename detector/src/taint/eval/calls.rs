//! Calls: of the program's own functions through their summaries, of others through the library models.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::pass::Pass;
use crate::dataflow::Lattice;
use crate::dotted::last;
use crate::rules::{Known, Returns};
use crate::ssa::{Op, Passing, ValueId};
use crate::taint::domain::{Object, Value};
use crate::taint::frame::{Arguments, fact};
use crate::text::Origins;
use real_detector_api::OriginKind;

/// Arguments of a call beyond which it is not looked at which function gets which others.
const MAX_APART: usize = 16;

/// Whether two paths end in the same name: one method, of an object that is known in two ways.
fn is_same_method(one: &str, other: &str) -> bool {
    last(one) == last(other)
}

impl Pass<'_, '_> {
    /// A call; none where it never comes back.
    pub(super) fn call(&mut self, call: ValueId, op: &Op, facts: &[Value]) -> Option<Value> {
        let Op::Call { callee, arguments } = op else { return Some(Value::default()) };
        let target = fact(facts, *callee).clone();
        let receiver = self.receiver(*callee, facts);
        let arguments = Arguments::new(arguments, facts);
        let mut result = Value::default();
        let mut comes_back = false;
        let mut known = false;
        // What is known about an object by its name says more than that its class is not shown.
        let registry = self.solved.registry;
        let modelled = target.paths().find(|path| registry.has_own_effect(path)).cloned();
        for object in &target.objects {
            match object {
                Object::Path(path)
                    if !registry.has_own_effect(path)
                        && modelled.as_ref().is_some_and(|other| is_same_method(other, path)) => {}
                Object::Function(function) | Object::Method(function) => {
                    known = true;
                    let bound = matches!(object, Object::Method(_));
                    if let (true, Some(receiver), Some(class)) =
                        (bound, &receiver, self.solved.program.function(*function).method_of)
                    {
                        self.pass_contents(*function, class, receiver);
                    }
                    if let Some(returned) = self.enter_function(*function, bound, &arguments, call) {
                        comes_back = true;
                        result.join(&returned);
                    }
                }
                Object::Class(class) => {
                    (known, comes_back) = (true, true);
                    match self.solved.program.method(*class, "__init__") {
                        Some(init) => {
                            self.enter_function(init, true, &arguments, call);
                        }
                        // To call an enumeration is to look up one of its members.
                        None if self.is_enumeration(*class) => {}
                        None => self.construct(*class, &arguments),
                    }
                    result.join(&self.contents(*class, &arguments));
                    result.join(&Value::object(Object::Instance(*class)));
                }
                Object::Instance(class) => {
                    if let Some(method) = self.solved.program.method(*class, "__call__") {
                        known = true;
                        if let Some(returned) = self.enter_function(method, true, &arguments, call) {
                            comes_back = true;
                            result.join(&returned);
                        }
                    }
                }
                Object::Path(path) => {
                    let about = registry.known(path);
                    if about.never_returns {
                        known = true;
                        continue;
                    }
                    (known, comes_back) = (true, true);
                    let returned = self.outside(call, (path, &about), receiver.as_ref(), &arguments);
                    result.join(&returned);
                }
                _ => {}
            }
        }
        if !known {
            comes_back = true;
            result.join(&Value::any(arguments.origins().union(target.origins())));
        }
        comes_back.then_some(result)
    }

    /// What a method is called on.
    pub(super) fn receiver(&self, callee: ValueId, facts: &[Value]) -> Option<Value> {
        match self.function.op(callee) {
            Op::Attribute(object, _) => Some(fact(facts, *object).clone()),
            // `getattr(text, "strip")()`
            Op::Call { callee, arguments } if fact(facts, *callee).paths().any(|path| &**path == "getattr") => {
                Some(fact(facts, arguments.first()?.value).clone())
            }
            Op::Refine { value, .. } | Op::Survived { value, .. } | Op::Same(value) => self.receiver(*value, facts),
            _ => None,
        }
    }

    fn outside(
        &mut self,
        call: ValueId,
        (path, about): (&Rc<str>, &Known),
        receiver: Option<&Value>,
        arguments: &Arguments<'_>,
    ) -> Value {
        let registry = self.solved.registry;
        if &**path == "super"
            && let Some(parent) = self.parent()
        {
            return parent;
        }
        self.hand_over(arguments, call);
        if let Some(result) = self.by_name(call, path, receiver, arguments) {
            return result;
        }
        if let Some(result) = Self::of_constants(path, receiver, arguments) {
            return result;
        }
        if let Some(result) = self.parsed(path, receiver, call) {
            return result;
        }
        let known = if path.len() > 160 {
            registry.known("?()")
        } else {
            if let Some((object, needs_arguments)) = &about.binds
                && !(*needs_arguments && arguments.is_empty())
            {
                return Value::object(Object::Path(object.clone()));
            }
            registry.known_result(path, about)
        };
        if known.is_source {
            return self.object(call, &known);
        }
        if let Some(effect) = self.solved.effect(path) {
            let prepared = self.prepared(effect.returns, arguments);
            let mut result = match &prepared {
                Some((renamed, values)) => self.effect(&effect, receiver, &Arguments::new(renamed, values), call),
                None => self.effect(&effect, receiver, arguments, call),
            };
            if effect.returns == Returns::Number {
                result.join(&self.as_numbers(arguments));
            }
            if known.becomes_type {
                result.objects.insert(Object::Path(known.path.clone()));
            }
            return result;
        }
        let mut result = self.object(call, &known);
        let mut origins = arguments.origins().union(receiver.map_or(Origins::NONE, Value::origins));
        // A method of a value that is known is a method of that value's class.
        let of_value = path.starts_with("?.")
            && !receiver.is_some_and(|one| one.objects.iter().any(|object| matches!(object, Object::Instance(_))));
        if registry.calls_back(path) {
            origins = origins.union(self.come_back(arguments));
        }
        if !of_value && about.is_unknown {
            let name = path.trim_start_matches("?.");
            let note = format!("what `{name}` returns, which the program does not show");
            origins = origins.union(self.solved.source(self.id, call, &note, OriginKind::Unknown));
        }
        if !known.becomes_type {
            result.join(&Value::any(origins));
        }
        result
    }

    /// `super()` in a method: the object as one of its base classes.
    fn parent(&self) -> Option<Value> {
        let class = self.solved.program.class(self.function.method_of?);
        let bases = class.bases.iter().map(|base| Object::Instance(*base));
        let foreign = class
            .foreign_bases
            .iter()
            .map(|base| Object::Path(Rc::from(self.solved.registry.canonical(&format!("{base}()")))));
        let parent = Value { objects: bases.chain(foreign).collect(), ..Value::default() };
        (!class.bases.is_empty()).then_some(parent)
    }

    /// `map(f, xs)`, `sorted(xs, key=f)`, `Thread(target=f, args=xs)`: functions that are handed over are called by whom
    /// they are handed to, and may get whatever else is passed.
    fn hand_over(&mut self, arguments: &Arguments<'_>, call: ValueId) {
        let mut handed: BTreeSet<&Object> = BTreeSet::new();
        for (_, value) in arguments.iter() {
            handed.extend(value.objects.iter().filter(|one| matches!(one, Object::Function(_) | Object::Method(_))));
        }
        // With very many arguments each function may as well get its own.
        let all = (arguments.iter().nth(MAX_APART).is_some()).then(|| Self::given(arguments, None));
        for object in handed {
            let (Object::Function(function) | Object::Method(function)) = object else { continue };
            let given = all.clone().unwrap_or_else(|| Self::given(arguments, Some(object)));
            let skip = usize::from(matches!(object, Object::Method(_)));
            let count = self.solved.program.function(*function).parameters.len();
            if given.is_none() && count > skip {
                continue;
            }
            for parameter in skip..count {
                self.solved.pass_argument(*function, parameter, &given);
            }
            self.solved.enter(*function, self.id, call);
        }
    }

    /// Who has a say in what functions return that are handed over: `pool.submit(f).result()`.
    fn come_back(&mut self, arguments: &Arguments<'_>) -> Origins {
        let mut origins = Origins::NONE;
        for object in arguments.iter().flat_map(|(_, value)| value.objects.iter()) {
            if let Object::Function(function) | Object::Method(function) = object {
                let returned = self.solved.returned(*function, self.reader).unwrap_or_default();
                origins = origins.union(returned.origins());
            }
        }
        origins
    }

    /// The elements of all arguments that are not the function itself.
    fn given(arguments: &Arguments<'_>, function: Option<&Object>) -> Value {
        let mut given = Value::default();
        for (_, value) in arguments.iter() {
            if function.is_none_or(|function| !value.objects.contains(function)) {
                given.join(&value.element());
            }
        }
        given
    }

    /// A class without `__init__`: a data class keeps what it is given.
    fn construct(&mut self, class: crate::ssa::ClassId, arguments: &Arguments<'_>) {
        let fields = self.solved.program.fields(class);
        let mut position = Some(0);
        for (passing, value) in arguments.iter() {
            if let Passing::Keyword(name) = passing {
                self.solved.store_field(Some(class), name, value);
                continue;
            }
            let field = position.and_then(|at: usize| fields.get(at));
            position = position.filter(|_| *passing == Passing::Positional).map(|at| at + 1);
            match field {
                Some(name) if *passing == Passing::Positional => self.solved.store_field(Some(class), name, value),
                _ => self.solved.store_field(Some(class), &Rc::from("*"), value),
            }
        }
    }
}
