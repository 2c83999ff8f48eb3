//! Prompts of `input()` that were recorded as output.
//!
//! Expected outputs in SafeSQL are recordings of the task's own program. Prompts were cut out of most, but not where a
//! program asks in a loop or in a branch (4 of 339 tasks of the train split, all their cases). The words of a prompt are
//! the author's choice and the sandbox does not count prompts as output, so they are cut out here as well.

use ruff_python_ast::visitor::{Visitor, walk_expr};
use ruff_python_ast::{Expr, Stmt};

/// Shorter prompts (`> `) may be part of a legitimate output.
const FEWEST_LETTERS: usize = 3;

/// Literal prompts in a program that it cannot print as well, without white space around them (recordings may be
/// stripped), longest first. Empty where the program cannot be parsed.
pub(crate) fn literal(program: &str) -> Vec<String> {
    let Ok(module) = ruff_python_parser::parse_module(program) else { return Vec::new() };
    let mut finder = Finder::default();
    let body: &[Stmt] = &module.syntax().body;
    finder.visit_body(body);
    let asked = finder.prompts.concat();
    finder.prompts.retain(|prompt| {
        let letters = prompt.chars().filter(|c| c.is_alphabetic()).count();
        // The same words elsewhere in the program may be printed: then they are output.
        letters >= FEWEST_LETTERS && program.matches(prompt.as_str()).count() <= asked.matches(prompt.as_str()).count()
    });
    // A prompt may be the beginning of another.
    finder.prompts.sort_by_key(|prompt| std::cmp::Reverse(prompt.len()));
    finder.prompts
}

/// The output without these prompts.
pub(crate) fn removed(output: &str, prompts: &[String]) -> String {
    prompts.iter().fold(output.to_owned(), |output, prompt| output.replace(prompt.as_str(), ""))
}

#[derive(Default)]
struct Finder {
    prompts: Vec<String>,
}

impl<'a> Visitor<'a> for Finder {
    fn visit_expr(&mut self, expression: &'a Expr) {
        if let Expr::Call(call) = expression
            && let Expr::Name(function) = call.func.as_ref()
            && function.id.as_str() == "input"
            && let Some(Expr::StringLiteral(prompt)) = call.arguments.args.first()
        {
            self.prompts.push(prompt.value.to_str().trim().to_owned());
        }
        walk_expr(self, expression);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_in_loops_and_branches_are_cut_out_of_a_recording() {
        let program = "def ask():\n    return float(input('Price: '))\nwhile True:\n    print(ask())\n    \
                       if input('Price again? ') != 'y':\n        break\n";
        let prompts = literal(program);
        assert_eq!(prompts, ["Price again?", "Price:"]);
        assert_eq!(removed("Price: 3.0\nPrice again? Price: 4.0\nPrice again?", &prompts), " 3.0\n  4.0\n");
    }

    #[test]
    fn a_prompt_whose_words_the_program_also_prints_is_kept() {
        assert_eq!(literal("p = input('Price: ')\nq = input('Count: ')\nprint(f'Price: {p}')\n"), ["Count:"]);
    }

    #[test]
    fn short_prompts_and_other_calls_are_left_alone() {
        assert!(literal("x = input('> ')\nprint('Price: ')\ny = input(prompt)\nz = input()").is_empty());
        assert!(literal("x = (").is_empty());
    }
}
