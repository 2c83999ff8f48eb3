//! Names and places: reading, binding, resolving through imports.

use std::rc::Rc;

use ruff_python_ast::{Expr, Number};

use super::Lowerer;
use crate::ssa::{BlockId, Builder, Cell, ClassId, FunctionId, Literal, Op, Span, Terminator, ValueId, Variable};

/// Most `from … import *` that a name is looked up in.
const MAX_STARS: usize = 8;
/// Longest dotted path that is followed through imports.
const MAX_PATH: usize = 16;
/// Longest list of constants that is looked at.
const MAX_CONSTANTS: usize = 64;
/// Most variables that one test can say something about.
const MAX_MENTIONS: usize = 16;

/// Names that Python has without an import.
const BUILTINS: &[&str] = &[
    "abs",
    "all",
    "any",
    "ascii",
    "bin",
    "bool",
    "bytearray",
    "bytes",
    "callable",
    "chr",
    "compile",
    "dict",
    "dir",
    "divmod",
    "enumerate",
    "eval",
    "exec",
    "exit",
    "filter",
    "float",
    "format",
    "frozenset",
    "getattr",
    "globals",
    "hasattr",
    "hash",
    "hex",
    "id",
    "input",
    "int",
    "isinstance",
    "issubclass",
    "iter",
    "len",
    "list",
    "locals",
    "map",
    "max",
    "memoryview",
    "min",
    "next",
    "object",
    "oct",
    "open",
    "ord",
    "pow",
    "print",
    "quit",
    "range",
    "repr",
    "reversed",
    "round",
    "set",
    "setattr",
    "slice",
    "sorted",
    "str",
    "sum",
    "super",
    "tuple",
    "type",
    "vars",
    "zip",
    "__builtins__",
    "__import__",
    "__name__",
    "__file__",
];

/// What a name stands for at a place in the program.
pub(super) enum Resolved {
    /// A variable of the function being lowered.
    Own(Variable),
    /// A variable that several functions write: always through its cell.
    Shared(Cell),
    /// A variable of an enclosing function or the module, only read here.
    Free(Variable, Cell),
    /// Nobody binds it: a builtin, or from `import *`.
    Nobody,
}

impl<'a> Lowerer<'a> {
    pub(super) fn resolve(&self, name: &str) -> Resolved {
        let Some(context) = self.contexts.last() else { return Resolved::Nobody };
        if let Some((_, variable)) = context.renames.iter().rev().find(|(own, _)| &**own == name) {
            return Resolved::Own(variable.clone());
        }
        if let Some((class, scope)) = context.classes.last()
            && scope.owns(name)
        {
            return Resolved::Own(class_variable(class, name));
        }
        let global = context.scope.globals.contains(name);
        let depth = self.contexts.len();
        for (level, outer) in self.contexts.iter().enumerate().rev() {
            let own = level + 1 == depth;
            if (global && level > 0) || (own && context.scope.nonlocals.contains(name)) {
                continue;
            }
            let variable = outer.scope.own(name).cloned();
            if let Some(variable) = variable.or_else(|| (level == 0 && global).then(|| Rc::from(name))) {
                let cell = Cell { scope: outer.id, name: variable.clone() };
                return if self.shared.contains(name) {
                    Resolved::Shared(cell)
                } else if own {
                    Resolved::Own(variable)
                } else {
                    Resolved::Free(variable, cell)
                };
            }
        }
        Resolved::Nobody
    }

    /// The value of a name.
    pub(super) fn read_name(&mut self, name: &str, span: Span) -> ValueId {
        let variable = match self.resolve(name) {
            Resolved::Own(variable) => variable,
            Resolved::Shared(cell) => return self.push(Op::Load(cell), span),
            Resolved::Free(variable, cell) => {
                if let Some(switch) = self.switch(name, &cell) {
                    return self.push(Op::Literal(switch), span);
                }
                if self.context().free.insert(variable.clone()) {
                    self.at_entry(&variable, Op::Load(cell), span);
                }
                variable
            }
            Resolved::Nobody => {
                if self.stars.is_empty() || BUILTINS.contains(&name) {
                    return self.push(Op::Unbound(Rc::from(name)), span);
                }
                // Any of the modules may have it.
                let paths: Vec<String> =
                    self.stars.iter().rev().take(MAX_STARS).map(|module| format!("{module}.{name}")).collect();
                let paths = paths.into_iter().map(|path| self.push(Op::Path(Rc::from(path)), span)).collect();
                return self.push(Op::Logic(false, paths), span);
            }
        };
        self.read_variable(&variable)
    }

