//! Functions under construction, and what all of the lowering needs.

use std::collections::BTreeSet;
use std::rc::Rc;

use ruff_python_ast::{Expr, ExprAttribute, Stmt, StmtFunctionDef};
use ruff_text_size::{Ranged, TextRange};
use rustc_hash::{FxHashMap as HashMap, FxHashSet as HashSet};

use super::scope::Scope;
use crate::budget::Budget;
use crate::ssa::{
    BlockId, Builder, Class, ClassId, Function, FunctionId, Literal, Op, Parameter, Route, Span, Terminator, ValueId,
    Variable,
};

/// Instructions of a program beyond which no code is lowered twice: loops over constants are loops, and the ways through
/// a `finally` body are not told apart.
const MAX_COPIED: usize = 1 << 16;

/// An open loop.
pub(super) struct Loop {
    /// Where `continue` goes.
    pub(super) latch: BlockId,
    /// Where `break` goes.
    pub(super) after: BlockId,
    /// Whether some `break` leaves it.
    pub(super) broken: bool,
}

/// A jump out of the statements around it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Jump {
    Return,
    Break,
    Continue,
}

/// A `finally` body that jumps pass on their way.
pub(super) struct Final<'a> {
    pub(super) body: &'a [Stmt],
    /// How many loops are open around it.
    pub(super) loops: usize,
    /// The ways into it.
    pub(super) ways: Vec<Way>,
}

/// A way into a `finally` body: all jumps that go on to the same place after it, or a `return` of its own.
pub(super) struct Way {
    pub(super) jump: Jump,
    pub(super) block: BlockId,
    /// What each of them returns.
    pub(super) values: Vec<ValueId>,
}

/// What a name was bound from, or put into.
#[derive(Clone)]
pub(super) enum Source<'a> {
    /// The object that an expression gives.
    Same(&'a Expr),
    /// Some element of what an expression gives.
    Element(&'a Expr),
    /// `holder = {key: name}`, `holder = [name]`: an entry of what the holder stands for, which was this value.
    Entry(&'a Expr, Literal, ValueId),
    /// `place = name`, where that was this value.
    Kept(&'a Expr, ValueId),
}

/// Other names of what a name or an expression stands for.
#[derive(Default)]
pub(super) struct Names<'a> {
    /// By name: what it was bound from.
    pub(super) sources: Vec<(&'a str, Source<'a>)>,
    /// Indices of those, by name and by place.
    pub(super) by_name: HashMap<&'a str, Vec<usize>>,
    pub(super) by_place: HashMap<String, Vec<usize>>,
    /// Methods that names stand for, with their values: `push = parts.append`.
    pub(super) methods: HashMap<&'a str, (&'a ExprAttribute, ValueId)>,
    /// Expressions through which a change is being passed on.
    pub(super) passing: Vec<String>,
}

/// Everything about a function but its code.
#[derive(Default)]
pub(super) struct Header {
    pub(super) name: Rc<str>,
    pub(super) parent: Option<FunctionId>,
    pub(super) method_of: Option<ClassId>,
    pub(super) parameters: Vec<Parameter>,
    pub(super) decorators: Vec<Rc<str>>,
    pub(super) opaque_decorators: bool,
    pub(super) wrapped: bool,
    pub(super) routes: Vec<Route>,
    pub(super) span: Span,
}

pub(super) struct Lowerer<'a> {
    pub(super) functions: Vec<Option<Function>>,
    pub(super) classes: Vec<Class>,
    /// The functions whose bodies are being lowered, outermost first.
    pub(super) contexts: Vec<Context<'a>>,
    pub(super) shared: HashSet<Rc<str>>,
    /// Modules of `from m import *`.
    pub(super) stars: Vec<Rc<str>>,
    pub(super) never_returns: &'a dyn Fn(&str) -> bool,
    pub(super) budget: &'a Budget,
    /// Instructions so far.
    pub(super) instructions: usize,
}

