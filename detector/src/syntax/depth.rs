//! A look at the tokens before the recursive parser sees them.
//!
//! Bracket and indentation limits are those of `CPython`'s tokenizer (200 and 100 levels). Operator chains (`not not …`,
//! `a + b + …`, `a.b.c…`) make trees as deep as they are long; they are bounded per element of a bracket, so that long
//! tables of constants stay possible.

use ruff_python_ast::token::TokenKind;
use ruff_python_parser::Mode;
use ruff_python_parser::lexer::{Lexer, lex};

/// Deepest syntax tree that is analysed. `CPython`'s compiler gives up between 1000 and 6000, by construct.
pub const MAX_DEPTH: usize = 6000;

const MAX_BRACKETS: usize = 200;
const MAX_INDENT: usize = 100;

/// How a program nests too deeply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooDeep {
    /// More brackets are open than `CPython` allows.
    Brackets,
    /// More indented blocks than `CPython` allows.
    Indentation,
    /// Operators chain beyond [`MAX_DEPTH`].
    Expression,
}

/// Checks nesting without recursion; gives a bound of how deep recursion over the tree goes.
///
/// # Errors
/// The first limit that is passed.
pub fn check_depth(code: &str) -> Result<usize, TooDeep> {
    let mut lexer: Lexer<'_> = lex(code, Mode::Module);
    of(std::iter::from_fn(|| Some(lexer.next_token()).filter(|kind| *kind != TokenKind::EndOfFile)))
}

/// [`check_depth`] of these tokens.
pub(super) fn of(tokens: impl Iterator<Item = TokenKind>) -> Result<usize, TooDeep> {
    // One counter a bracket level: operators since the last comma there.
    let mut levels: Vec<usize> = vec![0];
    let mut total = 0usize;
    let mut indent = 0usize;
    let mut deepest = 0;
    for kind in tokens {
        match kind {
            TokenKind::Indent => {
                indent += 1;
                if indent >= MAX_INDENT {
                    return Err(TooDeep::Indentation);
                }
            }
            TokenKind::Dedent => indent = indent.saturating_sub(1),
            TokenKind::Newline | TokenKind::Semi => {
                levels.clear();
                levels.push(0);
                total = 0;
            }
            TokenKind::Comma => {
                if let Some(level) = levels.last_mut() {
                    total -= *level;
                    *level = 0;
                }
            }
            TokenKind::Lpar | TokenKind::Lsqb | TokenKind::Lbrace => {
                if levels.len() > MAX_BRACKETS {
                    return Err(TooDeep::Brackets);
                }
                levels.push(0);
            }
            TokenKind::Rpar | TokenKind::Rsqb | TokenKind::Rbrace => {
                if levels.len() > 1 {
                    total -= levels.pop().unwrap_or(0);
                }
                // `a[0][0]…` and `f()()…` nest to the left.
                *levels.last_mut().unwrap_or(&mut 0) += 1;
                total += 1;
            }
            other if nests(other) => {
                *levels.last_mut().unwrap_or(&mut 0) += 1;
                total += 1;
            }
            _ => {}
        }
        if total > MAX_DEPTH {
            return Err(TooDeep::Expression);
        }
        deepest = deepest.max(total + levels.len() + indent);
    }
    Ok(deepest)
}

fn nests(kind: TokenKind) -> bool {
    kind.is_operator() && !matches!(kind, TokenKind::Colon | TokenKind::Comma)
        || matches!(
            kind,
            TokenKind::Not
                | TokenKind::Lambda
                | TokenKind::If
                | TokenKind::Await
                | TokenKind::Async
                | TokenKind::Yield
                | TokenKind::From
                | TokenKind::And
                | TokenKind::Or
                | TokenKind::FStringStart
                | TokenKind::TStringStart
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_bounded_and_tables_are_not() {
        assert!(matches!(check_depth(&format!("x = {}1\n", "not ".repeat(50_000))), Err(TooDeep::Expression)));
        assert!(matches!(check_depth(&format!("x = 1{}\n", " + 1".repeat(50_000))), Err(TooDeep::Expression)));
        assert!(matches!(check_depth(&format!("x = a{}\n", ".b".repeat(50_000))), Err(TooDeep::Expression)));
        assert!(matches!(check_depth(&format!("x = a{}\n", "[0]".repeat(50_000))), Err(TooDeep::Expression)));
        assert!(check_depth(&format!("x = [{}]\n", "(-1, f(2)), ".repeat(50_000))).is_ok_and(|depth| depth < 20));
        assert!(check_depth(&"x = 1 + 2\n".repeat(50_000)).is_ok_and(|depth| depth < 10));
    }
}
