//! The structure of a program: what is left when its variables are renamed and its constants are erased.

use std::collections::{HashMap, HashSet};

use ruff_python_ast::token::TokenKind;
use ruff_python_ast::visitor::{Visitor, walk_except_handler, walk_expr, walk_parameter, walk_pattern, walk_stmt};
use ruff_python_ast::{ExceptHandler, Expr, ExprContext, Parameter, Pattern, Stmt};
use ruff_text_size::Ranged as _;
use sha2::{Digest as _, Sha256};

/// A digest of the structure: equal for programs that differ in the names they choose themselves, in the values of constants,
/// in comments and in layout only. Names of attributes, modules, builtins and keyword arguments that the program does not
/// define are part of it. `None` for what cannot be parsed, or does nothing.
pub fn structure(program: &str) -> Option<[u8; 32]> {
    let parsed = ruff_python_parser::parse_module(program).ok()?;
    let mut own = Own::default();
    let body: &[Stmt] = &parsed.syntax().body;
    own.visit_body(body);
    let (mut digest, mut numbers, mut count, mut attribute) = (Sha256::new(), HashMap::new(), 0_usize, false);
    for token in parsed.tokens() {
        let kind = token.kind();
        let text = &program[token.range()];
        match kind {
            TokenKind::Comment | TokenKind::NonLogicalNewline | TokenKind::FStringMiddle | TokenKind::TStringMiddle => {
                continue;
            }
            TokenKind::Name if !attribute && own.names.contains(text) => {
                let next = numbers.len();
                let number = *numbers.entry(text).or_insert(next);
                digest.update(format!("own {number}\n"));
            }
            TokenKind::Name => digest.update(format!("name {text}\n")),
            // What kind a constant is stays: a number is no text.
            _ => digest.update(format!("{kind:?}\n")),
        }
        attribute = kind == TokenKind::Dot;
        count += usize::from(!matches!(kind, TokenKind::Newline | TokenKind::EndOfFile));
    }
    (count > 0).then(|| digest.finalize().into())
}

/// Names that a program chooses itself.
#[derive(Default)]
struct Own<'a> {
    names: HashSet<&'a str>,
}

impl<'a> Visitor<'a> for Own<'a> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::FunctionDef(function) => drop(self.names.insert(function.name.as_str())),
            Stmt::ClassDef(class) => drop(self.names.insert(class.name.as_str())),
            _ => {}
        }
        walk_stmt(self, statement);
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        if let Expr::Name(name) = expression
            && name.ctx == ExprContext::Store
        {
            self.names.insert(name.id.as_str());
        }
        walk_expr(self, expression);
    }

    fn visit_parameter(&mut self, parameter: &'a Parameter) {
        self.names.insert(parameter.name.as_str());
        walk_parameter(self, parameter);
    }

    fn visit_except_handler(&mut self, handler: &'a ExceptHandler) {
        let ExceptHandler::ExceptHandler(named) = handler;
        self.names.extend(named.name.as_ref().map(ruff_python_ast::Identifier::as_str));
        walk_except_handler(self, handler);
    }

    fn visit_pattern(&mut self, pattern: &'a Pattern) {
        let name = match pattern {
            Pattern::MatchAs(bound) => bound.name.as_ref(),
            Pattern::MatchStar(bound) => bound.name.as_ref(),
            Pattern::MatchMapping(bound) => bound.rest.as_ref(),
            _ => None,
        };
        self.names.extend(name.map(ruff_python_ast::Identifier::as_str));
        walk_pattern(self, pattern);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRAM: &str = "import sqlite3\n\ndef find(name, limit=10):\n    with sqlite3.connect('a.db') as db:\n        \
                           return db.execute(f'select {name}', (limit,)).fetchall()\n";

    #[test]
    fn names_of_its_own_constants_comments_and_layout_do_not_count() {
        let renamed =
            PROGRAM.replace("find", "search").replace("name", "who").replace("limit", "most").replace("db.", "store.");
        let renamed = renamed.replace("as db", "as store").replace("10", "99").replace("'a.db'", "\"other\"");
        let renamed = renamed.replace("def ", "# a comment\n\n\ndef ").replace("'select {", "'SELECT * FROM {");
        assert_ne!(renamed, PROGRAM);
        assert_eq!(structure(&renamed), structure(PROGRAM));
    }

    #[test]
    fn what_is_called_and_how_it_flows_counts() {
        for (this, by) in
            [("fetchall", "fetchone"), ("sqlite3", "psycopg"), ("limit,", "name,"), ("=10", "='10'"), ("return ", "")]
        {
            let other = PROGRAM.replace(this, by);
            assert_ne!(structure(&other), structure(PROGRAM), "{this} → {by}");
        }
    }

    #[test]
    fn names_bound_by_handlers_patterns_and_loops_are_its_own() {
        let program = |a: &str, b: &str, c: &str| {
            format!(
                "for {a} in x():\n    try:\n        match {a}:\n            case [{b}, *_]: print({b})\n    except E as {c}:\n        raise {c}\n"
            )
        };
        assert_eq!(structure(&program("i", "j", "k")), structure(&program("one", "two", "three")));
        assert_ne!(structure(&program("i", "j", "k")), structure(&program("i", "i", "k")));
    }

    #[test]
    fn what_is_no_program_has_no_structure() {
        assert_eq!([structure("def ("), structure(""), structure("# nothing\n")], [None; 3]);
    }
}
