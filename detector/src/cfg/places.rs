//! Places: `object.attribute` and `object["key"]` as variables, so that what a test says about one holds where it is read again.

use std::rc::Rc;

use ruff_python_ast::Expr;

use super::names::{Resolved, literal};
use super::{Lowerer, span_of};
use crate::ssa::{Argument, BlockId, Instruction, Literal, Op, Passing, Span, ValueId, Variable, origin};

/// Deepest `a.b.c` that gets a variable of its own.
const MAX_PLACE: usize = 4;
/// Names of one value that are looked at.
const MAX_NAMES: usize = 32;

/// An object that tests may be about.
struct Place {
    variable: Variable,
    /// What it is where it is loaded.
    value: ValueId,
    block: BlockId,
    /// Whether it lies below a variable that may be bound again.
    of_local: bool,
}

enum Step {
    Attribute(Rc<str>),
    Key(Literal),
    /// `.get(key)`, with the default where there is one.
    Get(Literal, Option<Literal>),
}

impl Lowerer<'_> {
    /// A variable for `object.attribute` and `object["key"]`, so that tests of such places hold where they are read again.
    ///
    /// It is loaded where the object is made. Places of parameters that are never rebound always have one, others from the
    /// first test on that looks at them.
    pub(super) fn place(&mut self, expression: &Expr) -> Option<Variable> {
        if let Expr::Name(name) = expression {
            let Resolved::Own(variable) = self.resolve(&name.id) else { return None };
            return self.context().roots.contains(&variable).then_some(variable);
        }
        self.place_within(expression, MAX_PLACE).map(|place| place.variable)
    }

    fn place_within(&mut self, expression: &Expr, depth: usize) -> Option<Place> {
        let (object, step) = match expression {
            Expr::Name(name) => return self.place_of_name(&name.id, span_of(expression)),
            _ if depth == 0 => return None,
            Expr::Attribute(attribute) => (&attribute.value, Step::Attribute(Rc::from(attribute.attr.as_str()))),
            Expr::Subscript(subscript) => (&subscript.value, Step::Key(literal(&subscript.slice)?)),
            Expr::Call(call) => {
                let method = call.func.as_attribute_expr().filter(|method| method.attr.as_str() == "get")?;
                let (key, default) = match &*call.arguments.args {
                    _ if !call.arguments.keywords.is_empty() => return None,
                    [key] => (key, None),
                    [key, default] => (key, Some(literal(default)?)),
                    _ => return None,
                };
                (&method.value, Step::Get(literal(key).filter(|key| matches!(key, Literal::Text(_)))?, default))
            }
            _ => return None,
        };
        let object = self.place_within(object, depth - 1)?;
        let variable: Variable = match &step {
            Step::Attribute(name) => Rc::from(format!("{}.{name}", object.variable)),
            // `get` gives the entry, or nothing.
            Step::Key(key) | Step::Get(key, None) => Rc::from(format!("{}[{key:?}]", object.variable)),
            Step::Get(key, Some(default)) => Rc::from(format!("{}[{key:?}, {default:?}]", object.variable)),
        };
        let known = self.context().places.get(&variable).copied();
        let value = match known {
            Some(value) => value,
            None if object.of_local && !self.context().testing => return None,
            None if matches!(step, Step::Get(..)) && !self.context().testing => return None,
            None => {
                let span = span_of(expression);
                let builder = self.builder();
                let here = builder.here();
                builder.enter(object.block);
                let op = match step {
                    Step::Attribute(name) => Op::Attribute(object.value, name),
                    Step::Key(key) => {
                        let key = builder.push(Op::Literal(key), span);
                        Op::Subscript(object.value, key)
                    }
                    Step::Get(key, default) => {
                        let callee = builder.push(Op::Attribute(object.value, Rc::from("get")), span);
                        let given = std::iter::once(key).chain(default);
                        let arguments = given
                            .map(|one| Argument {
                                passing: Passing::Positional,
                                value: builder.push(Op::Literal(one), span),
                            })
                            .collect();
                        Op::Call { callee, arguments }
                    }
                };
                let value = builder.push(op, span);
                builder.write_first(&variable, value, object.block);
                builder.enter(here);
                self.context().places.insert(variable.clone(), value);
                value
            }
        };
        Some(Place { variable, value, ..object })
    }

    /// The object behind a name, as what places lie below.
    fn place_of_name(&mut self, name: &str, span: Span) -> Option<Place> {
        let variable = match self.resolve(name) {
            Resolved::Own(variable) => variable,
            Resolved::Free(variable, cell) if self.context().testing || self.context().free.contains(&variable) => {
                if self.context().free.insert(variable.clone()) {
                    self.at_entry(&variable, Op::Load(cell), span);
                }
                variable
            }
            _ => return None,
        };
        if self.context().roots.contains(&variable) {
            let builder = self.builder();
            let now = builder.read(&variable);
            let same = same_object(&builder.values, now, true);
            if same.is_none_or(|value| matches!(builder.values[value.0 as usize].op, Op::Parameter(_))) {
                let here = builder.here();
                builder.enter(BlockId(0));
                let value = builder.read(&variable);
                builder.enter(here);
                return Some(Place { variable, value, block: BlockId(0), of_local: false });
            }
        }
        // What is said about a place may say something about the object as well.
        let value = self.read_variable(&variable);
        let builder = self.builder();
        let value = same_object(&builder.values, value, false).unwrap_or(value);
        let made = &builder.values[value.0 as usize];
        let block = made.block;
        // What is imported or defined has no places that a test could be about.
        let plain = !matches!(
            made.op,
            Op::Path(_)
                | Op::Unbound(_)
                | Op::Function(_)
                | Op::Class(_)
                | Op::Literal(_)
                | Op::Unknown
                | Op::Phi(_)
                | Op::Join(_)
        );
        (plain && builder.reaches(block)).then(|| Place {
            variable: Rc::from(format!("#{}", value.0)),
            value,
            block,
            of_local: true,
        })
    }

    /// Reads a place, where the expression is one.
    pub(super) fn read_place(&mut self, expression: &Expr) -> Option<ValueId> {
        let variable = self.place(expression)?;
        Some(self.read_variable(&variable))
    }
}

