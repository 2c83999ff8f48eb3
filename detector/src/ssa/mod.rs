//! The program in static single assignment form: what the analyses read.
//!
//! Every value is the result of one instruction. Beside φ-nodes there are *refinements*: where a branch tests a variable,
//! both edges give it a new name that remembers the test and its outcome (extended SSA, Bodik et al., PLDI 2000). A guard
//! is thereby a fact about a value and needs no separate flow state.

mod builder;
mod dominators;
mod origin;

pub use builder::{Builder, Closed, Variable};
pub use dominators::Dominators;
pub use origin::{origin, origins};

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::rc::Rc;

/// Index of an instruction in [`Function::values`], and of its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(pub u32);

/// Index of a block in [`Function::blocks`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlockId(pub u32);

/// Index of a function in [`Program::functions`]; 0 is the module body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionId(pub u32);

/// Index of a class in [`Program::classes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClassId(pub u32);

/// A variable that more than one function can see: scope that owns it, and name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cell {
    /// Function in whose scope the variable lives.
    pub scope: FunctionId,
    /// Its name.
    pub name: Rc<str>,
}

/// Byte range in the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// A literal.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// `"…"` or `b"…"`.
    Text(Rc<str>),
    /// An integer that fits, as an index may.
    Integer(i64),
    /// Any other number.
    Number,
    /// `True` or `False`.
    Bool(bool),
    /// `None`, `...`.
    None,
}

/// How an argument is passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passing {
    /// By position.
    Positional,
    /// By name.
    Keyword(Rc<str>),
    /// `*values`.
    Star,
    /// `**values`.
    DoubleStar,
}

/// An argument of a call.
#[derive(Clone, Debug)]
pub struct Argument {
    /// How it is passed.
    pub passing: Passing,
    /// Its value.
    pub value: ValueId,
}

/// A piece of an f-string.
#[derive(Clone, Debug)]
pub enum Piece {
    /// Literal text.
    Text(Rc<str>),
    /// A placeholder.
    Value {
        /// What is formatted.
        value: ValueId,
        /// `!r`, `!a`.
        repr: bool,
        /// The format specification after `:`, without placeholders of its own.
        spec: Rc<str>,
    },
}

/// Binary operators that matter to a string; the others make numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOp {
    /// `+`
    Add,
    /// `%`
    Modulo,
    /// `*`
    Multiply,
    /// `|`, `&`, `^` may be operations of sets.
    SetLike,
    /// `-`, of numbers or sets.
    Difference,
    /// `/`, `//`, `**`, shifts, `@`, `-x`, `~x`.
    Arithmetic,
}

/// Comparison operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompareOp {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `in`
    In,
    /// `not in`
    NotIn,
    /// `is`
    Is,
    /// `is not`
    IsNot,
    /// `<`, `<=`, `>`, `>=`
    Order,
}

/// Kinds of displays and comprehensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// `[…]`
    List,
    /// `(…)`
    Tuple,
    /// `{…}`
    Set,
    /// `(… for …)`
    Generator,
}

