//! Source text → syntax tree, with every limit that keeps later passes off the end of the stack.

mod bindings;
mod captured;
mod depth;
mod position;
mod refusals;

pub(crate) use captured::captured;
pub use depth::{MAX_DEPTH, TooDeep, check_depth};
pub use position::{Position, Positions};

use real_detector_api::{AnalysisError, AnalysisErrorKind, MAX_PROGRAM_BYTES};
use ruff_python_ast::token::Token;
use ruff_python_ast::{ModModule, PythonVersion};
use ruff_python_parser::{Mode, ParseOptions, Parsed, parse_unchecked};
use ruff_text_size::{Ranged, TextSize};

/// The newest grammar that a released CPython has.
const GRAMMAR: PythonVersion = PythonVersion::PY314;

/// The largest program that is looked at, in bytes.
pub const MAX_BYTES: usize = MAX_PROGRAM_BYTES;

/// Bytes of a program that is parsed before it is known how deep it is: the parser itself takes more stack where it needs
/// it, and to drop what so few bytes make takes little.
pub(crate) const SHORT: usize = 2 << 10;

/// A program that is within the limits that keep what comes after the parser off the end of the stack.
pub(crate) struct Source<'a> {
    pub(crate) code: &'a str,
    /// A bound of how deep recursion over its syntax tree goes.
    pub(crate) depth: usize,
    /// Its tree, where it was parsed already and nobody has it.
    parsed: Option<Parsed<ModModule>>,
}

/// Parses a program, on a stack that is deep enough for [`MAX_DEPTH`].
///
/// # Errors
/// `TooLarge` where the program is beyond [`MAX_BYTES`] or nests deeper than [`MAX_DEPTH`] (CPython's own parser gives up
/// earlier), `Syntax` where CPython does not compile the text.
pub fn parse(code: &str) -> Result<ModModule, AnalysisError> {
    read(code)?.module()
}

/// Looks at the limits that keep the recursive parser, and all that comes after it, off the end of the stack.
///
/// # Errors
/// `TooLarge` as [`parse`], `Syntax` where CPython's tokenizer refuses the text.
pub(crate) fn read(code: &str) -> Result<Source<'_>, AnalysisError> {
    if code.len() > MAX_BYTES {
        return Err(AnalysisError::too_large(code.len()));
    }
    if let Some(offset) = code.find('\0') {
        let line = Positions::new(code).at(offset).line;
        return Err(error(AnalysisErrorKind::Syntax, "source code cannot contain null bytes".to_owned(), Some(line)));
    }
    // After a mistake the parser reads some tokens in another way.
    let parsed = (code.len() <= SHORT).then(|| parsed(code)).flatten().filter(|parsed| parsed.errors().is_empty());
    let depth = match &parsed {
        Some(parsed) => depth::of(parsed.tokens().iter().map(Token::kind)),
        None => check_depth(code),
    };
    let depth = depth.map_err(|deep| match deep {
        TooDeep::Brackets => error(AnalysisErrorKind::Syntax, "too many nested parentheses".to_owned(), None),
        TooDeep::Indentation => error(AnalysisErrorKind::Syntax, "too many levels of indentation".to_owned(), None),
        TooDeep::Expression => {
            let message = format!("an expression nests deeper than {MAX_DEPTH} levels");
            error(AnalysisErrorKind::TooLarge, message, None)
        }
    })?;
    Ok(Source { code, depth, parsed })
}

impl Source<'_> {
    /// Its syntax tree.
    ///
    /// # Errors
    /// `Syntax` where CPython does not compile the text.
    pub(crate) fn module(&mut self) -> Result<ModModule, AnalysisError> {
        let code = self.code;
        let refused = |at: TextSize, message: String| {
            let line = Positions::new(code).at(at.to_usize()).line;
            error(AnalysisErrorKind::Syntax, message, Some(line))
        };
        let Some(parsed) = self.parsed.take().or_else(|| parsed(code)) else {
            return Err(error(AnalysisErrorKind::Unanalysable, "the parser gave no module".to_owned(), None));
        };
        if let Some(problem) = parsed.errors().first() {
            return Err(refused(problem.location.start(), problem.error.to_string()));
        }
        if let Some(problem) = parsed.unsupported_syntax_errors().first() {
            return Err(refused(problem.range().start(), problem.to_string()));
        }
        match refusals::first(code, parsed.syntax()) {
            Some((at, message)) => Err(refused(at, message)),
            None => Ok(parsed.into_syntax()),
        }
    }
}

fn parsed(code: &str) -> Option<Parsed<ModModule>> {
    parse_unchecked(code, ParseOptions::from(Mode::Module).with_target_version(GRAMMAR)).try_into_module()
}

fn error(kind: AnalysisErrorKind, message: String, line: Option<u32>) -> AnalysisError {
    AnalysisError { kind, message, line }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(code: &str) -> Option<AnalysisErrorKind> {
        parse(code).err().map(|problem| problem.kind)
    }

    #[test]
    fn what_cpython_refuses_is_a_syntax_error() {
        for code in
            ["print 'x'\n", "if True:\n\tx = 1\n        y = 2\n", "def f(:\n", "x = (\n", "return = 1\n", "a\0b"]
        {
            assert_eq!(kind(code), Some(AnalysisErrorKind::Syntax), "{code:?}");
        }
    }

    #[test]
    fn a_syntax_error_names_its_line() {
        assert_eq!(parse("x = 1\ny = = 2\n").unwrap_err().line, Some(2));
    }

    #[test]
    fn the_depth_of_a_program_is_the_same_from_its_tree_and_before_there_is_one() {
        let pieces = [
            "match = [1, 2]\nprint(match[0])\nmatch match:\n    case [1, *_]:\n        pass  # (((\n",
            "type X = int\nx = f'{a + (b.c)!r:>{w}} {{' \"(\"\n\n# [\nif not (yield):\n    x = lambda: -x\n",
            "async def f(a, /, *b, c: int = 1):\n    return [\n        await x async for x in y if not x\n    ]\n",
            "x = 1; y = (2,\n    # a comment\n    3)\n\tz\n",
            "def f(:\n    (\n",
        ];
        let long = "-".repeat(SHORT - 2) + "1";
        for code in pieces.into_iter().chain([&*long, ""]) {
            assert_eq!(read(code).map(|source| source.depth).ok(), check_depth(code).ok(), "{code}");
        }
    }

    #[test]
    fn bracket_and_indentation_limits_are_cpythons() {
        let brackets = |n: usize| format!("x = {}1{}\n", "(".repeat(n), ")".repeat(n));
        assert_eq!(kind(&brackets(150)), None);
        assert_eq!(kind(&brackets(100_000)), Some(AnalysisErrorKind::Syntax));
        let blocks = |n: usize| {
            let code: Vec<String> = (0..n).map(|i| " ".repeat(i) + "if x:\n").collect();
            code.concat() + &" ".repeat(n) + "pass\n"
        };
        assert_eq!(kind(&blocks(90)), None);
        assert_eq!(kind(&blocks(300)), Some(AnalysisErrorKind::Syntax));
    }

    #[test]
    fn more_than_a_mebibyte_is_too_large() {
        assert_eq!(kind(&"x = 1\n".repeat(MAX_BYTES / 6 + 1)), Some(AnalysisErrorKind::TooLarge));
    }
}
