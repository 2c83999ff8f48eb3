//! Syntax tree → control-flow graphs in SSA form, one a function, module body and lambda.

mod aliases;
mod annotations;
mod assignments;
mod classes;
mod comprehensions;
mod context;
mod expressions;
mod fold;
mod functions;
mod jumps;
mod names;
mod patterns;
mod places;
mod scope;
mod statements;

use std::rc::Rc;

use ruff_python_ast::ModModule;
use ruff_text_size::Ranged;

use crate::budget::{Budget, Expired};
use crate::ssa::Program;
use context::{Context, Header, Lowerer, span, span_of};
use scope::{Scope, shared_names};

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
        shared: shared_names(module),
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