/// The value before it was tested, and before the library saw it; the value itself where it may be
/// several. The program's own functions
/// may change what they are given.
///
/// A variable that is `never_rebound` is what it was in a loop whose end is not lowered yet: none where it is only that.
fn same_object(values: &[Instruction], value: ValueId, never_rebound: bool) -> Option<ValueId> {
    let mut names = vec![value];
    let mut found = None;
    let mut next = 0;
    while let Some(&name) = names.get(next) {
        next += 1;
        let behind: &[ValueId] = match &values[name.0 as usize].op {
            Op::Refine { value, .. } | Op::EachElement { value, .. } | Op::Same(value) => std::slice::from_ref(value),
            Op::Survived { value, call } if calls_library(values, *call) => std::slice::from_ref(value),
            Op::Phi(operands) | Op::Join(operands) if !operands.is_empty() || never_rebound => operands,
            _ if found.is_some() => return Some(value),
            _ => {
                found = Some(name);
                continue;
            }
        };
        if names.len() > MAX_NAMES {
            return Some(value);
        }
        for one in behind {
            if !names.contains(one) {
                names.push(*one);
            }
        }
    }
    found
}

fn calls_library(values: &[Instruction], call: ValueId) -> bool {
    let Op::Call { callee, .. } = values[call.0 as usize].op else { return false };
    let mut at = origin(values, callee);
    // `os.path.join` is the library's, a method of an object may be anybody's.
    while let Op::Attribute(object, _) = values[at.0 as usize].op {
        at = origin(values, object);
    }
    matches!(values[at.0 as usize].op, Op::Path(_) | Op::Unbound(_))
}
