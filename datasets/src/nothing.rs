//! What a program that does nothing passes: found at loading, because a test that it passes says nothing about an answer.

use real_sandbox_api::{Check, Group};
use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{Alias, Expr, ExprContext, Stmt};
use ruff_text_size::Ranged as _;

use crate::Task;

/// Whether a program that does nothing passes a test.
pub fn expects_nothing(check: &Check) -> bool {
    match check {
        Check::Stdin { stdout, .. } => stdout.trim().is_empty(),
        Check::SqlInjection { ordinary, .. } => ordinary.stdout.trim().is_empty(),
        Check::Call { .. } => false,
    }
}

/// Why a program that does nothing passes every functional test of a task, or may; `None` where it cannot.
///
/// Either all of them expect no output, or the task's own prelude defines what they call.
pub fn passed_by_nothing(task: &Task) -> Option<&'static str> {
    let functional: Vec<&Check> =
        task.tests.iter().filter(|test| test.group == Group::Functional).map(|test| &test.check).collect();
    let prelude = task.setup.prelude.as_deref().unwrap_or_default();
    let all = |of: &dyn Fn(&Check) -> bool| !functional.is_empty() && functional.iter().all(|check| of(check));
    let given = |check: &Check| match check {
        Check::Call { entry, .. } => {
            let name = entry.split(['(', '.', '[']).next().unwrap_or_default().trim();
            !name.is_empty() && prelude.contains(name) && without(prelude, name) != prelude
        }
        Check::Stdin { .. } | Check::SqlInjection { .. } => false,
    };
    if all(&expects_nothing) {
        Some("none of its tests expects any output")
    } else if all(&|check| expects_nothing(check) || given(check)) {
        Some("its own prelude defines what its tests call")
    } else {
        None
    }
}

/// The source without its statements that bind a name; as it is where it cannot be parsed.
pub(crate) fn without(source: &str, name: &str) -> String {
    let Ok(module) = ruff_python_parser::parse_module(source) else { return source.to_owned() };
    let mut kept = source.to_owned();
    for statement in module.syntax().body.iter().rev().filter(|statement| binds(statement, name)) {
        kept.replace_range(std::ops::Range::<usize>::from(statement.range()), "");
    }
    kept
}

/// Whether a statement binds a name in the scope that it stands in.
pub(crate) fn binds(statement: &Stmt, name: &str) -> bool {
    let mut search = Search { name, found: false };
    search.visit_stmt(statement);
    search.found
}

struct Search<'a> {
    name: &'a str,
    found: bool,
}

impl<'a> Visitor<'a> for Search<'_> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            // What is inside is another scope.
            Stmt::FunctionDef(function) => self.found |= function.name.as_str() == self.name,
            Stmt::ClassDef(class) => self.found |= class.name.as_str() == self.name,
            _ => walk_stmt(self, statement),
        }
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        match expression {
            Expr::Name(name) => self.found |= name.ctx == ExprContext::Store && name.id.as_str() == self.name,
            Expr::Lambda(_) | Expr::ListComp(_) | Expr::SetComp(_) | Expr::DictComp(_) | Expr::Generator(_) => {}
            _ => walk_expr(self, expression),
        }
    }

    fn visit_alias(&mut self, alias: &'a Alias) {
        self.found |= alias.asname.as_ref().unwrap_or(&alias.name).as_str() == self.name;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(prelude: &str, tests: &serde_json::Value) -> Task {
        serde_json::from_value(serde_json::json!({
            "id": "1", "dataset": "d", "split": "s", "prompt": [], "setup": {"prelude": prelude}, "tests": tests,
            "quality": [],
        }))
        .expect("a task")
    }

    #[test]
    fn tasks_that_nothing_passes_are_found_and_why() {
        let prints = |stdout: &str| serde_json::json!({"kind": "stdin", "stdin": "", "stdout": stdout});
        let calls = serde_json::json!({"kind": "call", "entry": "f", "expected": {"returns": {"source": "None"}}});
        let found = |prelude: &str, tests: serde_json::Value| passed_by_nothing(&task(prelude, &tests));
        assert!(found("", serde_json::json!([prints("\n"), prints("")])).is_some_and(|why| why.contains("output")));
        assert!(
            found("def f(): pass", serde_json::json!([calls, prints("")])).is_some_and(|why| why.contains("prelude"))
        );
        assert_eq!(found("", serde_json::json!([prints(""), prints("1")])), None);
        assert_eq!(found("def g(): return f()", serde_json::json!([calls])), None);
        assert_eq!(found("def f(): pass", serde_json::json!([])), None);
    }

    #[test]
    fn names_of_inner_scopes_bind_nothing_outside() {
        for source in [
            "def g():\n    f = 1",
            "class g:\n    def f(self): pass",
            "g = [f for f in x]",
            "g = lambda: (f := 1)",
            "f.x = 1",
            "f()",
        ] {
            assert_eq!(without(source, "f"), source);
        }
        assert_eq!(without("x = 1\nfor f in x: pass\nwith x as f: pass\ny = 2", "f").split_whitespace().count(), 6);
    }
}
