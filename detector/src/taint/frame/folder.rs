//! Whether a path was compared with the folder that it should be in, before it is used.

use rustc_hash::FxHashSet;

use super::scope::Scope;
use crate::dotted::last;
use crate::ssa::{BinaryOp, BlockId, CompareOp, Instruction, Op, Terminator, ValueId};
use crate::taint::domain::{Object, is_path};
use crate::text::{CharSet, Part, Template};

/// Joins of ways that are looked through for what was tested on each.
pub(super) const MAX_JOINS: usize = 3;

impl Scope<'_, '_> {
    /// Whether a test before a block compares a path with the folder that it should be in.
    pub(super) fn folder_is_tested(&self, path: ValueId, (block, at): (BlockId, ValueId)) -> bool {
        let of = self.parameters_and_calls(&self.slice(path));
        let tests = self.tests(block);
        // A path that is joined as it is may begin at the root: not to go up is not enough for it.
        let is_enough = !self.joins_whole(path) || tests.iter().any(|test| self.asks_for_root(test.0, &of));
        let is_folder = |condition: ValueId| self.compares_folder(condition, &of, is_enough);
        let is_asked = |call: ValueId| self.is_about(call, &of) && self.asks_function(call, is_enough);
        tests.iter().any(|(condition, _)| is_folder(*condition))
            || self.refusals(block, at).any(is_folder)
            || self.parts(&tests).iter().any(|(part, _)| is_asked(*part))
            || self.function.values.iter().any(|instruction| match &instruction.op {
                Op::Survived { value, call } => {
                    self.dominates(instruction.block, block)
                        && self.is_about(*value, &of)
                        && self.calls_validator(*call)
                        && is_asked(*call)
                }
                _ => false,
            })
    }

    /// Whether a call is of a function of the program that compares what it is given with a folder.
    fn asks_function(&self, call: ValueId, is_enough: bool) -> bool {
        let Op::Call { callee, .. } = self.function.op(call) else { return false };
        self.fact(*callee).objects.iter().any(|object| match object {
            Object::Function(target) | Object::Method(target) => {
                Scope::new(self.solved, *target).is_some_and(|inner| {
                    let values = (0..inner.function.values.len() as u32).map(ValueId);
                    let given =
                        values.clone().filter(|value| matches!(inner.function.op(*value), Op::Parameter(_))).collect();
                    let asks = |value: &ValueId| matches!(inner.function.op(*value), Op::Call { .. } | Op::Compare(..));
                    values.filter(asks).any(|value| inner.compares_folder(value, &given, is_enough))
                })
            }
            _ => false,
        })
    }

    /// Whether a path is joined of a folder and something that somebody else writes from its first character on.
    fn joins_whole(&self, path: ValueId) -> bool {
        let is_free = |part: ValueId| {
            let stripped = matches!(self.function.op(self.root(part)), Op::Call { callee, .. }
                if self.method(*callee).is_some_and(|(_, name)| matches!(name, "lstrip" | "strip")));
            let free = |template: &Template| {
                let hole = if let Some(Part::Hole(hole)) = template.0.first() { Some(hole) } else { None };
                hole.is_some_and(|hole| {
                    !hole.origins.is_none() && !hole.chars.intersection(CharSet::of("/")).is_empty()
                })
            };
            !stripped && self.fact(part).text.templates().iter().any(free)
        };
        self.slice(path).iter().any(|value| match self.function.op(*value) {
            Op::Call { callee, arguments } => {
                let joins = |path: &std::rc::Rc<str>| matches!(&**path, "os.path.join" | "posixpath.join");
                let joined = self.fact(*callee).paths().any(joins)
                    || self.method(*callee).is_some_and(|(on, name)| name == "joinpath" && is_path(self.fact(on)));
                joined && arguments.iter().skip(1).any(|one| is_free(one.value))
            }
            Op::Binary(BinaryOp::Arithmetic, left, right) => is_path(self.fact(*left)) && is_free(*right),
            _ => false,
        })
    }

