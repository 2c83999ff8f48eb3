//! Functions: instructions in blocks.

use std::rc::Rc;

use super::op::{BlockId, ClassId, FunctionId, Op, Span, ValueId};

/// Values that are joined in a φ-node, and are looked at for its place, at most.
const MAX_PLACES: usize = 32;

/// An instruction with its place.
#[derive(Clone, Debug)]
pub struct Instruction {
    /// What it does.
    pub op: Op,
    /// Where it stands in the source.
    pub span: Span,
    /// Block it belongs to.
    pub block: BlockId,
}

/// How a block ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Terminator {
    /// One way on.
    Goto(BlockId),
    /// Two ways, by the truth of a value.
    Branch {
        /// What is tested.
        condition: ValueId,
        /// Where it holds.
        then: BlockId,
        /// Where it does not.
        otherwise: BlockId,
    },
    /// A way the analysis cannot know, such as whether an iterator has a next element.
    Choice(Vec<BlockId>),
    /// The function returns.
    Return(ValueId),
    /// Control never passes the end of the block.
    Stop,
}

impl Terminator {
    /// Calls `visit` with every block that comes next.
    pub fn targets(&self, mut visit: impl FnMut(BlockId)) {
        match self {
            Self::Goto(to) => visit(*to),
            Self::Branch { then, otherwise, .. } => {
                visit(*then);
                visit(*otherwise);
            }
            Self::Choice(to) => to.iter().copied().for_each(visit),
            Self::Return(_) | Self::Stop => {}
        }
    }
}

/// A straight piece of code.
#[derive(Clone, Debug)]
pub struct Block {
    /// Its φ-nodes.
    pub phis: Vec<ValueId>,
    /// Its instructions, in order.
    pub instructions: Vec<ValueId>,
    /// How it ends.
    pub terminator: Terminator,
    /// Blocks that continue here; φ operands are in this order.
    pub predecessors: Vec<BlockId>,
    /// Exception handlers that its instructions may jump to; what they do to variables is joined there ([`Op::Join`]).
    pub handlers: Vec<BlockId>,
}

/// What an annotation lets pass where somebody enforces it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Declared {
    /// Any text.
    #[default]
    Anything,
    /// What is made from a text and is none any more (a number, a date), or one of a list.
    Made,
    /// Texts in which this regular expression is found.
    Matching(Rc<str>),
}

impl Declared {
    /// What one of two lets pass.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (one, Self::Made) | (Self::Made, one) => one,
            (one, other) if one == other => one,
            _ => Self::Anything,
        }
    }
}

/// A parameter.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: Rc<str>,
    /// How it takes arguments.
    pub kind: ParameterKind,
    /// Its default, as a value of the defining function.
    pub default: Option<ValueId>,
    /// Whether what fills it is declared to be a number or one of a list (`@click.option("--mode", type=click.Choice(…))`).
    pub limited: bool,
    /// What its annotation and default let pass.
    pub declared: Declared,
    /// Whether a function that its default names makes what fills it: `Depends(current_user)`.
    pub made_by_default: bool,
    /// Dotted path of its annotation where that names a class, after imports.
    pub annotation: Option<Rc<str>>,
    /// The class of the program that the annotation names.
    pub class: Option<ClassId>,
    /// Where it stands.
    pub span: Span,
}

/// How a parameter takes arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterKind {
    /// By position or name.
    Normal,
    /// By name only.
    KeywordOnly,
    /// `*args`
    Star,
    /// `**kwargs`
    DoubleStar,
}

/// A decorator that makes a function answer requests: `@app.get("/users/<int:id>")`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// `route`, `get`, `post`, …
    pub method: Rc<str>,
    /// The pattern of its paths.
    pub pattern: Rc<str>,
}

impl Route {
    /// Whether the framework only ever fills a parameter with a number: by the pattern (Flask, Bottle), or by the annotation.
    pub fn fills_with_number(&self, parameter: &Parameter) -> bool {
        let annotated = || {
            parameter.declared == Declared::Made
                && matches!(parameter.annotation.as_deref(), Some("int" | "float" | "bool" | "decimal.Decimal"))
        };
        self.converts(parameter, "int")
            || self.converts(parameter, "float")
            || self.enforces_annotations() && annotated()
    }

