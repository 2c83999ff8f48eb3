//! What a program tells the type checker not to look at. mypy's verdict honours it; a reward must not.
//!
//! `Any` is told as well, but is no suppression: it is a type, and often the right one.

use real_detector_api::{AnalysisError, AnalysisErrorKind, Unchecked, UncheckedKind};
use ruff_python_ast::token::TokenKind;
use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{Alias, Expr, ExprCall, ExprContext, Parameter, Stmt, StmtIf, StmtImportFrom};
use ruff_python_parser::parse_module;
use ruff_text_size::{Ranged, TextSize};

use crate::analysis::{NoStack, PANICKED, on_large_stack};
use crate::syntax::{Positions, check_depth};

/// Names that mypy takes for true or false wherever they come from, and Python for what they are.
const DECIDED_BY_NAME: [&str; 4] = ["TYPE_CHECKING", "MYPY", "PY2", "PY3"];
/// Those that only say what is for checkers.
const ONLY_TRUE_FOR_CHECKERS: [&str; 2] = ["TYPE_CHECKING", "MYPY"];
/// Attributes of `sys` that mypy knows.
const KNOWN_OF_SYS: [&str; 2] = ["platform", "version_info"];
/// Most programs have none of these words, and need not be parsed again.
const WORDS: [&str; 12] = [
    "ignore",
    "mypy",
    "no_type_check",
    "TYPE_CHECKING",
    "MYPY",
    "PY2",
    "PY3",
    "platform",
    "version_info",
    "Any",
    "exec",
    "eval",
];

/// All such places, by line.
///
/// # Errors
/// The text may have some, and nests too deep to be looked at or is not Python for us.
pub fn unchecked(code: &str) -> Result<Vec<Unchecked>, AnalysisError> {
    if !WORDS.iter().any(|word| code.contains(word)) {
        return Ok(vec![]);
    }
    let error = |kind, why: &str| AnalysisError {
        kind,
        message: format!("what the program hides from mypy cannot be told: {why}"),
        line: None,
    };
    if check_depth(code).is_err() {
        return Err(error(AnalysisErrorKind::TooLarge, "an expression nests too deep"));
    }
    match on_large_stack(|| find(code)) {
        Ok(Some(found)) => Ok(found),
        Ok(None) => Err(error(AnalysisErrorKind::Syntax, "it is not Python for the detector's parser")),
        Err(NoStack::Panicked) => Err(error(AnalysisErrorKind::Unanalysable, PANICKED)),
        Err(NoStack::NoThread(problem)) => Err(error(AnalysisErrorKind::Internal, &problem)),
    }
}

fn find(code: &str) -> Option<Vec<Unchecked>> {
    let parsed = parse_module(code).ok()?;
    let mut finder = Finder { positions: Positions::new(code), found: vec![], sys: vec![], sys_is_changed: false };
    for token in parsed.tokens().iter().filter(|token| token.kind() == TokenKind::Comment) {
        let text = code[token.range()].trim_start_matches('#').trim_start();
        if is_directive(text) {
            finder.add(token.start(), UncheckedKind::Comment);
        } else if text.starts_with("type:") && has_any(text) {
            finder.add(token.start(), UncheckedKind::Any);
        }
    }
    parsed.syntax().body.iter().for_each(|statement| finder.visit_stmt(statement));
    if finder.sys_is_changed {
        for at in std::mem::take(&mut finder.sys) {
            finder.add(at, UncheckedKind::Branch);
        }
    }
    finder.found.sort_by_key(|one| (one.line, one.kind));
    finder.found.dedup();
    Some(finder.found)
}

/// Whether a text has the word `Any`.
fn has_any(text: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "Any")
}

/// `type: ignore` (PEP 484) and `mypy: …`, as mypy reads them.
fn is_directive(comment: &str) -> bool {
    let after = |name: &str| comment.strip_prefix(name).map(str::trim_start).and_then(|rest| rest.strip_prefix(':'));
    after("mypy").is_some() || after("type").is_some_and(|rest| rest.trim_start().starts_with("ignore"))
}

struct Finder<'a> {
    positions: Positions<'a>,
    found: Vec<Unchecked>,
    /// Where something depends on `sys.platform` or `sys.version_info`. mypy knows what they are; Python agrees …
    sys: Vec<TextSize>,
    /// … unless the program changes them, or calls something else `sys`.
    sys_is_changed: bool,
}

