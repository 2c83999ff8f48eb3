//! `# nosec` and `# noqa`: comments with which people say that they have looked at a line. Only `check` on files honours
//! them. Where programs are judged for a reward, whoever writes the program writes its comments.

use std::collections::BTreeSet;

use ruff_python_ast::token::TokenKind;
use ruff_python_parser::parse_module;
use ruff_text_size::Ranged;

use crate::analysis::on_large_stack;
use crate::syntax::{Positions, check_depth};

/// Lines whose findings somebody has silenced: `# nosec` (Bandit) with or without names of tests, `# noqa` (Flake8) alone
/// or with a code of the security checks (`S…`). Empty where the text is not Python.
pub fn suppressed_lines(code: &str) -> BTreeSet<u32> {
    let lower = code.to_ascii_lowercase();
    if !(lower.contains("nosec") || lower.contains("noqa")) || check_depth(code).is_err() {
        return BTreeSet::new();
    }
    on_large_stack(|| comments(code)).unwrap_or_default()
}

fn comments(code: &str) -> BTreeSet<u32> {
    let Ok(parsed) = parse_module(code) else { return BTreeSet::new() };
    let positions = Positions::new(code);
    let comments = parsed.tokens().iter().filter(|token| token.kind() == TokenKind::Comment);
    comments
        .filter(|token| silences(&code[token.range()]))
        .map(|token| positions.at(token.start().to_usize()).line)
        .collect()
}

fn silences(comment: &str) -> bool {
    // A comment may hold several: `# type: ignore # nosec`.
    comment.split('#').map(str::trim).any(|one| {
        let one = one.to_ascii_lowercase();
        if one == "nosec" || one.starts_with("nosec ") || one.starts_with("nosec:") {
            return true;
        }
        match one.strip_prefix("noqa") {
            Some("") => true,
            Some(codes) => codes.strip_prefix(':').is_some_and(|codes| {
                codes.split([',', ' ']).map(str::trim).any(|code| {
                    code.strip_prefix('s')
                        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
                })
            }),
            None => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_silence_their_line() {
        for comment in
            ["# nosec", "# NOSEC B307", "#nosec: B602, B603", "# noqa", "# noqa: E501, S307", "# type: ignore # nosec"]
        {
            assert_eq!(suppressed_lines(&format!("x = 1\neval(x)  {comment}\n")), BTreeSet::from([2]), "{comment}");
        }
    }

    #[test]
    fn other_comments_and_texts_do_not() {
        for line in ["# noqa: E501", "# no security here", "# nosecrets", "'# nosec'", "# noqa: SIM102"] {
            assert_eq!(suppressed_lines(&format!("eval(x)\n{line}\n")), BTreeSet::new(), "{line}");
        }
    }
}
