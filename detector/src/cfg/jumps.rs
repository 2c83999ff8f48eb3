//! Loops, `try`, and the jumps out of them.

use ruff_python_ast::{ExceptHandler, Expr, Stmt, StmtFor, StmtTry, StmtWhile};

use super::context::{Final, Jump, Loop, Way};
use super::{Lowerer, span_of};
use crate::ssa::{BlockId, Closed, Op, Span, Terminator, ValueId, origin};

/// Longest list of constants over which a loop is unrolled, and longest body.
const MAX_UNROLLED: (usize, usize) = (16, 6);
/// How many `return`s pass a `finally` body on ways of their own; the others share one.
const MAX_RETURNS: usize = 4;
/// How deep `finally` bodies in `finally` bodies are lowered for each way through them on its own.
const MAX_UNWINDING: usize = 2;

impl<'a> Lowerer<'a> {
    /// `while`
    pub(super) fn while_loop(&mut self, statement: &'a StmtWhile) {
        let builder = self.builder();
        let (header, latch, after) = (builder.block(), builder.block(), builder.block());
        builder.open();
        builder.end(Terminator::Goto(header));
        builder.enter(header);
        let (condition, tested) = self.condition(&statement.test);
        let (then, otherwise) = self.branch(condition, &tested, span_of(&*statement.test));
        self.context().loops.push(Loop { latch, after, broken: false });
        self.builder().enter(then);
        self.loop_body(&statement.body, latch);
        let builder = self.builder();
        let goes_round = !builder.blocks[latch.0 as usize].predecessors.is_empty();
        builder.end(if goes_round { Terminator::Goto(header) } else { Terminator::Stop });
        builder.seal(header);
        self.context().loops.pop();
        self.builder().enter(otherwise);
        self.body(&statement.orelse);
        self.builder().end(Terminator::Goto(after));
        self.builder().close_at(after);
        self.builder().seal(after);
        self.builder().enter(after);
    }

    /// The body of a loop, up to the block that all ways to its next round pass.
    fn loop_body(&mut self, body: &'a [Stmt], latch: BlockId) {
        self.builder().open();
        self.body(body);
        self.builder().end(Terminator::Goto(latch));
        self.builder().close_at(latch);
        self.builder().seal(latch);
        self.builder().enter(latch);
    }

    /// `for`
    pub(super) fn for_loop(&mut self, statement: &'a StmtFor) {
        if let Some(items) = self.unrollable(statement) {
            for item in items {
                let value = self.expression(item);
                self.assign(&statement.target, value);
                self.body(&statement.body);
            }
            self.body(&statement.orelse);
            return;
        }
        let span = span_of(&*statement.target);
        let (iterable, iterated) = self.condition(&statement.iter);
        let builder = self.builder();
        let (header, body, latch) = (builder.block(), builder.block(), builder.block());
        let (exhausted, after) = (builder.block(), builder.block());
        builder.open();
        builder.end(Terminator::Goto(header));
        builder.enter(header);
        builder.end(Terminator::Choice(vec![body, exhausted]));
        builder.seal(body);
        builder.enter(body);
        let element = builder.push(Op::Element(iterable), span);
        self.assign(&statement.target, element);
        self.note_element(&statement.target, &statement.iter);
        self.context().loops.push(Loop { latch, after, broken: false });
        self.loop_body(&statement.body, latch);
        let last = match &*statement.target {
            Expr::Name(name) => Some(self.read_name(&name.id, span)),
            _ => None,
        };
        self.builder().end(Terminator::Goto(header));
        self.builder().seal(header);
        let broken = self.context().loops.pop().is_some_and(|one| one.broken);
        self.builder().seal(exhausted);
        self.builder().enter(exhausted);
        if let Some(last) = last.filter(|_| !broken) {
            for (variable, value) in iterated {
                let now = self.builder().read(&variable);
                let values = &self.builder().values;
                if origin(values, now) == origin(values, value) {
                    let refined = self.push(Op::EachElement { value: now, element, last }, span);
                    self.builder().write(&variable, refined);
                }
            }
        }
        self.body(&statement.orelse);
        self.builder().end(Terminator::Goto(after));
        self.builder().close_at(after);
        self.builder().seal(after);
        self.builder().enter(after);
    }

