//! Instructions: what they are, and their operands.

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

impl Cell {
    /// Where exceptions that the unit raises are until it catches one.
    pub fn raised() -> Self {
        Self { scope: FunctionId(0), name: Rc::from("raise") }
    }
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
    /// `|`, `^` may be operations of sets.
    SetLike,
    /// `&`: what two sets have in common.
    Intersection,
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
    /// `value[a:b:c]`; whether it begins where the value does.
    Slice(ValueId, bool),
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
            | Self::Slice(value, _)
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