    /// The truth value or integer that a name of the module is bound to, once and for all: `DEBUG = False`.
    fn switch(&self, name: &str, cell: &Cell) -> Option<Literal> {
        let module = self.contexts.first().filter(|module| module.id == cell.scope)?;
        let value = literal(module.scope.only_value(name)?)?;
        matches!(value, Literal::Bool(_) | Literal::Integer(_)).then_some(value)
    }

    pub(super) fn read_variable(&mut self, variable: &Variable) -> ValueId {
        let value = self.builder().read(variable);
        self.context().reads.push((variable.clone(), value));
        value
    }

    /// Defines a variable at the function's entry, where every read finds it.
    pub(super) fn at_entry(&mut self, variable: &Variable, op: Op, span: Span) {
        let builder = self.builder();
        let here = builder.here();
        builder.enter(BlockId(0));
        let value = builder.push(op, span);
        builder.write_at_entry(variable, value);
        builder.enter(here);
    }

    /// Binds a name.
    pub(super) fn write_name(&mut self, name: &str, value: ValueId, span: Span) {
        match self.resolve(name) {
            Resolved::Own(variable) => {
                self.builder().write(&variable, value);
                let context = self.context();
                context.imports.remove(&variable);
                let inner = context.scope.has_inner || context.id == FunctionId(0);
                if inner && context.scope.owns(name) && context.renames.iter().all(|(own, _)| &**own != name) {
                    let cell = Cell { scope: context.id, name: variable };
                    self.push(Op::Store(cell, value), span);
                }
            }
            Resolved::Shared(cell) | Resolved::Free(_, cell) => {
                self.push(Op::Store(cell, value), span);
            }
            Resolved::Nobody => {}
        }
    }

    /// Lets other functions see a new value of a variable that they can read.
    pub(super) fn store_name(&mut self, name: &str, value: ValueId, span: Span) {
        let cell = match self.resolve(name) {
            Resolved::Own(variable) => {
                let context = self.context();
                let inner = context.scope.has_inner || context.id == FunctionId(0);
                let own = inner && context.scope.owns(name) && context.renames.iter().all(|(own, _)| &**own != name);
                if !own {
                    return;
                }
                Cell { scope: context.id, name: variable }
            }
            Resolved::Free(_, cell) => cell,
            Resolved::Shared(_) | Resolved::Nobody => return,
        };
        self.push(Op::Store(cell, value), span);
    }

    /// Remembers the dotted path behind an imported name.
    pub(super) fn note_import(&mut self, name: &str, path: &Rc<str>) {
        if let Resolved::Own(variable) = self.resolve(name) {
            self.context().imports.insert(variable, path.clone());
        }
    }

    /// The dotted path that an expression names, as far as imports alone say it.
    pub(super) fn static_path(&self, expression: &Expr) -> Option<Rc<str>> {
        self.static_path_within(expression, MAX_PATH)
    }

    fn static_path_within(&self, expression: &Expr, depth: usize) -> Option<Rc<str>> {
        let depth = depth.checked_sub(1)?;
        match expression {
            Expr::Name(name) => match self.resolve(&name.id) {
                Resolved::Own(variable) => self.contexts.last()?.imports.get(&variable).cloned(),
                Resolved::Free(variable, _) => {
                    self.contexts.iter().rev().find_map(|context| context.imports.get(&variable).cloned())
                }
                Resolved::Shared(_) => None,
                Resolved::Nobody => Some(Rc::from(name.id.as_str())),
            },
            Expr::Attribute(attribute) => {
                let base = self.static_path_within(&attribute.value, depth)?;
                Some(Rc::from([&*base, ".", attribute.attr.as_str()].concat()))
            }
            Expr::Call(call) => self.static_path_within(&call.func, depth),
            // `Optional[X]`, `X | None`
            Expr::Subscript(subscript) => self.static_path_within(&subscript.slice, depth),
            Expr::BinOp(operation) => self.static_path_within(&operation.left, depth),
            Expr::StringLiteral(text) => {
                let text = text.value.to_str();
                if text.len() > 200 {
                    return None;
                }
                let mut parts = text.split('.');
                let first = parts.next()?;
                let base = self
                    .contexts
                    .iter()
                    .rev()
                    .find_map(|context| context.imports.get(first).cloned())
                    .unwrap_or_else(|| Rc::from(first));
                Some(Rc::from(parts.fold(base.to_string(), |path, part| path + "." + part)))
            }
            _ => None,
        }
    }