    /// Whether a condition asks if a path begins at the root.
    fn asks_for_root(&self, condition: ValueId, of: &FxHashSet<ValueId>) -> bool {
        let slice = self.slice(condition);
        let asks = |value: &ValueId| match self.function.op(*value) {
            Op::Call { callee, arguments } => {
                let named = self.fact(*callee).paths().any(|path| matches!(last(path), "isabs" | "is_absolute"));
                named
                    || self.method(*callee).is_some_and(|(_, name)| match name {
                        "is_absolute" => true,
                        "startswith" => !arguments.is_empty(),
                        _ => false,
                    })
            }
            Op::Compare(CompareOp::In | CompareOp::NotIn, left, _) => self.as_text(*left) == Some("/"),
            _ => false,
        };
        slice.iter().any(asks) && slice.iter().any(|one| of.contains(one))
    }

    /// Calls that raise for a path outside of a folder and have come back by the time that an instruction of a block runs.
    fn refusals(&self, block: BlockId, at: ValueId) -> impl Iterator<Item = ValueId> {
        let refuses = move |(i, instruction): (usize, &Instruction)| {
            let Op::Call { callee, .. } = &instruction.op else { return None };
            let (path, _) = self.method(*callee).filter(|(_, name)| *name == "relative_to")?;
            let call = ValueId(i as u32);
            (self.has_returned(call, (block, at)) && self.is_resolved_last(path)).then_some(call)
        };
        self.function.values.iter().enumerate().filter_map(refuses)
    }

    /// Whether a call has come back, and not raised, by the time that an instruction of a block runs.
    fn has_returned(&self, call: ValueId, (block, at): (BlockId, ValueId)) -> bool {
        let own = self.block(call);
        if own == block {
            return call < at;
        }
        if !self.is_reached(own) || !self.dominates(own, block) {
            return false;
        }
        let code = &self.function.blocks[own.0 as usize];
        match code.terminator {
            // The handler sees the way before the call as well.
            Terminator::Goto(next) if !code.handlers.is_empty() => self.dominates(next, block),
            _ => code.handlers.is_empty(),
        }
    }

    /// Whether what an archive holds was looked at before a block: by a test that decides over the block, or name by name.
    pub(super) fn content_is_tested(&self, archive: ValueId, block: BlockId) -> bool {
        if self.tests(block).iter().any(|test| !self.is_about_kind(test.0, MAX_JOINS)) {
            return true;
        }
        let of = self.parameters_and_calls(&self.slice(archive));
        self.function.blocks.iter().any(|code| match code.terminator {
            Terminator::Branch { condition, .. } => self.compares_folder(condition, &of, true),
            _ => false,
        })
    }

    /// Whether a condition compares a path that is made of some values with a folder; `..` in it counts where that is enough.
    fn compares_folder(&self, condition: ValueId, of: &FxHashSet<ValueId>, is_enough: bool) -> bool {
        const COMPARES: &[&str] = &["startswith", "is_relative_to", "commonpath", "commonprefix", "relative_to"];
        let compares = |value: &ValueId| match self.function.op(*value) {
            Op::Call { callee, arguments } => {
                let begins = self.method(*callee).filter(|(_, name)| *name == "startswith");
                if let (Some((text, _)), Some(start)) = (begins, arguments.first()) {
                    // `..` is still in what begins with a folder's name.
                    let named = self.as_text(start.value).is_some_and(|start| start.contains(char::is_alphanumeric));
                    return self.is_constant(start.value) && !named || self.is_resolved(text);
                }
                if let Some((path, "is_relative_to")) = self.method(*callee) {
                    // It looks at names alone: `..` is one.
                    return self.as_parameter(path).is_some() || self.is_resolved(path);
                }
                let named = self.fact(*callee).paths().any(|path| COMPARES.iter().any(|name| path.ends_with(name)));
                named || self.method(*callee).is_some_and(|(_, name)| COMPARES.contains(&name))
            }
            Op::Compare(CompareOp::In | CompareOp::NotIn, left, right) => {
                self.as_text(*left).is_some_and(|text| text == "/" || is_enough && matches!(text, ".." | "../" | "\\"))
                    || self.is_folder_of(*right, &["parents"])
            }
            Op::Compare(CompareOp::Equal | CompareOp::NotEqual, left, right) => {
                [left, right].into_iter().any(|side| self.is_folder_of(*side, &["dirname", "parent"]))
            }
            _ => false,
        };
        let slice = self.slice(condition);
        slice.iter().any(compares) && slice.iter().any(|one| of.contains(one))
    }

