//! What clears a value for a sink by the tests before it: the host of a URL, a keyed digest.

use rustc_hash::FxHashSet;

use super::folder::MAX_JOINS;
use super::scope::{Scope, Test};
use crate::dotted::last;
use crate::rules::Guarding;
use crate::ssa::{Argument, BlockId, CompareOp, Literal, Op, Terminator, ValueId};
use crate::taint::domain::Object;
use crate::taint::store::OriginTable;
use real_detector_api::OriginKind;

/// Ends of the names of hosts that people write into patterns; those of countries have two letters (RFC 1591).
const ENDS: &[&str] =
    &["com", "net", "org", "edu", "gov", "int", "mil", "info", "biz", "dev", "app", "local", "internal"];

/// Whether a dot before the end of a host's name stands for any character in a pattern: `example.com`.
fn has_open_dot(pattern: &str) -> bool {
    let bytes = pattern.as_bytes();
    (1..bytes.len()).filter(|at| bytes[*at] == b'.').any(|at| {
        let label = matches!(bytes[at - 1], b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b')');
        let rest = &pattern[at + 1..];
        let length = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (end, after) = rest.split_at(length);
        let is_end = ENDS.contains(&end) || length == 2;
        label && is_end && matches!(after.bytes().next(), None | Some(b'/' | b'$' | b':' | b'(' | b')' | b'|' | b'\\'))
    })
}

/// Stands for the end of a block.
const END: ValueId = ValueId(u32::MAX);

impl Scope<'_, '_> {
    /// Whether a test clears a value where it is used, in a block by an instruction.
    pub(in crate::taint) fn is_cleared(&self, guarding: Guarding, value: ValueId, at: (BlockId, ValueId)) -> bool {
        self.is_cleared_within(guarding, value, at, MAX_JOINS)
    }

    fn is_cleared_within(
        &self,
        guarding: Guarding,
        value: ValueId,
        (block, at): (BlockId, ValueId),
        depth: usize,
    ) -> bool {
        let cleared = match guarding {
            Guarding::UrlHost => self.host_is_tested(value, block),
            Guarding::Folder => self.folder_is_tested(value, (block, at)),
            Guarding::Authentic => self.is_authentic(value, block),
            Guarding::Anything => return !self.tests(block).is_empty(),
            Guarding::Content => return self.content_is_tested(value, block),
            _ => return false,
        };
        let root = self.root(value);
        let inner = |one: ValueId, at| {
            self.fact(one).origins().is_none()
                || one != root && self.is_cleared_within(guarding, one, at, depth.saturating_sub(1))
        };
        let operands = match self.function.op(root) {
            Op::Phi(operands) => operands,
            Op::Call { callee, .. } => return cleared || depth > 0 && self.is_tested_within(guarding, *callee, depth),
            // `target or "/"`
            Op::Logic(_, parts) => return cleared || depth > 0 && parts.iter().all(|part| inner(*part, (block, at))),
            _ => return cleared,
        };
        // `if not known(url): url = "/"`: on each way it was tested, or is another.
        let ways = &self.function.blocks[self.block(root).0 as usize].predecessors;
        cleared
            || depth > 0
                && operands.len() == ways.len()
                && operands.iter().zip(ways).all(|(operand, way)| inner(*operand, (*way, END)))
    }

    /// Whether a call is of functions of the program that test what they return: on each way out it was tested, or is another.
    fn is_tested_within(&self, guarding: Guarding, callee: ValueId, depth: usize) -> bool {
        let objects = &self.fact(callee).objects;
        let tests = |object: &Object| match object {
            Object::Function(target) | Object::Method(target) => {
                Scope::new(self.solved, *target).is_some_and(|inner| {
                    inner.function.blocks.iter().enumerate().all(|(i, code)| {
                        let (block, Terminator::Return(value)) = (BlockId(i as u32), &code.terminator) else {
                            return true;
                        };
                        !inner.is_reached(block)
                            || inner.fact(*value).origins().is_none()
                            || inner.is_cleared_within(guarding, *value, (block, END), depth - 1)
                    })
                })
            }
            _ => false,
        };
        !objects.is_empty() && objects.iter().all(tests)
    }

    /// Whether the tests before a block let only listed hosts of a URL pass.
    pub(in crate::taint) fn host_is_tested(&self, url: ValueId, block: BlockId) -> bool {
        let of = self.parameters_and_calls(&self.slice(url));
        let tests = self.tests(block);
        self.are_local(&tests, self.root(url))
            || tests.into_iter().any(|test| self.lets_listed_host_pass(test, &of, 8))
            || self.function.values.iter().any(|instruction| match &instruction.op {
                Op::Survived { value, call } => {
                    self.dominates(instruction.block, block)
                        && self.is_about(*value, &of)
                        && self.calls_validator(*call)
                }
                _ => false,
            })
    }