/// What an instruction does.
#[derive(Clone, Debug)]
pub enum Op {
    /// A literal.
    Literal(Literal),
    /// Parameter of the function, by index in [`Function::parameters`].
    Parameter(usize),
    /// Join of one value per predecessor of the block.
    Phi(Vec<ValueId>),
    /// Join of values, by whichever ways control came here: what a variable may be where an exception is caught.
    Join(Vec<ValueId>),
    /// `value` where `condition` came out as `truth`.
    Refine {
        /// The value that is known better.
        value: ValueId,
        /// What was tested.
        condition: ValueId,
        /// How the test came out.
        truth: bool,
    },
    /// `value` after `call` on it returned instead of raising.
    Survived {
        /// The value that is known better.
        value: ValueId,
        /// The call that did not raise.
        call: ValueId,
    },
    /// `value` after a loop over it was exhausted: every element came out of the loop body as `last`.
    EachElement {
        /// What was iterated over.
        value: ValueId,
        /// The loop variable as first bound.
        element: ValueId,
        /// The loop variable at the end of the body.
        last: ValueId,
    },
    /// A shared variable is read.
    Load(Cell),
    /// A shared variable is written.
    Store(Cell, ValueId),
    /// What an import binds, by its dotted path.
    Path(Rc<str>),
    /// A name that nothing in the unit binds: a builtin, or from elsewhere.
    Unbound(Rc<str>),
    /// A function, method or lambda object.
    Function(FunctionId),
    /// A class object.
    Class(ClassId),
    /// `value.name`
    Attribute(ValueId, Rc<str>),
    /// `object.name = value`
    SetAttribute(ValueId, Rc<str>, ValueId),
    /// `value[index]`
    Subscript(ValueId, ValueId),
    /// `value[a:b:c]`
    Slice(ValueId),
    /// `container` after `container[key] = value`; `key` is absent where a slice is assigned.
    WithItem(ValueId, Option<ValueId>, ValueId),
    /// `container` after `call`, one of its methods, has changed it.
    Mutated(ValueId, ValueId),
    /// An object after `+=` on another name of it made the second value: that, where it can be changed in place.
    InPlace(ValueId, ValueId),
    /// A call.
    Call {
        /// What is called.
        callee: ValueId,
        /// With what.
        arguments: Vec<Argument>,
    },
    /// A binary operator.
    Binary(BinaryOp, ValueId, ValueId),
    /// A comparison.
    Compare(CompareOp, ValueId, ValueId),
    /// `not value`
    Not(ValueId),
    /// `a and b` (true) or `a or b` (false), as a value.
    Logic(bool, Vec<ValueId>),
    /// An f-string.
    Format(Vec<Piece>),
    /// A display; the flag marks `*value`.
    Display(Container, Vec<(ValueId, bool)>),
    /// `{key: value}`; no key is `**value`.
    Mapping(Vec<(Option<ValueId>, ValueId)>),
    /// One element of an iterable.
    Element(ValueId),
    /// The n-th item of what is unpacked, from the front.
    Item(ValueId, usize),
    /// The list that a starred target or pattern takes.
    Rest(ValueId),
    /// A comprehension: `result` for each `element` of `iterable` where the conditions hold.
    Comprehension {
        /// List, set or generator.
        container: Container,
        /// What the first `for` iterates over.
        iterable: ValueId,
        /// The variable of the first `for`.
        element: ValueId,
        /// What is collected.
        result: ValueId,
    },
    /// `{key: value for …}`
    MappingComprehension(ValueId, ValueId),
    /// What `with value as …` binds.
    Enter(ValueId),
    /// The caught exception.
    Caught,
    /// A value that nothing is known about, such as what is sent to a generator.
    Unknown,
    /// The value of an operand, unchanged (`await x`, annotations).
    Same(ValueId),
}

impl Op {
    /// Calls `visit` with every operand.
    pub fn operands(&self, mut visit: impl FnMut(ValueId)) {
        match self {
            Self::Literal(_)
            | Self::Parameter(_)
            | Self::Load(_)
            | Self::Path(_)
            | Self::Unbound(_)
            | Self::Function(_)
            | Self::Class(_)
            | Self::Caught
            | Self::Unknown => {}
            Self::Phi(values) | Self::Join(values) | Self::Logic(_, values) => values.iter().copied().for_each(visit),
            Self::Refine { value, condition: other, .. } | Self::Survived { value, call: other } => {
                visit(*value);
                visit(*other);
            }
            Self::EachElement { value, element, last } => [*value, *element, *last].into_iter().for_each(visit),
            Self::Store(_, value)
            | Self::Attribute(value, _)
            | Self::Slice(value)
            | Self::Not(value)
            | Self::Element(value)
            | Self::Item(value, _)
            | Self::Rest(value)
            | Self::Enter(value)
            | Self::Same(value) => visit(*value),
            Self::SetAttribute(a, _, b)
            | Self::Subscript(a, b)
            | Self::Mutated(a, b)
            | Self::InPlace(a, b)
            | Self::Binary(_, a, b)
            | Self::Compare(_, a, b)
            | Self::MappingComprehension(a, b) => {
                visit(*a);
                visit(*b);
            }
            Self::WithItem(container, key, value) => {
                visit(*container);
                key.iter().copied().for_each(&mut visit);
                visit(*value);
            }
            Self::Call { callee, arguments } => {
                visit(*callee);
                for argument in arguments {
                    visit(argument.value);
                }
            }
            Self::Format(pieces) => {
                for piece in pieces {
                    if let Piece::Value { value, .. } = piece {
                        visit(*value);
                    }
                }
            }
            Self::Display(_, items) => items.iter().for_each(|(value, _)| visit(*value)),
            Self::Mapping(items) => {
                for (key, value) in items {
                    key.iter().copied().for_each(&mut visit);
                    visit(*value);
                }
            }
            Self::Comprehension { iterable, element, result, .. } => {
                [*iterable, *element, *result].into_iter().for_each(visit);
            }
        }
    }
}

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

