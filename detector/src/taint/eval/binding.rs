//! Arguments → parameters of the program's own functions.

use super::pass::Pass;
use crate::dataflow::Lattice;
use crate::ssa::{FunctionId, ParameterKind, Passing, ValueId};
use crate::taint::domain::{Items, Key, Value};
use crate::taint::frame::Arguments;
use crate::text::Text;

impl Pass<'_, '_> {
    /// Passes arguments to a function; gives what it returns, none where it has not come back so far.
    pub(super) fn enter_function(
        &mut self,
        callee: FunctionId,
        bound: bool,
        arguments: &Arguments<'_>,
        call: ValueId,
    ) -> Option<Value> {
        let program = self.solved.program;
        let function = program.function(callee);
        let takes_receiver = function.method_of.is_some() && bound;
        let mut position = usize::from(takes_receiver);
        let find = |kind: ParameterKind| function.parameters.iter().position(|parameter| parameter.kind == kind);
        let (star, double_star) = (find(ParameterKind::Star), find(ParameterKind::DoubleStar));
        let mut extra = vec![];
        let mut named = Items::default();
        let mut given: Vec<Option<Value>> = vec![None; function.parameters.len()];
        let mut apart = self.given.is_none();
        for (passing, value) in arguments.iter() {
            match passing {
                Passing::Positional => {
                    match function.parameters.get(position) {
                        Some(parameter) if parameter.kind == ParameterKind::Normal => {
                            self.solved.pass_argument(callee, position, value);
                            given[position] = Some(value.clone());
                        }
                        _ => extra.push(value.clone()),
                    }
                    position += 1;
                }
                Passing::Star => {
                    apart = false;
                    let mut index = 0;
                    while let Some(parameter) = function.parameters.get(position)
                        && parameter.kind == ParameterKind::Normal
                    {
                        let item = match &value.items {
                            Some(items) if items.keys.is_none() => value.lookup(Some(&Key::Index(index))),
                            _ => value.element(),
                        };
                        self.solved.pass_argument(callee, position, &item);
                        position += 1;
                        index += 1;
                    }
                    extra.push(value.element());
                }
                Passing::Keyword(name) => {
                    if let Some(index) = function.parameters.iter().position(|parameter| parameter.name == *name) {
                        self.solved.pass_argument(callee, index, value);
                        given[index] = Some(value.clone());
                    } else {
                        named.any.join(value);
                        named.keys.get_or_insert_default().join(&Value::text(Text::literal(name)));
                        named.known.insert(Key::Text(name.clone()), value.clone());
                    }
                }
                Passing::DoubleStar => {
                    apart = false;
                    for (index, parameter) in function.parameters.iter().enumerate().skip(usize::from(takes_receiver)) {
                        let item = match parameter.kind {
                            ParameterKind::DoubleStar => value.clone(),
                            ParameterKind::Star => continue,
                            _ => value.lookup(Some(&Key::Text(parameter.name.clone()))),
                        };
                        self.solved.pass_argument(callee, index, &item);
                    }
                }
            }
        }
        if let (Some(rest), Some(_)) = (double_star, &named.keys) {
            self.solved.pass_argument(callee, rest, &Value::container(named));
        }
        if let (Some(star), false) = (star, extra.is_empty()) {
            let mut items = Items::default();
            for (index, value) in extra.into_iter().enumerate() {
                items.any.join(&value);
                items.known.insert(Key::Index(index as i64), value);
            }
            self.solved.pass_argument(callee, star, &Value::container(items));
        }
        self.solved.enter(callee, self.id, call);
        if apart && !function.parameters.is_empty() {
            self.solved.returned_to(callee, given, self.reader)
        } else {
            self.solved.returned(callee, self.reader)
        }
    }
}