    /// The class of the program that an expression names.
    pub(super) fn static_class(&self, expression: &Expr) -> Option<ClassId> {
        let Expr::Name(name) = expression else { return None };
        self.contexts.iter().rev().find_map(|context| context.known_classes.get(name.id.as_str()).copied())
    }

    /// The constants that an expression lists, looked up through a name that is bound once.
    pub(super) fn constants(&self, expression: &'a Expr) -> Option<Vec<&'a Expr>> {
        match expression {
            Expr::List(list) => all_literals(&list.elts),
            Expr::Tuple(tuple) => all_literals(&tuple.elts),
            Expr::Set(set) => all_literals(&set.elts),
            Expr::Name(name) => {
                let owner = self.contexts.iter().rev().find(|context| context.scope.owns(&name.id))?;
                match owner.scope.only_value(&name.id)? {
                    // No names of names: they may go round in a circle.
                    Expr::Name(_) => None,
                    value => self.constants(value),
                }
            }
            _ => None,
        }
    }

    /// How many reads were made so far; see [`Lowerer::mention`].
    pub(super) fn mark(&mut self) -> usize {
        self.context().reads.len()
    }

    /// The variables that reads since `mark` have seen, also through other variables.
    pub(super) fn mentioned(&mut self, mark: usize) -> Vec<(Variable, ValueId)> {
        let context = self.context();
        let mut found: Vec<(Variable, ValueId)> = vec![];
        for read in &context.reads[mark..] {
            let through = context.mentions.get(&read.1).into_iter().flatten();
            for one in std::iter::once(read).chain(through) {
                if found.len() < MAX_MENTIONS && !found.contains(one) {
                    found.push(one.clone());
                }
            }
        }
        found
    }

    /// Remembers that a value was made from what was read since `mark`.
    pub(super) fn mention(&mut self, value: ValueId, mark: usize) {
        let found = self.mentioned(mark);
        if !found.is_empty() {
            self.context().mentions.insert(value, found);
        }
    }

    /// Ends the current block with a test; both sides give the tested variables new names that remember it.
    pub(super) fn branch(
        &mut self,
        condition: ValueId,
        tested: &[(Variable, ValueId)],
        span: Span,
    ) -> (BlockId, BlockId) {
        let builder = self.builder();
        let (then, otherwise) = (builder.block(), builder.block());
        builder.end(Terminator::Branch { condition, then, otherwise });
        for (block, truth) in [(then, true), (otherwise, false)] {
            builder.seal(block);
            builder.enter(block);
            for (variable, value) in tested {
                let now = builder.read(variable);
                if unchanged(builder, now) == unchanged(builder, *value) {
                    let refined = builder.push(Op::Refine { value: now, condition, truth }, span);
                    builder.write(variable, refined);
                }
            }
        }
        (then, otherwise)
    }
}

/// The value before calls on it came back: `if re.match(p, x)` renames `x` on the way to the test.
fn unchanged(builder: &Builder, mut value: ValueId) -> ValueId {
    while let Op::Survived { value: before, .. } = builder.values[value.0 as usize].op {
        value = before;
    }
    value
}

/// The variable behind a name bound in a class body.
pub(super) fn class_variable(class: &str, name: &str) -> Variable {
    Rc::from(format!("{class}::{name}"))
}

/// A literal as an operand.
pub(super) fn literal(expression: &Expr) -> Option<Literal> {
    Some(match expression {
        Expr::StringLiteral(text) => Literal::Text(Rc::from(text.value.to_str())),
        Expr::BytesLiteral(bytes) => {
            let bytes: Vec<u8> = bytes.value.bytes().collect();
            Literal::Text(Rc::from(String::from_utf8_lossy(&bytes)))
        }
        Expr::NumberLiteral(number) => match &number.value {
            Number::Int(int) => int.as_i64().map_or(Literal::Number, Literal::Integer),
            Number::Float(_) | Number::Complex { .. } => Literal::Number,
        },
        Expr::BooleanLiteral(value) => Literal::Bool(value.value),
        Expr::NoneLiteral(_) | Expr::EllipsisLiteral(_) => Literal::None,
        _ => return None,
    })
}

fn all_literals(items: &[Expr]) -> Option<Vec<&Expr>> {
    if items.len() > MAX_CONSTANTS {
        return None;
    }
    items.iter().map(|item| literal(item).map(|_| item)).collect()
}