    /// Whether only data come to a block whose digest is the right one.
    fn is_authentic(&self, data: ValueId, block: BlockId) -> bool {
        let mut of = self.parameters_and_calls(&self.slice(data));
        // What was read out of a request, where that can be told, and not the request.
        let read = |value: &ValueId| !matches!(self.function.op(*value), Op::Load(_) | Op::Path(_) | Op::Unbound(_));
        if of.iter().any(read) {
            of.retain(|value| read(value));
        }
        self.parts(&self.tests(block)).into_iter().any(|(condition, truth)| {
            let Op::Call { callee, arguments } = self.function.op(condition) else { return false };
            truth
                && self.fact(*callee).paths().any(|path| path.ends_with(".compare_digest"))
                && arguments.iter().any(|one| self.is_about(one.value, &of) && self.is_keyed(one.value))
        })
    }

    /// Whether a digest is made with a key.
    fn is_keyed(&self, digest: ValueId) -> bool {
        self.slice(digest).iter().any(|value| match self.function.op(*value) {
            Op::Call { callee, .. } => {
                self.fact(*callee).paths().any(|path| matches!(&**path, "hmac.new" | "hmac.digest" | "hmac.HMAC"))
            }
            _ => false,
        })
    }

    /// Whether tests let pass only what begins with one `/`, which stays on the host (RFC 3986, 4.2).
    fn are_local(&self, tests: &[Test], url: ValueId) -> bool {
        let parts = self.parts(tests);
        // Of several texts any may be the one that it begins with, and none is where it begins with none.
        let one = |part: &Test| part.1 && self.begins(part.0, url) == ["/"];
        let not_two = |part: &Test| !part.1 && self.begins(part.0, url).contains(&"//");
        parts.iter().any(one) && parts.iter().any(not_two)
    }

    /// The texts with one of which a text begins where a condition is true.
    fn begins(&self, condition: ValueId, text: ValueId) -> Vec<&str> {
        let Op::Call { callee, arguments } = self.function.op(condition) else { return vec![] };
        let asked = self.method(*callee).filter(|(asked, name)| *name == "startswith" && self.root(*asked) == text);
        let (Some(_), [start]) = (asked, arguments.as_slice()) else { return vec![] };
        let known = self.fact(start.value);
        let listed = known.items.iter().flat_map(|items| items.known.values());
        std::iter::once(known).chain(listed).filter_map(|one| one.text.as_literal()).collect()
    }

    fn lets_listed_host_pass(&self, (condition, truth): Test, of: &FxHashSet<ValueId>, depth: usize) -> bool {
        if depth == 0 {
            return false;
        }
        // What always comes out the same is no test, nor is it one that there is a URL.
        let known = self.fact(condition);
        let fixed = known.text.literals().is_some() && known.truth() != (true, true);
        // Of what counts as false nothing is left.
        if fixed || of.contains(&self.root(condition)) {
            return !fixed && !truth;
        }
        let next = |condition: ValueId, truth: bool| self.lets_listed_host_pass((condition, truth), of, depth - 1);
        match self.function.op(self.root(condition)) {
            Op::Not(inner) => next(*inner, !truth),
            // All parts came out like that, or any of them may have decided.
            Op::Logic(and, parts) if *and == truth => parts.iter().any(|part| next(*part, truth)),
            Op::Logic(_, parts) => parts.iter().all(|part| next(*part, truth)),
            Op::Compare(op, left, right) => {
                let passes = matches!(
                    (op, truth),
                    (CompareOp::In | CompareOp::Equal | CompareOp::Is, true)
                        | (CompareOp::NotIn | CompareOp::NotEqual | CompareOp::IsNot, false)
                );
                let constant = |side: ValueId| matches!(self.function.op(self.root(side)), Op::Literal(Literal::None));
                let empty = |side: ValueId| self.as_text(side) == Some("");
                // The same of both sides: `host == host`.
                let made_of = |side: ValueId| -> FxHashSet<ValueId> {
                    self.slice(side).iter().filter(|one| of.contains(one)).copied().collect()
                };
                let (left_of, right_of) = (made_of(*left), made_of(*right));
                let within = matches!(op, CompareOp::In | CompareOp::NotIn) && self.is_text_to_search(*right);
                passes
                    && !within
                    && (left_of.is_empty() || left_of != right_of)
                    && !constant(*right)
                    && ((self.is_host(*left, of)
                        && (!empty(*right) || matches!(op, CompareOp::Equal | CompareOp::NotEqual)))
                        || self.is_host(*right, of) && matches!(op, CompareOp::Equal | CompareOp::NotEqual)
                        || self.is_whole(*left, of))
            }
            // `not netloc`: the URL is relative.
            Op::Attribute(..) | Op::Call { .. } if !truth && self.is_host(condition, of) => true,
            Op::Call { callee, arguments } => {
                let about = |value: ValueId| self.is_about(value, of);
                if let Some((object, name)) = self.method(*callee)
                    && matches!(name, "startswith" | "endswith")
                {
                    let host = self.is_host(object, of);
                    let start = arguments.first().is_some_and(|one| self.is_beginning_of_url(one.value));
                    return truth && (host || name == "startswith" && about(object) && start);
                }
                let asks = self.fact(*callee).objects.iter().any(|object| match object {
                    Object::Function(_) | Object::Method(_) => true,
                    Object::Path(path) => {
                        let name = last(path);
                        !matches!(name, "isinstance" | "len" | "bool" | "hasattr" | "str" | "search" | "match")
                            || matches!(name, "search" | "match") && path.starts_with("re.")
                    }
                    _ => false,
                });
                // A listed host within another one is another one.
                let within = arguments.iter().any(|one| match self.function.op(self.root(one.value)) {
                    Op::Comprehension { result, .. } => match self.function.op(self.root(*result)) {
                        Op::Compare(CompareOp::In, _, host) => self.is_host(*host, of) || self.is_whole(*host, of),
                        _ => false,
                    },
                    _ => false,
                });
                asks && !within
                    && !self.lets_other_hosts_match(*callee, arguments)
                    && arguments.iter().any(|one| about(one.value))
            }
            _ => false,
        }
    }

