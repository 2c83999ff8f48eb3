//! Loops, `try`, and the jumps out of them.

use ruff_python_ast::{ExceptHandler, Expr, Stmt, StmtFor, StmtTry, StmtWhile};

use super::{Lowerer, span_of};
use crate::ssa::{BlockId, Op, Terminator, origin};

/// Longest list of constants over which a loop is unrolled, and longest body.
const MAX_UNROLLED: (usize, usize) = (16, 6);

/// An open loop.
pub(super) struct Loop {
    /// Where `continue` goes.
    pub(super) latch: BlockId,
    /// Where `break` goes.
    pub(super) after: BlockId,
    /// Whether some `break` leaves it.
    pub(super) broken: bool,
}

impl<'a> Lowerer<'a> {
    /// `while`
    pub(super) fn while_loop(&mut self, statement: &'a StmtWhile) {
        let (header, after) = (self.builder().block(), self.builder().block());
        self.builder().end(Terminator::Goto(header));
        self.builder().enter(header);
        let (condition, tested) = self.condition(&statement.test);
        let (then, otherwise) = self.branch(condition, &tested, span_of(&*statement.test));
        self.context().loops.push(Loop { latch: header, after, broken: false });
        self.builder().enter(then);
        self.body(&statement.body);
        self.builder().end(Terminator::Goto(header));
        self.builder().seal(header);
        self.context().loops.pop();
        self.builder().enter(otherwise);
        self.body(&statement.orelse);
        self.builder().end(Terminator::Goto(after));
        self.builder().seal(after);
        self.builder().enter(after);
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
        builder.end(Terminator::Goto(header));
        builder.enter(header);
        builder.end(Terminator::Choice(vec![body, exhausted]));
        builder.seal(body);
        builder.enter(body);
        let element = builder.push(Op::Element(iterable), span);
        self.assign(&statement.target, element);
        self.context().loops.push(Loop { latch, after, broken: false });
        self.body(&statement.body);
        self.builder().end(Terminator::Goto(latch));
        self.builder().seal(latch);
        self.builder().enter(latch);
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
        self.builder().seal(after);
        self.builder().enter(after);
    }

    /// The constants of a short loop over constants, such as one that strips a list of characters.
    fn unrollable(&mut self, statement: &'a StmtFor) -> Option<Vec<&'a Expr>> {
        let simple = |statement: &Stmt| matches!(statement, Stmt::Assign(_) | Stmt::AugAssign(_) | Stmt::Expr(_));
        if statement.body.len() > MAX_UNROLLED.1 || !statement.body.iter().all(simple) {
            return None;
        }
        self.constants(&statement.iter).filter(|items| items.len() <= MAX_UNROLLED.0)
    }

    /// Lowers the `finally` bodies that a jump passes on its way out of all loops but the outer `loops`.
    ///
    /// Within such a body jumps go straight on: nested copies of copies would grow without bound.
    pub(super) fn unwind(&mut self, loops: usize) {
        if std::mem::replace(&mut self.context().unwinding, true) {
            return;
        }
        let passed: Vec<&'a [Stmt]> =
            self.context().finals.iter().rev().filter(|(_, inside)| *inside >= loops).map(|(body, _)| *body).collect();
        for body in passed {
            self.body(body);
        }
        self.context().unwinding = false;
    }

    /// `break`
    pub(super) fn break_loop(&mut self) {
        let open = self.context().loops.len();
        self.unwind(open);
        if let Some(open) = self.context().loops.last_mut() {
            open.broken = true;
            let after = open.after;
            self.builder().end(Terminator::Goto(after));
        }
    }

    /// `continue`
    pub(super) fn continue_loop(&mut self) {
        let open = self.context().loops.len();
        self.unwind(open);
        if let Some(latch) = self.context().loops.last().map(|open| open.latch) {
            self.builder().end(Terminator::Goto(latch));
        }
    }

    /// `try`
    ///
    /// An exception leaves with the variables as they were before its statement. `finally` is lowered for the way on and
    /// once more for exceptions that pass it, and for every jump out of the `try`.
    pub(super) fn try_statement(&mut self, statement: &'a StmtTry) {
        let dispatch = self.builder().block();
        let after = self.builder().block();
        let open = self.context().loops.len();
        if !statement.finalbody.is_empty() {
            self.context().finals.push((&statement.finalbody, open));
        }
        self.context().handlers.push(dispatch);
        self.body(&statement.body);
        self.step();
        self.context().handlers.pop();
        self.body(&statement.orelse);
        self.builder().end(Terminator::Goto(after));

        self.builder().seal(dispatch);
        let handlers: Vec<BlockId> = statement.handlers.iter().map(|_| self.builder().block()).collect();
        let uncaught = self.builder().block();
        self.builder().enter(dispatch);
        let mut ways = handlers.clone();
        ways.push(uncaught);
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
        if !statement.finalbody.is_empty() {
            self.context().finals.pop();
        }
        self.builder().seal(uncaught);
        self.builder().enter(uncaught);
        if !std::mem::replace(&mut self.context().unwinding, true) {
            self.body(&statement.finalbody);
            self.context().unwinding = false;
        }
        self.builder().end(Terminator::Stop);
        self.builder().seal(after);
        self.builder().enter(after);
        self.body(&statement.finalbody);
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
