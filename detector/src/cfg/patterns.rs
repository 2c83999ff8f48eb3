//! `match`: a chain of tests on the subject.

use std::rc::Rc;

use ruff_python_ast::{Pattern, Singleton, StmtMatch};

use super::names::literal;
use super::{Lowerer, span_of};
use crate::ssa::{CompareOp, Literal, Op, Terminator, ValueId};

impl<'a> Lowerer<'a> {
    /// Lowers a `match` statement.
    pub(super) fn match_statement(&mut self, statement: &'a StmtMatch) {
        let (subject, mut tested) = self.condition(&statement.subject);
        let after = self.builder().block();
        self.builder().open();
        for case in &statement.cases {
            let test = self.pattern(&case.pattern, subject);
            let span = span_of(&case.pattern);
            let mut next = vec![];
            if let Some(condition) = test {
                let (then, otherwise) = self.branch(condition, &tested, span);
                next.push(otherwise);
                self.builder().enter(then);
            }
            self.captures(&case.pattern, subject);
            if let Some(guard) = &case.guard {
                let (condition, guarded) = self.condition(guard);
                let (then, otherwise) = self.branch(condition, &guarded, span);
                next.push(otherwise);
                self.builder().enter(then);
            }
            self.body(&case.body);
            self.builder().end(Terminator::Goto(after));
            let rest = self.builder().block();
            for block in &next {
                self.builder().enter(*block);
                self.builder().end(Terminator::Goto(rest));
            }
            self.builder().seal(rest);
            if next.is_empty() {
                // Irrefutable: nothing comes after it.
                break;
            }
            self.builder().enter(rest);
            for (variable, value) in &mut tested {
                *value = self.builder().read(variable);
            }
        }
        self.builder().end(Terminator::Goto(after));
        self.builder().close_at(after);
        self.builder().seal(after);
        self.builder().enter(after);
    }

    /// The test that a pattern makes; none where it always matches.
    fn pattern(&mut self, pattern: &'a Pattern, subject: ValueId) -> Option<ValueId> {
        let span = span_of(pattern);
        match pattern {
            Pattern::MatchValue(value) => {
                let value = self.expression(&value.value);
                Some(match self.matches(subject, value) {
                    Some(literal) => self.push(Op::Literal(literal), span),
                    None => self.push(Op::Compare(CompareOp::Equal, subject, value), span),
                })
            }
            Pattern::MatchSingleton(one) => {
                let one = match one.value {
                    Singleton::None => Literal::None,
                    Singleton::True => Literal::Bool(true),
                    Singleton::False => Literal::Bool(false),
                };
                let one = self.push(Op::Literal(one), span);
                Some(self.push(Op::Compare(CompareOp::Is, subject, one), span))
            }
            Pattern::MatchOr(any) => {
                let tests: Option<Vec<_>> = any.patterns.iter().map(|one| self.pattern(one, subject)).collect();
                let tests = tests?;
                Some(match self.decided(false, &tests) {
                    Some(literal) => self.push(Op::Literal(literal), span),
                    None => self.push(Op::Logic(false, tests), span),
                })
            }
            Pattern::MatchAs(capture) => capture.pattern.as_ref().and_then(|inner| self.pattern(inner, subject)),
            Pattern::MatchStar(_) => None,
            Pattern::MatchSequence(_) | Pattern::MatchMapping(_) | Pattern::MatchClass(_) => {
                Some(self.push(Op::Unknown, span))
            }
        }
    }

    fn captures(&mut self, pattern: &'a Pattern, subject: ValueId) {
        let span = span_of(pattern);
        match pattern {
            Pattern::MatchAs(capture) => {
                if let Some(inner) = &capture.pattern {
                    self.captures(inner, subject);
                }
                if let Some(name) = &capture.name {
                    self.write_name(name, subject, span);
                }
            }
            Pattern::MatchStar(capture) => {
                if let Some(name) = &capture.name {
                    let rest = self.push(Op::Rest(subject), span);
                    self.write_name(name, rest, span);
                }
            }
            Pattern::MatchSequence(sequence) => {
                for (i, inner) in sequence.patterns.iter().enumerate() {
                    if inner.is_match_star() {
                        self.captures(inner, subject);
                    } else {
                        let item = self.push(Op::Item(subject, i), span);
                        self.captures(inner, item);
                    }
                }
            }
            Pattern::MatchMapping(mapping) => {
                for (key, inner) in mapping.keys.iter().zip(&mapping.patterns) {
                    let key = match literal(key) {
                        Some(key) => self.push(Op::Literal(key), span),
                        None => self.expression(key),
                    };
                    let item = self.push(Op::Subscript(subject, key), span);
                    self.captures(inner, item);
                }
                if let Some(name) = &mapping.rest {
                    self.write_name(name, subject, span);
                }
            }
            Pattern::MatchClass(class) => {
                let own = self.static_class(&class.cls);
                for (i, inner) in class.arguments.patterns.iter().enumerate() {
                    if let Some(field) = own.and_then(|own| self.classes[own.0 as usize].fields.get(i).cloned()) {
                        let item = self.push(Op::Attribute(subject, field), span);
                        self.captures(inner, item);
                        continue;
                    }
                    // `str(x)` captures the subject itself; other classes name their parts in `__match_args__`.
                    let item = if i == 0 { subject } else { self.push(Op::Element(subject), span) };
                    self.captures(inner, item);
                }
                for keyword in &class.arguments.keywords {
                    let item = self.push(Op::Attribute(subject, Rc::from(keyword.attr.as_str())), span);
                    self.captures(&keyword.pattern, item);
                }
            }
            Pattern::MatchOr(any) => any.patterns.iter().for_each(|inner| self.captures(inner, subject)),
            Pattern::MatchValue(_) | Pattern::MatchSingleton(_) => {}
        }
    }
}