    /// Whether a value is a text, and no list: a part of a host's name is in it as well.
    fn is_text_to_search(&self, value: ValueId) -> bool {
        let known = self.fact(value);
        let is_alone = known.items.is_none() && known.objects.is_empty();
        let chosen = || OriginTable::kinds(known.origins()).contains(&OriginKind::Attacker);
        is_alone && (known.text.literals().is_some_and(|texts| !texts.is_empty()) || chosen())
    }

    /// Whether a call matches a text with a pattern whose host is another one with any character in the place of a dot.
    fn lets_other_hosts_match(&self, callee: ValueId, arguments: &[Argument]) -> bool {
        const MATCHES: &[&str] = &["match", "search", "fullmatch"];
        let pattern = match self.method(callee) {
            Some((pattern, name)) if MATCHES.contains(&name) && self.fact(pattern).text.as_literal().is_some() => {
                pattern
            }
            _ if self.fact(callee).paths().any(|path| path.starts_with("re.") && MATCHES.contains(&last(path))) => {
                match arguments.first() {
                    Some(pattern) => pattern.value,
                    None => return false,
                }
            }
            _ => return false,
        };
        self.fact(pattern).text.as_literal().is_some_and(has_open_dot)
    }

    /// Whether a constant fixes the host of the URLs that start with it.
    fn is_beginning_of_url(&self, value: ValueId) -> bool {
        let fixed = |text: &str| text.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
        let known = self.fact(value);
        // Of several beginnings each has to.
        let several =
            known.items.as_ref().and_then(|items| items.any.text.literals()).filter(|texts| !texts.is_empty());
        match (several.or_else(|| known.text.literals().filter(|_| known.items.is_none())), &known.items) {
            (Some(literals), _) => literals.iter().all(|text| fixed(text)),
            // A list or name of allowed beginnings.
            _ => {
                !OriginTable::kinds(known.origins()).contains(&OriginKind::Attacker) && known.text.literals().is_none()
            }
        }
    }

    /// Whether a value is the host of a URL from one of these sources.
    fn is_host(&self, value: ValueId, of: &FxHashSet<ValueId>) -> bool {
        let slice = self.slice(value);
        let parts = |value: &ValueId| {
            matches!(self.function.op(*value), Op::Attribute(_, name)
                if matches!(&**name, "hostname" | "netloc" | "host" | "scheme_and_host" | "domain"))
                || matches!(self.function.op(*value), Op::Subscript(_, key) if self.is_second(*key))
                || matches!(self.function.op(*value), Op::Item(parts, 1) if self.item(*parts, 1).is_none())
        };
        slice.iter().any(parts) && slice.iter().any(|one| of.contains(one))
    }

    fn is_second(&self, key: ValueId) -> bool {
        matches!(self.function.op(self.root(key)), Op::Literal(Literal::Integer(1)))
    }

    /// Whether a value is the text from one of these sources itself.
    fn is_whole(&self, value: ValueId, of: &FxHashSet<ValueId>) -> bool {
        of.contains(&self.root(value))
    }

    /// Whether a call enters a function that may raise by a test.
    pub(super) fn calls_validator(&self, call: ValueId) -> bool {
        let Op::Call { callee, .. } = self.function.op(call) else { return false };
        self.fact(*callee).objects.iter().any(|object| match object {
            Object::Function(target) | Object::Method(target) => {
                let target = self.solved.program.function(*target);
                let stops = target.blocks.iter().any(|block| block.terminator == Terminator::Stop);
                let tests = target.blocks.iter().any(|block| matches!(block.terminator, Terminator::Branch { .. }));
                stops && tests
            }
            // By the name of one that is elsewhere: `ensure_public_url(url)`.
            Object::Path(path) => self.solved.guard_by_name(path, None).is_some(),
            _ => false,
        })
    }
}