/// A parameter.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: Rc<str>,
    /// How it takes arguments.
    pub kind: ParameterKind,
    /// Its default, as a value of the defining function.
    pub default: Option<ValueId>,
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
    /// Whether the framework only ever fills a parameter with a number: by the pattern (Flask, Bottle), or by the
    /// annotation where the pattern is of a framework that enforces those (`FastAPI`, Litestar).
    pub fn fills_with_number(&self, parameter: &Parameter) -> bool {
        let converted = |converter: &str| self.pattern.contains(&format!("<{converter}:{}>", parameter.name));
        let annotated =
            || matches!(parameter.annotation.as_deref(), Some("int" | "float" | "bool" | "decimal.Decimal"));
        converted("int") || converted("float") || &*self.method != "route" && !self.pattern.contains('<') && annotated()
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

    /// Blocks that control can reach from a block.
    pub fn successors(&self, block: BlockId) -> Vec<BlockId> {
        let block = &self.blocks[block.0 as usize];
        let mut next = match &block.terminator {
            Terminator::Goto(to) => vec![*to],
            Terminator::Branch { then, otherwise, .. } => vec![*then, *otherwise],
            Terminator::Choice(to) => to.clone(),
            Terminator::Return(_) | Terminator::Stop => vec![],
        };
        next.extend(&block.handlers);
        next
    }
}

/// A class of the program.
#[derive(Debug)]
pub struct Class {
    /// Its name.
    pub name: Rc<str>,
    /// Base classes of the program.
    pub bases: Vec<ClassId>,
    /// Dotted paths of base classes from elsewhere.
    pub foreign_bases: Vec<Rc<str>>,
    /// Its own methods; of two with one name the later.
    pub methods: BTreeMap<Rc<str>, FunctionId>,
    /// What runs where a property is assigned to.
    pub setters: BTreeMap<Rc<str>, FunctionId>,
    /// Annotated fields in the order of the text, which constructors that are made from them take by position.
    pub fields: Vec<Rc<str>>,
}

/// Most classes among which a member is looked for. Hierarchies beyond that are made by machines; what lies further up is
/// not seen.
const MAX_ANCESTORS: usize = 256;

/// A whole program.
#[derive(Debug)]
pub struct Program {
    /// Functions; 0 is the module body.
    pub functions: Vec<Function>,
    /// Classes.
    pub classes: Vec<Class>,
    /// Functions that callers from outside enter with what they like.
    pub entries: Vec<FunctionId>,
    /// Whether it runs inside of another program, which binds the names that it does not.
    pub fragment: bool,
}

impl Program {
    /// A function.
    pub fn function(&self, id: FunctionId) -> &Function {
        &self.functions[id.0 as usize]
    }

    /// A class.
    pub fn class(&self, id: ClassId) -> &Class {
        &self.classes[id.0 as usize]
    }

    /// Instructions and their operands.
    pub fn size(&self) -> usize {
        let mut size = 0;
        for instruction in self.functions.iter().flat_map(|function| &function.values) {
            size += 1;
            instruction.op.operands(|_| size += 1);
        }
        size
    }

    /// A class and its base classes, nearest first; at most [`MAX_ANCESTORS`].
    pub fn ancestors(&self, class: ClassId) -> impl Iterator<Item = ClassId> {
        let mut waiting = VecDeque::from([class]);
        // Most classes have one base or none, and need not remember where they were.
        let mut seen: Option<HashSet<ClassId>> = None;
        let ancestors = std::iter::from_fn(move || {
            let class = waiting.pop_front()?;
            let bases = &self.class(class).bases;
            if bases.len() > 1 && seen.is_none() {
                seen = Some(HashSet::from([class]));
            }
            for base in bases {
                if seen.as_mut().is_none_or(|seen| seen.insert(*base)) {
                    waiting.push_back(*base);
                }
            }
            Some(class)
        });
        ancestors.take(MAX_ANCESTORS)
    }

    /// A method, looked up through base classes.
    pub fn method(&self, class: ClassId, name: &str) -> Option<FunctionId> {
        self.ancestors(class).find_map(|class| self.class(class).methods.get(name).copied())
    }

    /// What runs where a property is assigned to, looked up through base classes.
    pub fn setter(&self, class: ClassId, name: &str) -> Option<FunctionId> {
        self.ancestors(class).find_map(|class| self.class(class).setters.get(name).copied())
    }

    /// The annotated fields of a class, those of base classes first.
    pub fn fields(&self, class: ClassId) -> Vec<Rc<str>> {
        let mut classes: Vec<ClassId> = self.ancestors(class).collect();
        classes.reverse();
        let mut fields: Vec<Rc<str>> = vec![];
        for field in classes.iter().flat_map(|class| &self.class(*class).fields) {
            if !fields.contains(field) {
                fields.push(field.clone());
            }
        }
        fields
    }

    /// Whether objects of a class are tuples of its fields.
    pub fn is_named_tuple(&self, class: ClassId) -> bool {
        let mut bases = self.ancestors(class).flat_map(|class| &self.class(class).foreign_bases);
        bases.any(|base| matches!(&**base, "typing.NamedTuple" | "collections.namedtuple"))
    }
}