    /// Whether the pattern lets a parameter be one of a list, or an identifier, alone (Flask).
    pub fn limits(&self, parameter: &Parameter) -> bool {
        let listed = format!("):{}>", parameter.name);
        let any = self
            .pattern
            .split("<any(")
            .skip(1)
            .any(|rest| rest.find(&listed).is_some_and(|at| !rest[..at].contains(')')));
        any || self.converts(parameter, "uuid")
    }

    /// Whether its framework enforces annotations (`FastAPI`, Litestar).
    pub fn enforces_annotations(&self) -> bool {
        &*self.method != "route" && !self.pattern.contains('<')
    }

    fn converts(&self, parameter: &Parameter, converter: &str) -> bool {
        self.pattern.contains(&format!("<{converter}:{}>", parameter.name))
    }
}

/// A function, lambda or module body.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its name for people.
    pub name: Rc<str>,
    /// Function that defines it.
    pub parent: Option<FunctionId>,
    /// Class whose body it stands in, unless it is a static method.
    pub method_of: Option<ClassId>,
    /// Whether it yields.
    pub generator: bool,
    /// Its parameters, `self` included.
    pub parameters: Vec<Parameter>,
    /// Dotted paths of its decorators, after imports.
    pub decorators: Vec<Rc<str>>,
    /// Whether it has decorators whose paths imports do not say.
    pub opaque_decorators: bool,
    /// Whether its name stands for what decorators of the program made of it, which test what they are called with.
    pub wrapped: bool,
    /// Requests that it answers.
    pub routes: Vec<Route>,
    /// The copy of it that callers from outside enter, where the unit itself enters it as well.
    pub outer: Option<FunctionId>,
    /// Blocks; 0 is the entry.
    pub blocks: Vec<Block>,
    /// Instructions.
    pub values: Vec<Instruction>,
    /// Values that are yielded.
    pub yields: Vec<ValueId>,
    /// Where it stands.
    pub span: Span,
}

impl Function {
    /// The instruction that makes a value.
    pub fn op(&self, value: ValueId) -> &Op {
        &self.values[value.0 as usize].op
    }

    /// Where a value is made.
    pub fn span(&self, value: ValueId) -> Span {
        self.values[value.0 as usize].span
    }

    /// Where a value is written in the program. A φ-node is written nowhere: it is where the first of its operands is that is.
    pub fn written_at(&self, value: ValueId) -> Span {
        let (mut work, mut seen) = (vec![value], vec![value]);
        while let Some(one) = work.pop() {
            let span = self.span(one);
            let (Op::Phi(operands) | Op::Join(operands)) = self.op(one) else { return span };
            if span != Span::default() || seen.len() > MAX_PLACES {
                return span;
            }
            for operand in operands.iter().rev().filter(|operand| !seen.contains(operand)).copied().collect::<Vec<_>>()
            {
                seen.push(operand);
                work.push(operand);
            }
        }
        self.span(value)
    }

    /// Calls `visit` with every block that control can reach from a block.
    pub fn successors(&self, block: BlockId, mut visit: impl FnMut(BlockId)) {
        let block = &self.blocks[block.0 as usize];
        block.terminator.targets(&mut visit);
        block.handlers.iter().copied().for_each(visit);
    }
}

/// Blocks that the entry reaches, each before those it leads to (loops aside).
pub fn reverse_post_order(function: &Function) -> Vec<BlockId> {
    let mut order = Vec::with_capacity(function.blocks.len());
    if function.blocks.is_empty() {
        return order;
    }
    let mut seen = vec![false; function.blocks.len()];
    seen[0] = true;
    // Blocks on the way here, with where in `next` their successors begin that are still to be looked at, the last one first.
    let (mut way, mut next) = (vec![], vec![]);
    let enter = |block: BlockId, next: &mut Vec<BlockId>| {
        let begin = next.len();
        function.successors(block, |to| next.push(to));
        next[begin..].reverse();
        (block, begin)
    };
    way.push(enter(BlockId(0), &mut next));
    while let Some(&(block, begin)) = way.last() {
        if next.len() == begin {
            order.push(block);
            way.pop();
        } else if let Some(to) = next.pop()
            && !std::mem::replace(&mut seen[to.0 as usize], true)
        {
            way.push(enter(to, &mut next));
        }
    }
    order.reverse();
    order
}
