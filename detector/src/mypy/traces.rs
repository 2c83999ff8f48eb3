//! Which programs could change what others see.
//!
//! The checker keeps libraries in memory between programs. It has one object for a variable of a library, and a program that
//! defines an imported name anew, or annotates an attribute of a module, changes that object. Such programs, and those with
//! settings of their own (`# mypy: …`), are checked in a process of their own.

use std::collections::BTreeSet;

use ruff_python_ast::visitor::{Visitor, walk_except_handler, walk_expr, walk_pattern, walk_stmt};
use ruff_python_ast::{Alias, ExceptHandler, Expr, Pattern, Stmt, StmtImportFrom};
use ruff_python_parser::parse_module;
use rustc_hash::FxHashMap;
use serde::Serialize;

use crate::analysis::on_large_stack;
use crate::syntax::{captured, check_depth};

/// What a program could leave behind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Traces {
    /// It could leave something.
    pub(super) alone: bool,
    /// What is said here can be relied on; not where the text is no Python for us.
    pub(super) parses: bool,
    /// Modules of which it imports all names …
    pub(super) stars: BTreeSet<String>,
    /// … and, where there are some, the names that it defines itself.
    pub(super) names: BTreeSet<String>,
}

/// Reads it off a program.
pub(super) fn traces(code: &str) -> Traces {
    if code.contains("mypy:") || check_depth(code).is_err() {
        return Traces { alone: true, ..Traces::default() };
    }
    let read = || {
        let Ok(parsed) = parse_module(code) else { return Traces::default() };
        let mut finder = Finder::default();
        parsed.syntax().body.iter().for_each(|statement| finder.visit_stmt(statement));
        finder.traces()
    };
    on_large_stack(read).unwrap_or_else(|_| Traces { alone: true, ..Traces::default() })
}

#[derive(Default)]
struct Finder<'a> {
    /// Imported names, with where they are from.
    imported: FxHashMap<&'a str, String>,
    stars: BTreeSet<String>,
    /// Names that are defined other than by imports.
    bound: BTreeSet<&'a str>,
    /// An imported name comes from two places, or an attribute of something unknown is annotated.
    suspicious: bool,
}

impl<'a> Finder<'a> {
    fn traces(self) -> Traces {
        let again = |name: &&str| self.imported.contains_key(name);
        // `self` is a parameter, unless it is something else as well.
        let alone = self.suspicious || self.bound.iter().any(again);
        let names = if self.stars.is_empty() { BTreeSet::new() } else { self.bound };
        let names = names.into_iter().map(str::to_owned).collect();
        Traces { alone, parses: true, stars: self.stars, names }
    }

    fn import(&mut self, name: &'a str, from: String) {
        if let Some(before) = self.imported.get(name) {
            self.suspicious |= *before != from;
        }
        self.imported.insert(name, from);
    }

    fn import_from(&mut self, statement: &'a StmtImportFrom) {
        let module = format!("{}{}", ".".repeat(statement.level as usize), statement.module.as_deref().unwrap_or(""));
        for Alias { name, asname, .. } in &statement.names {
            if name.as_str() == "*" {
                self.stars.insert(module.clone());
            } else {
                self.import(asname.as_ref().unwrap_or(name), format!("{module}:{name}"));
            }
        }
    }
}

impl<'a> Visitor<'a> for Finder<'a> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::Import(import) => {
                for Alias { name, asname, .. } in &import.names {
                    // Without another name, `import a.b` binds `a`.
                    let first = name.split('.').next().unwrap_or(name);
                    let from = if asname.is_some() { name.as_str() } else { first };
                    self.import(asname.as_ref().map_or(first, |asname| asname.as_str()), from.to_owned());
                }
            }
            Stmt::ImportFrom(import) => self.import_from(import),
            Stmt::FunctionDef(function) => _ = self.bound.insert(&function.name),
            Stmt::ClassDef(class) => _ = self.bound.insert(&class.name),
            Stmt::AnnAssign(assignment) => self.suspicious |= is_attribute_of_another(&assignment.target),
            _ => {}
        }
        walk_stmt(self, statement);
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        if let Expr::Name(name) = expression
            && !name.ctx.is_load()
        {
            self.bound.insert(&name.id);
            // Then it may be a module.
            self.suspicious |= name.id == "self";
        }
        walk_expr(self, expression);
    }

    fn visit_except_handler(&mut self, handler: &'a ExceptHandler) {
        let ExceptHandler::ExceptHandler(one) = handler;
        self.bound.extend(one.name.as_ref().map(ruff_python_ast::Identifier::as_str));
        walk_except_handler(self, handler);
    }

    fn visit_pattern(&mut self, pattern: &'a Pattern) {
        self.bound.extend(captured(pattern).map(ruff_python_ast::Identifier::as_str));
        walk_pattern(self, pattern);
    }
}

/// Whether a target is an attribute of anything but `self`.
fn is_attribute_of_another(target: &Expr) -> bool {
    match target {
        Expr::Attribute(attribute) => !matches!(&*attribute.value, Expr::Name(name) if name.id == "self"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_programs_leave_nothing() {
        for code in [
            "import os, sys\nfrom math import pi as tau, e\ndef f(e: int, path: str) -> int:\n    x = e\n    return x\n",
            "import os.path\nimport os\nfrom os import path\nfrom os import path\n",
            "class A:\n    def __init__(self) -> None:\n        self.x: int = 1\n",
            "import math\nmath.pi = 3\n",
        ] {
            assert_eq!(traces(code), Traces { parses: true, ..Traces::default() }, "{code}");
        }
    }

    #[test]
    fn what_defines_imported_names_again_or_has_settings_is_alone() {
        for code in [
            "# mypy: ignore-errors\n",
            "from math import pi\npi = 3\n",
            "from math import pi as p\ndef f() -> None:\n    for p in []: ...\n",
            "def f() -> None:\n    from math import pi\n    global pi\n    pi += 1\n",
            "import os\nclass os: ...\n",
            "from string import digits\ntry: ...\nexcept Exception as digits: ...\n",
            "from string import digits\nmatch 1:\n    case [*digits] | {'a': digits, **digits} | (1 as digits): ...\n",
            "from math import pi\nfrom cmath import pi\n",
            "import math\nmath.pi: int\n",
            "import math as self\nself = 3\nself.pi: int = 3\n",
            "import os\n(os := 3)\n[os for os in []]\n",
            "import os\ndel os\n",
        ] {
            assert!(traces(code).alone, "{code}");
        }
    }

    #[test]
    fn names_of_star_imports_are_for_the_checker_to_know() {
        let found = traces("from typing import *\nfrom .a import *\nx = 3\nclass List: ...\n");
        assert_eq!(found.stars.into_iter().collect::<Vec<_>>(), [".a", "typing"]);
        assert_eq!(found.names.into_iter().collect::<Vec<_>>(), ["List", "x"]);
        assert!(!found.alone && found.parses && !traces("x = (").parses);
    }
}