impl Finder<'_> {
    fn add(&mut self, at: TextSize, kind: UncheckedKind) {
        self.found.push(Unchecked { line: self.positions.at(at.to_usize()).line, kind });
    }

    /// A name or an attribute, by its last part.
    fn name(&mut self, name: &str, at: TextSize) {
        match name {
            "Any" => self.add(at, UncheckedKind::Any),
            "no_type_check" => self.add(at, UncheckedKind::Decorator),
            _ if DECIDED_BY_NAME.contains(&name) => self.add(at, UncheckedKind::Branch),
            _ => {}
        }
    }

    /// `from typing import Any as Other`: what the other name hides is told at the import.
    fn import_from(&mut self, import: &StmtImportFrom) {
        for Alias { name, asname, .. } in &import.names {
            if asname.as_ref().is_some_and(|asname| asname != name) {
                self.name(name, name.start());
            }
            if import.module.as_deref() == Some("builtins") && (name == "exec" || name == "eval") {
                self.add(name.start(), UncheckedKind::Code);
            }
        }
    }

    /// Code in a text, which no checker sees. What `eval` makes of a text that comes from elsewhere is just unknown.
    fn call(&mut self, call: &ExprCall) {
        let text =
            || matches!(call.arguments.args.first(), Some(Expr::StringLiteral(_) | Expr::FString(_) | Expr::BinOp(_)));
        let is_code = match &*call.func {
            Expr::Name(name) => name.id == "exec" || name.id == "eval" && text(),
            Expr::Attribute(attribute) => {
                let of_builtins = matches!(&*attribute.value, Expr::Name(name) if name.id.contains("builtins"));
                of_builtins && (&attribute.attr == "exec" || &attribute.attr == "eval" && text())
            }
            _ => false,
        };
        if is_code {
            self.add(call.start(), UncheckedKind::Code);
        }
    }
}

/// `if TYPE_CHECKING:` with nothing else: what stands there is seen by checkers, and hides nothing from them.
fn is_for_checkers(statement: &StmtIf) -> bool {
    let name = match &*statement.test {
        Expr::Name(name) => name.id.as_str(),
        Expr::Attribute(attribute) => attribute.attr.as_str(),
        _ => return false,
    };
    ONLY_TRUE_FOR_CHECKERS.contains(&name) && statement.elif_else_clauses.is_empty()
}

impl<'a> Visitor<'a> for Finder<'_> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::If(one) if is_for_checkers(one) => return self.visit_body(&one.body),
            Stmt::ImportFrom(import) => {
                self.import_from(import);
                self.sys_is_changed |= import.names.iter().any(|one| one.asname.as_ref().unwrap_or(&one.name) == "sys");
            }
            Stmt::Import(import) => {
                let other =
                    |one: &Alias| one.name.as_str() != "sys" && one.asname.as_ref().is_some_and(|name| name == "sys");
                self.sys_is_changed |= import.names.iter().any(other);
            }
            Stmt::FunctionDef(function) => self.sys_is_changed |= &function.name == "sys",
            Stmt::ClassDef(class) => self.sys_is_changed |= &class.name == "sys",
            _ => {}
        }
        walk_stmt(self, statement);
    }

    fn visit_parameter(&mut self, parameter: &'a Parameter) {
        self.sys_is_changed |= &parameter.name == "sys";
        parameter.annotation.iter().for_each(|annotation| self.visit_annotation(annotation));
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        match expression {
            Expr::Name(name) if name.ctx == ExprContext::Load => self.name(&name.id, name.start()),
            Expr::Name(name) => self.sys_is_changed |= name.id == "sys",
            Expr::Attribute(attribute) => {
                let is_known = KNOWN_OF_SYS.contains(&attribute.attr.as_str());
                if attribute.ctx != ExprContext::Load {
                    self.sys_is_changed |= is_known;
                } else if is_known {
                    self.sys.push(attribute.start());
                } else {
                    self.name(&attribute.attr, attribute.start());
                }
            }
            Expr::Call(call) => self.call(call),
            _ => {}
        }
        walk_expr(self, expression);
    }

    fn visit_annotation(&mut self, annotation: &'a Expr) {
        let mut texts = Texts(false);
        texts.visit_expr(annotation);
        if texts.0 {
            self.add(annotation.start(), UncheckedKind::Any);
        }
        self.visit_expr(annotation);
    }
}

/// Whether an annotation has the word in a text, as `"list[Any]"`.
struct Texts(bool);