    /// Whether a value is the folder, or the folders, that a resolved path is in: `path.parents`, `dirname(path)`.
    fn is_folder_of(&self, value: ValueId, names: &[&str]) -> bool {
        let path = match self.function.op(self.root(value)) {
            Op::Attribute(path, name) if names.contains(&&**name) => *path,
            Op::Call { callee, arguments } => match (self.method(*callee), arguments.as_slice()) {
                (Some((_, name)), [path]) if names.contains(&name) => path.value,
                _ => return false,
            },
            _ => return false,
        };
        self.is_resolved_last(path)
    }

    /// Whether a value is written in the program as it stands.
    fn is_constant(&self, value: ValueId) -> bool {
        match self.function.op(self.root(value)) {
            Op::Literal(_) => true,
            Op::Display(_, items) => items.iter().all(|(item, _)| self.is_constant(*item)),
            _ => false,
        }
    }

    /// Whether more was done to a text than cutting and joining: `..` is still in what begins with the right folder.
    fn is_resolved(&self, text: ValueId) -> bool {
        self.slice(text).iter().any(|value| match self.function.op(*value) {
            // What is told nothing has no path to resolve.
            Op::Call { callee, arguments } => {
                !(self.keeps(*callee) || arguments.is_empty() && self.method(*callee).is_none())
            }
            _ => false,
        })
    }

    /// Whether that was done to a path last, and not to the folder alone that it begins with.
    fn is_resolved_last(&self, path: ValueId) -> bool {
        match self.function.op(self.root(path)) {
            Op::Call { callee, arguments } if self.makes_path(*callee) => {
                matches!(arguments.as_slice(), [only] if self.is_resolved_last(only.value))
            }
            Op::Call { callee, .. } => !self.keeps(*callee),
            _ => false,
        }
    }

    /// Whether a call leaves `..` in a text or path where it is.
    fn keeps(&self, callee: ValueId) -> bool {
        const KEEPS: &[&str] =
            &["join", "joinpath", "strip", "lstrip", "rstrip", "decode", "encode", "get", "replace", "unquote"];
        self.makes_path(callee) || self.method(callee).is_some_and(|(_, name)| KEEPS.contains(&name))
    }

    fn makes_path(&self, callee: ValueId) -> bool {
        const MAKES: &[&str] = &["str", "os.fspath", "pathlib.Path", "pathlib.PurePath", "pathlib.PurePosixPath"];
        self.fact(callee).paths().any(|path| MAKES.contains(&&**path))
    }

    /// Whether a test is about whether a file is there, which kind its name says it is, or what the caller asks for.
    fn is_about_kind(&self, condition: ValueId, depth: usize) -> bool {
        const KIND: &[&str] = &[
            "exists",
            "lexists",
            "isfile",
            "isdir",
            "is_file",
            "is_dir",
            "is_tarfile",
            "is_zipfile",
            "endswith",
            "isinstance",
        ];
        match self.function.op(self.root(condition)) {
            Op::Not(inner) if depth > 0 => self.is_about_kind(*inner, depth - 1),
            Op::Logic(_, parts) if depth > 0 => parts.iter().all(|part| self.is_about_kind(*part, depth - 1)),
            Op::Call { callee, .. } => {
                let method = self.method(*callee).is_some_and(|(_, name)| KIND.contains(&name));
                method || self.fact(*callee).paths().any(|path| KIND.contains(&last(path)))
            }
            Op::Compare(CompareOp::Is | CompareOp::IsNot, ..) | Op::Parameter(_) => true,
            Op::Compare(CompareOp::Equal | CompareOp::NotEqual, left, right) => {
                self.as_text(*left).is_some() || self.as_text(*right).is_some()
            }
            _ => false,
        }
    }
}
