//! Syntax tree → control-flow graphs in SSA form, one a function, module body and lambda.

mod aliases;
mod assignments;
mod classes;
mod comprehensions;
mod expressions;
mod fold;
mod functions;
mod jumps;
mod names;
mod patterns;
mod places;
mod scope;
mod statements;

use std::collections::BTreeSet;
use std::rc::Rc;

use ruff_python_ast::{ModModule, StmtFunctionDef};
use ruff_text_size::{Ranged, TextRange};
use rustc_hash::{FxHashMap as HashMap, FxHashSet as HashSet};

use crate::budget::{Budget, Expired};
use crate::ssa::{
    BlockId, Builder, Class, ClassId, Function, FunctionId, Op, Parameter, Program, Route, Span, Terminator, ValueId,
    Variable,
};
use scope::Scope;

/// Lowers a module.
///
/// `never_returns` says of a dotted path (`sys.exit`) whether a call of it never comes back.
///
/// # Errors
/// [`Expired`] where the budget's time is over first.
pub fn lower(module: &ModModule, never_returns: &dyn Fn(&str) -> bool, budget: &Budget) -> Result<Program, Expired> {
    let mut lowerer = Lowerer {
        functions: vec![],
        classes: vec![],
        contexts: vec![],
        shared: scope::shared_names(module),
        stars: vec![],
        never_returns,
        budget,
        instructions: 0,
    };
    let id = lowerer.reserve();
    lowerer.contexts.push(Context::new(id, Scope::of_body(&module.body)));
    lowerer.start();
    lowerer.body(&module.body);
    lowerer.finish(Header { name: Rc::from("<module>"), span: span(module.range()), ..Header::default() });
    budget.check()?;
    Ok(Program {
        functions: lowerer.functions.into_iter().flatten().collect(),
        classes: lowerer.classes,
        entries: vec![],
        fragment: false,
    })
}

/// Instructions of a program beyond which no code is lowered twice: loops over constants are loops, and the ways through
/// a `finally` body are not told apart.
const MAX_COPIED: usize = 1 << 16;

/// Everything about a function but its code.
#[derive(Default)]
struct Header {
    name: Rc<str>,
    parent: Option<FunctionId>,
    method_of: Option<ClassId>,
    parameters: Vec<Parameter>,
    decorators: Vec<Rc<str>>,
    opaque_decorators: bool,
    wrapped: bool,
    routes: Vec<Route>,
    span: Span,
}

struct Lowerer<'a> {
    functions: Vec<Option<Function>>,
    classes: Vec<Class>,
    /// The functions whose bodies are being lowered, outermost first.
    contexts: Vec<Context<'a>>,
    shared: HashSet<Rc<str>>,
    /// Modules of `from m import *`.
    stars: Vec<Rc<str>>,
    never_returns: &'a dyn Fn(&str) -> bool,
    budget: &'a Budget,
    /// Instructions so far.
    instructions: usize,
}

/// A function under construction.
struct Context<'a> {
    id: FunctionId,
    builder: Builder,
    scope: Scope<'a>,
    /// Class bodies that are open in this function: class, its bindings.
    classes: Vec<(Rc<str>, Scope<'a>)>,
    /// Variables of open comprehensions: name in the source, variable.
    renames: Vec<(Rc<str>, Variable)>,
    /// Dotted paths of names bound by imports, classes known by name.
    imports: HashMap<Variable, Rc<str>>,
    known_classes: HashMap<Variable, ClassId>,
    /// Functions that were defined so far, by name.
    defined: HashMap<&'a str, &'a StmtFunctionDef>,
    /// Parameters that are never rebound: places below them get variables of their own.
    roots: HashSet<Variable>,
    places: HashMap<Variable, ValueId>,
    /// Whether a test is being lowered, which may say something about a place.
    testing: bool,
    /// Variables of this function whose containers functions inside of it change.
    changed_inside: BTreeSet<Rc<str>>,
    /// Names of objects that have several.
    names: aliases::Names<'a>,
    /// Free variables that are loaded at entry.
    free: HashSet<Variable>,
    /// Where `break` and `continue` go.
    loops: Vec<jumps::Loop>,
    /// Where exceptions go, innermost last.
    handlers: Vec<BlockId>,
    /// `finally` bodies that jumps out of here pass, innermost last.
    finals: Vec<jumps::Final<'a>>,
    /// How many `finally` bodies are being lowered within each other.
    unwinding: usize,
    /// Reads of variables, in order of lowering.
    reads: Vec<(Variable, ValueId)>,
    /// Variables that went into a value.
    mentions: HashMap<ValueId, Vec<(Variable, ValueId)>>,
    yields: Vec<ValueId>,
    /// Makes names of variables that the program has no name for.
    fresh: u32,
}

impl<'a> Context<'a> {
    fn new(id: FunctionId, scope: Scope<'a>) -> Self {
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
            names: aliases::Names::default(),
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
    fn context(&mut self) -> &mut Context<'a> {
        // There is always at least the module's: contexts are pushed before and popped after lowering.
        self.contexts.last_mut().expect("a function is being lowered")
    }

    fn builder(&mut self) -> &mut Builder {
        &mut self.context().builder
    }

    /// Whether the time is over: what is lowered from now on is not used.
    fn is_over(&self) -> bool {
        self.budget.is_expired()
    }

    /// Whether code may be lowered more than once, for precision.
    fn may_copy(&self) -> bool {
        self.instructions < MAX_COPIED
    }

    fn push(&mut self, op: Op, span: Span) -> ValueId {
        self.instructions += 1;
        self.builder().push(op, span)
    }

    fn reserve(&mut self) -> FunctionId {
        self.functions.push(None);
        FunctionId(self.functions.len() as u32 - 1)
    }

    /// Opens the entry block of the innermost context.
    fn start(&mut self) {
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
    fn finish(&mut self, header: Header) {
        if self.builder().reachable() {
            let none = self.push(Op::Literal(crate::ssa::Literal::None), Span::default());
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

fn span(range: TextRange) -> Span {
    Span { start: range.start().to_u32(), end: range.end().to_u32() }
}

fn span_of(node: &impl Ranged) -> Span {
    span(node.range())
}