    /// The constants of a short loop over constants, such as one that strips a list of characters.
    fn unrollable(&mut self, statement: &'a StmtFor) -> Option<Vec<&'a Expr>> {
        let simple = |statement: &Stmt| matches!(statement, Stmt::Assign(_) | Stmt::AugAssign(_) | Stmt::Expr(_));
        if !self.may_copy() || statement.body.len() > MAX_UNROLLED.1 || !statement.body.iter().all(simple) {
            return None;
        }
        self.constants(&statement.iter).filter(|items| items.len() <= MAX_UNROLLED.0)
    }

    /// `return`, `break`, `continue`: through the `finally` bodies on the way, innermost first.
    pub(super) fn jump(&mut self, jump: Jump, value: Option<ValueId>) {
        let separate = self.context().unwinding == 0 && self.may_copy();
        let context = self.context();
        let open = context.loops.len();
        let inside = if jump == Jump::Return { 0 } else { open };
        if let Some(last) = context.finals.last_mut().filter(|last| last.loops >= inside) {
            let others = last.ways.iter().filter(|way| way.jump == jump).count();
            let alone = others == 0 || jump == Jump::Return && separate && others < MAX_RETURNS;
            if alone {
                let block = context.builder.block();
                last.ways.push(Way { jump, block, values: vec![] });
            }
            if let Some(way) = last.ways.iter_mut().rev().find(|way| way.jump == jump)
                && context.builder.reachable()
            {
                way.values.extend(value);
                context.builder.end(Terminator::Goto(way.block));
            }
            return;
        }
        let terminator = match (jump, context.loops.last_mut()) {
            (Jump::Return, _) => value.map(Terminator::Return),
            (Jump::Break, Some(around)) => {
                around.broken = true;
                Some(Terminator::Goto(around.after))
            }
            (Jump::Continue, Some(around)) => Some(Terminator::Goto(around.latch)),
            (Jump::Break | Jump::Continue, None) => None,
        };
        if let Some(terminator) = terminator {
            context.builder.end(terminator);
        }
    }

    /// `try`
    ///
    /// An exception leaves with the variables as they were before some statement of the body. `finally` is lowered for the
    /// way on, for exceptions that pass it and for the jumps out of the `try`, each on its own as far as that is cheap.
    pub(super) fn try_statement(&mut self, statement: &'a StmtTry) {
        let dispatch = self.builder().block();
        let after = self.builder().block();
        let loops = self.context().loops.len();
        self.builder().open();
        if !statement.finalbody.is_empty() {
            self.context().finals.push(Final { body: &statement.finalbody, loops, ways: vec![] });
        }
        self.context().handlers.push(dispatch);
        self.builder().open();
        self.body(&statement.body);
        self.step();
        let tried = self.builder().close();
        self.builder().catch(&tried, dispatch);
        self.context().handlers.pop();
        self.body(&statement.orelse);
        self.builder().end(Terminator::Goto(after));

        self.builder().seal(dispatch);
        let handlers: Vec<BlockId> = statement.handlers.iter().map(|_| self.builder().block()).collect();
        let uncaught = self.builder().block();
        self.builder().enter(dispatch);
        let catches_all = statement.handlers.iter().any(|handler| self.catches_all(handler));
        let mut ways = handlers.clone();
        if !catches_all || !statement.finalbody.is_empty() {
            ways.push(uncaught);
        }
        self.builder().end(Terminator::Choice(ways));
        for (ExceptHandler::ExceptHandler(handler), block) in statement.handlers.iter().zip(handlers) {
            self.builder().seal(block);
            self.builder().enter(block);
            if let Some(kind) = &handler.type_ {
                self.expression(kind);
            }
            if let Some(name) = &handler.name {
                let caught = self.push(Op::Caught, span_of(handler));
                self.write_name(name, caught, span_of(handler));
            }
            self.body(&handler.body);
            self.builder().end(Terminator::Goto(after));
        }
        self.builder().seal(uncaught);
        let passed = if statement.finalbody.is_empty() { None } else { self.context().finals.pop() };
        let all = self.builder().close();
        self.builder().leave(&all, after);
        self.builder().seal(after);
        let Some(passed) = passed else {
            if !catches_all {
                self.builder().enter(uncaught);
                self.raise_on();
            }
            self.builder().enter(after);
            return;
        };
        self.context().unwinding += 1;
        if self.may_copy() && self.context().unwinding <= MAX_UNWINDING {
            self.finally_by_way(passed, uncaught, after, &all);
        } else {
            self.finally_at_once(&passed, uncaught, after, &all);
        }
        self.context().unwinding -= 1;
    }

    /// Whether no exception that programs deal with passes a handler.
    fn catches_all(&self, handler: &ExceptHandler) -> bool {
        let ExceptHandler::ExceptHandler(handler) = handler;
        let all =
            |kind: &Expr| self.static_path(kind).is_some_and(|path| matches!(&*path, "Exception" | "BaseException"));
        handler.type_.as_deref().is_none_or(all)
    }

    /// A body whose exceptions are swallowed: `with suppress(…)`.
    pub(super) fn swallowed(&mut self, body: &'a [Stmt]) {
        let (dispatch, after) = (self.builder().block(), self.builder().block());
        self.builder().open();
        self.context().handlers.push(dispatch);
        self.body(body);
        self.step();
        self.context().handlers.pop();
        let builder = self.builder();
        builder.end(Terminator::Goto(after));
        let tried = builder.close();
        builder.catch(&tried, dispatch);
        builder.leave(&tried, after);
        builder.seal(dispatch);
        builder.enter(dispatch);
        builder.end(Terminator::Goto(after));
        builder.seal(after);
        builder.enter(after);
    }

    /// Lowers a `finally` body once for each way through it. Goes on after the way on.
    fn finally_by_way(&mut self, passed: Final<'a>, uncaught: BlockId, after: BlockId, all: &Closed) {
        self.builder().enter(uncaught);
        self.body(passed.body);
        self.raise_on();
        for way in passed.ways {
            let value = self.enter_way(&way, all);
            self.body(passed.body);
            self.jump(way.jump, value);
        }
        self.builder().enter(after);
        self.body(passed.body);
    }

    /// Lowers a `finally` body once for all ways through it, after which control may go on any of them.
    fn finally_at_once(&mut self, passed: &Final<'a>, uncaught: BlockId, after: BlockId, all: &Closed) {
        let shared = self.builder().block();
        for block in [uncaught, after] {
            self.builder().enter(block);
            self.builder().end(Terminator::Goto(shared));
        }
        let mut jumps = vec![];
        for way in &passed.ways {
            let value = self.enter_way(way, all);
            self.builder().end(Terminator::Goto(shared));
            jumps.push((way.jump, value, self.builder().block()));
        }
        self.builder().leave(all, shared);
        self.builder().seal(shared);
        self.builder().enter(shared);
        self.body(passed.body);
        let (raises, goes_on) = (self.builder().block(), self.builder().block());
        let mut ways = vec![raises, goes_on];
        ways.extend(jumps.iter().map(|(.., block)| *block));
        self.builder().end(Terminator::Choice(ways));
        self.builder().seal(raises);
        self.builder().enter(raises);
        self.raise_on();
        for (jump, value, block) in jumps {
            self.builder().seal(block);
            self.builder().enter(block);
            self.jump(jump, value);
        }
        self.builder().seal(goes_on);
        self.builder().enter(goes_on);
    }

    /// Enters the block of a way into a `finally` body; gives what the jump returns.
    fn enter_way(&mut self, way: &Way, all: &Closed) -> Option<ValueId> {
        self.builder().leave(all, way.block);
        self.builder().seal(way.block);
        self.builder().enter(way.block);
        match way.values.as_slice() {
            [] => None,
            [one] => Some(*one),
            several => Some(self.join(several.to_vec(), Span::default())),
        }
    }

    /// An exception that nothing here has caught goes on to the `try` around this one.
    fn raise_on(&mut self) {
        let next = self.context().handlers.last().copied();
        self.builder().end(next.map_or(Terminator::Stop, Terminator::Goto));
    }

    /// Starts a block for the next statement where exceptions are caught, so that the handler sees the variables as they
    /// are now.
    pub(super) fn step(&mut self) {
        let Some(&handler) = self.context().handlers.last() else { return };
        let builder = self.builder();
        let next = builder.block();
        builder.end(Terminator::Goto(next));
        builder.seal(next);
        builder.enter(next);
        builder.may_raise_to(handler);
    }
}