/// A function under construction.
pub(super) struct Context<'a> {
    pub(super) id: FunctionId,
    pub(super) builder: Builder,
    pub(super) scope: Scope<'a>,
    /// Class bodies that are open in this function: class, its bindings.
    pub(super) classes: Vec<(Rc<str>, Scope<'a>)>,
    /// Variables of open comprehensions: name in the source, variable.
    pub(super) renames: Vec<(Rc<str>, Variable)>,
    /// Dotted paths of names bound by imports, classes known by name.
    pub(super) imports: HashMap<Variable, Rc<str>>,
    pub(super) known_classes: HashMap<Variable, ClassId>,
    /// Functions that were defined so far, by name.
    pub(super) defined: HashMap<&'a str, &'a StmtFunctionDef>,
    /// Parameters that are never rebound: places below them get variables of their own.
    pub(super) roots: HashSet<Variable>,
    pub(super) places: HashMap<Variable, ValueId>,
    /// Whether a test is being lowered, which may say something about a place.
    pub(super) testing: bool,
    /// Variables of this function whose containers functions inside of it change.
    pub(super) changed_inside: BTreeSet<Rc<str>>,
    /// Names of objects that have several.
    pub(super) names: Names<'a>,
    /// Free variables that are loaded at entry.
    pub(super) free: HashSet<Variable>,
    /// Where `break` and `continue` go.
    pub(super) loops: Vec<Loop>,
    /// Where exceptions go, innermost last.
    pub(super) handlers: Vec<BlockId>,
    /// `finally` bodies that jumps out of here pass, innermost last.
    pub(super) finals: Vec<Final<'a>>,
    /// How many `finally` bodies are being lowered within each other.
    pub(super) unwinding: usize,
    /// Reads of variables, in order of lowering.
    pub(super) reads: Vec<(Variable, ValueId)>,
    /// Variables that went into a value.
    pub(super) mentions: HashMap<ValueId, Vec<(Variable, ValueId)>>,
    pub(super) yields: Vec<ValueId>,
    /// Makes names of variables that the program has no name for.
    pub(super) fresh: u32,
}

impl<'a> Context<'a> {
    pub(super) fn new(id: FunctionId, scope: Scope<'a>) -> Self {
        Self {
            id,
            builder: Builder::default(),
            scope,
            classes: vec![],
            renames: vec![],
            imports: HashMap::default(),
            known_classes: HashMap::default(),
            defined: HashMap::default(),
            roots: HashSet::default(),
            places: HashMap::default(),
            testing: false,
            changed_inside: BTreeSet::new(),
            names: Names::default(),
            free: HashSet::default(),
            loops: vec![],
            handlers: vec![],
            finals: vec![],
            unwinding: 0,
            reads: vec![],
            mentions: HashMap::default(),
            yields: vec![],
            fresh: 0,
        }
    }
}

impl<'a> Lowerer<'a> {
    pub(super) fn context(&mut self) -> &mut Context<'a> {
        // There is always at least the module's: contexts are pushed before and popped after lowering.
        self.contexts.last_mut().expect("a function is being lowered")
    }

    pub(super) fn builder(&mut self) -> &mut Builder {
        &mut self.context().builder
    }

    /// Whether the time is over: what is lowered from now on is not used.
    pub(super) fn is_over(&self) -> bool {
        self.budget.is_expired()
    }

    /// Whether code may be lowered more than once, for precision.
    pub(super) fn may_copy(&self) -> bool {
        self.instructions < MAX_COPIED
    }

    pub(super) fn push(&mut self, op: Op, span: Span) -> ValueId {
        self.instructions += 1;
        self.builder().push(op, span)
    }

    pub(super) fn reserve(&mut self) -> FunctionId {
        self.functions.push(None);
        FunctionId(self.functions.len() as u32 - 1)
    }

    /// Opens the entry block of the innermost context.
    pub(super) fn start(&mut self) {
        let builder = self.builder();
        let entry = builder.block();
        builder.seal(entry);
        // Loads of free variables go to the entry block, so the body starts in a block of its own.
        let body = builder.block();
        builder.enter(entry);
        builder.end(Terminator::Goto(body));
        builder.seal(body);
        builder.enter(body);
    }

    /// Closes the innermost context and stores its function.
    pub(super) fn finish(&mut self, header: Header) {
        if self.builder().reachable() {
            let none = self.push(Op::Literal(Literal::None), Span::default());
            self.builder().end(Terminator::Return(none));
        }
        let Some(context) = self.contexts.pop() else { return };
        self.tell_owners(&context.scope);
        self.functions[context.id.0 as usize] = Some(Function {
            name: header.name,
            parent: header.parent,
            method_of: header.method_of,
            generator: context.scope.yields,
            parameters: header.parameters,
            decorators: header.decorators,
            opaque_decorators: header.opaque_decorators,
            wrapped: header.wrapped,
            routes: header.routes,
            outer: None,
            blocks: context.builder.blocks,
            values: context.builder.values,
            yields: context.yields,
            span: header.span,
        });
    }
}

pub(super) fn span(range: TextRange) -> Span {
    Span { start: range.start().to_u32(), end: range.end().to_u32() }
}

pub(super) fn span_of(node: &impl Ranged) -> Span {
    span(node.range())
}