impl<'a> Visitor<'a> for Texts {
    fn visit_expr(&mut self, expression: &'a Expr) {
        if let Expr::StringLiteral(text) = expression {
            self.0 |= has_any(text.value.to_str());
        }
        walk_expr(self, expression);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(code: &str) -> Vec<UncheckedKind> {
        unchecked(code).expect("Python").into_iter().map(|one| one.kind).collect()
    }

    #[test]
    fn comments_that_switch_checks_off_are_told() {
        for code in [
            "# mypy: ignore-errors\nx = 1\n",
            "#mypy:disable-error-code=\"assignment\"\nx = 1\n",
            "x: int = ''  # type: ignore\n",
            "x: int = ''  # type:ignore[assignment]\n",
        ] {
            assert_eq!(kinds(code), [UncheckedKind::Comment], "{code}");
        }
    }

    #[test]
    fn what_only_looks_like_a_suppression_is_none() {
        for code in
            ["x = '# type: ignore'\n", "# the type: ignored\nx = 1\n", "x = []  # type: list[int]\n", "# noqa\n"]
        {
            assert_eq!(kinds(code), [], "{code}");
        }
    }

    #[test]
    fn branches_that_checkers_do_not_see_are_told() {
        for code in [
            "from typing import TYPE_CHECKING\nif not TYPE_CHECKING:\n    x = 1\n",
            "import typing\nif typing.TYPE_CHECKING:\n    pass\nelse:\n    x = 1\n",
            "import typing as t\nif x:\n    pass\nelif not t.TYPE_CHECKING:\n    x = 1\n",
            "from typing import TYPE_CHECKING\nassert not TYPE_CHECKING\nx = 1\n",
            "from typing import TYPE_CHECKING\nTYPE_CHECKING or print(1 + '')\n",
            "from typing import TYPE_CHECKING\nmatch 1:\n    case 1 if not TYPE_CHECKING: x = 1\n",
            "PY2 = True\nif PY2:\n    x = 1\n",
            "MYPY = False\nif MYPY: pass\nelse: x = 1\n",
            "PY3 = False\nx = PY3 or f(1)\n",
            "import sys\nsys.platform = 'x'\nif sys.platform == 'x':\n    x = 1\n",
            "class sys:\n    version_info = (2, 7)\nif sys.version_info < (3,):\n    x = 1\n",
            "import os as sys\nassert sys.platform.startswith('y')\n",
            "def f(sys):\n    if sys.platform != 'linux': x = 1\n",
        ] {
            assert_eq!(kinds(code), [UncheckedKind::Branch], "{code}");
        }
        for code in [
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import os\n",
            "import sys\nif sys.platform == 'win32':\n    x = 1\nelif sys.version_info < (3, 8):\n    x = 2\n",
            "import platform\nplatform.version_info = 3\nprint(platform)\n",
        ] {
            assert_eq!(kinds(code), [], "{code}");
        }
    }

    #[test]
    fn decorators_and_any_are_told_apart() {
        let code = "from typing import Any, no_type_check\n@no_type_check\ndef f(x: Any) -> list[Any]:\n    return x\n";
        assert_eq!(kinds(code), [UncheckedKind::Decorator, UncheckedKind::Any]);
        for code in [
            "from typing import no_type_check as fine\n@fine\ndef f(): ...\n",
            "import typing as t\n@t.no_type_check\nclass A: ...\n",
        ] {
            assert_eq!(kinds(code), [UncheckedKind::Decorator], "{code}");
        }
        for code in [
            "from typing import Any as A\nx: A = 1\n",
            "import typing as t\nx = t.cast(t.Any, 1)\n",
            "from typing import *\nA = Any\n",
            "x: 'list[Any]' = []\n",
            "def f(x):\n    # type: (Any) -> int\n    return x\n",
            "x = []  # type: Any\n",
            "from typing import *\ndef __getattr__(name: str) -> Any: ...\n",
        ] {
            assert_eq!(kinds(code), [UncheckedKind::Any], "{code}");
        }
        assert_eq!(kinds("x: str = 'Any'\ny = Anything\n# Any\n"), []);
    }

    #[test]
    fn code_in_texts_is_told() {
        for code in [
            "exec('x: int = 1')\n",
            "exec(source, {})\n",
            "f = eval('lambda x: x')\n",
            "import builtins\nbuiltins.exec('x = 1')\n",
            "from builtins import exec as run\nrun('x = 1')\n",
            "x = eval('1' + '2')\n",
        ] {
            assert_eq!(kinds(code), [UncheckedKind::Code], "{code}");
        }
        assert_eq!(kinds("x = eval(input())\npattern.exec('a')\ndef execute() -> None: ...\n"), []);
    }
}
